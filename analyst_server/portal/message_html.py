"""The message of a notification as HTML: a small part of Markdown (bold, italic, code, lists, links), everything else as it was typed.

Messages are text of strangers. HTML in them is shown, never obeyed; pictures are not loaded; links lead to the web alone and tell it nothing of us.
"""

from functools import cache, lru_cache

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

from analyst_server.wire.inert import inert_text

__all__ = ["message_html"]

MAX_MARKDOWN_CHARS = (
    4_096  # parsing takes the square of the length at worst: 20 ms here, 300 ms for the longest message there may be
)
_RULES = (
    "paragraph",
    "list",
    "fence",
    "code",
    "newline",
    "escape",
    "entity",
    "backticks",
    "emphasis",
    "link",
    "autolink",
)


@lru_cache(maxsize=1_024)  # a page is rendered again for every alert that arrives: 50 messages, of which 49 are known
def message_html(message: str) -> Markup:
    """Return a message as HTML that is safe to put into a page."""
    if len(message) > MAX_MARKDOWN_CHARS:
        return Markup('<p class="typed">{}</p>').format(inert_text(message))
    return Markup(_markdown().render(inert_text(message)))  # noqa: S704 - the renderer escapes, and the tests try it


@cache
def _markdown() -> MarkdownIt:
    # `zero` knows plain paragraphs alone, so a rule that a later version adds is off until it is wanted here.
    markdown = MarkdownIt("zero", {"html": False, "breaks": True, "maxNesting": 20}).enable(list(_RULES))
    markdown.validateLink = _leads_to_the_web  # type: ignore[method-assign]
    markdown.add_render_rule("link_open", _link_open)
    return markdown


def _leads_to_the_web(url: str) -> bool:
    return url.lower().startswith(("https://", "http://"))


def _link_open(self: RendererHTML, tokens: list[Token], index: int, options: OptionsDict, _: EnvType) -> str:
    tokens[index].attrSet("rel", "noreferrer noopener nofollow")
    return self.renderToken(tokens, index, options, _)
