"""Make Telegram messages of a notification: safe HTML, within Telegram's limits, text and chart in one where they fit. No I/O.

Limits are counted in UTF-16 code units after the entities are parsed (https://core.telegram.org/bots/api#sendmessage): 4,096 for a text, 1,024 for a
caption. Of Markdown only what people write in alerts is kept: bold, italic, code, code blocks, links, lists; everything else shows as it is typed.
"""

import html
import re
from dataclasses import dataclass

from analyst_server.wire.inert import inert_line, inert_text

__all__ = ["MAX_CAPTION_UNITS", "MAX_TEXT_UNITS", "Part", "html_of_markdown", "parts_of", "split_text", "units"]

MAX_TEXT_UNITS, MAX_CAPTION_UNITS = 4_096, 1_024

_ICONS = {"critical": "🔴", "high": "🟠", "normal": "", "low": ""}
_STATUS = {"firing": "🔥", "resolved": "✅"}


@dataclass(frozen=True, slots=True)
class Part:
    """One message to send: a text, or the picture with an optional caption. `is_html` says how the text is written."""

    text: str
    is_photo: bool = False
    is_html: bool = True


def parts_of(
    *,
    title: str,
    message: str,
    priority: str = "normal",
    status: str = "",
    url: str = "",
    has_image: bool,
    plain: bool = False,
) -> list[Part]:
    """Return what to send, in order: one message where all fits into the caption, else the picture, then the text.

    `plain` leaves out all formatting: for when Telegram does not like ours.
    """
    icon = _STATUS.get(status) or _ICONS.get(priority, "")
    heading = f"{icon} {inert_line(title)}".strip()
    body = inert_text(message).strip()
    link = url if re.fullmatch(r"https?://[^\s<>\"]{1,2000}", url) else ""
    if not (heading or body or link or has_image):
        heading = "(no text)"  # Telegram takes no empty message
    whole = "\n\n".join(part for part in (heading, body, link) if part)
    if has_image and units(whole) <= MAX_CAPTION_UNITS:
        return [Part(_written(heading, body, link, plain=plain), is_photo=True, is_html=not plain)]
    shown_heading = "" if has_image else heading  # the picture's caption has it
    pieces = split_text(
        "\n\n".join(part for part in (body, link) if part), first=MAX_TEXT_UNITS - units(shown_heading) - 2
    )
    texts = [
        _written(shown_heading if number == 0 else "", piece, "", plain=plain) for number, piece in enumerate(pieces)
    ]
    texts = [text for text in texts if text]
    photo = [Part(_written(heading, "", "", plain=plain), is_photo=True, is_html=not plain)] if has_image else []
    return photo + [Part(text, is_html=not plain) for text in texts]


def units(text: str) -> int:
    """Return the length as Telegram counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def split_text(text: str, *, first: int = MAX_TEXT_UNITS, rest: int = MAX_TEXT_UNITS) -> list[str]:
    """Split at a sensible place: between paragraphs, else lines, else sentences, else words, and only then anywhere."""
    parts, limit = [], first
    while units(text) > limit:
        cut = _cut(text, limit)
        parts.append(text[:cut].rstrip())
        text = text[cut:].lstrip()
        limit = rest
    return [*parts, text]


def html_of_markdown(text: str) -> str:
    """Return Telegram's HTML (https://core.telegram.org/bots/api#html-style) of a little Markdown; nothing in the text can open a tag of its own."""
    pieces = re.split(r"```[^\n`]*\n?(.*?)```", text, flags=re.DOTALL)
    return "".join(
        _inline(piece) if number % 2 == 0 else f"<pre>{html.escape(piece.rstrip(), quote=False)}</pre>"
        for number, piece in enumerate(pieces)
    )


def _inline(text: str) -> str:
    pieces = re.split(r"`([^`\n]+)`", text)
    return "".join(
        _emphasis(piece) if number % 2 == 0 else f"<code>{html.escape(piece, quote=False)}</code>"
        for number, piece in enumerate(pieces)
    )


def _emphasis(text: str) -> str:
    safe = html.escape(text, quote=True)
    safe = re.sub(r"\[([^\[\]\n]{1,300})\]\((https?://[^\s()<>]{1,1000})\)", r'<a href="\2">\1</a>', safe)
    safe = re.sub(r"\*\*(?=\S)([^*\n]{1,1000}?)(?<=\S)\*\*", r"<b>\1</b>", safe)
    safe = re.sub(r"(?<![\w*])\*(?=\S)([^*\n]{1,1000}?)(?<=\S)\*(?![\w*])", r"<i>\1</i>", safe)
    safe = re.sub(r"(?m)^#{1,6} (.{1,300})$", r"<b>\1</b>", safe)
    return re.sub(r"(?m)^([ ]{0,8})[-*] (?=\S)", r"\1• ", safe)


def _written(heading: str, body: str, link: str, *, plain: bool) -> str:
    if plain:
        return "\n\n".join(part for part in (heading, body, link) if part)
    pieces = (
        f"<b>{html.escape(heading, quote=False)}</b>" if heading else "",
        html_of_markdown(body),
        html.escape(link),
    )
    return "\n\n".join(piece for piece in pieces if piece)


def _cut(text: str, limit: int) -> int:
    """Return the index of the best place to cut at or before `limit` units."""
    most = _index_at(text, limit)
    for pattern in (r"\n\s*\n", r"\n", r"(?<=[.!?])\s", r"\s"):
        places = [match.start() for match in re.finditer(pattern, text[: most + 1])]
        if places and places[-1] > most // 2:
            return places[-1]
    return max(1, most)


def _index_at(text: str, limit: int) -> int:
    """Return how many characters fit into `limit` units."""
    count = 0
    for index, char in enumerate(text):
        count += 2 if ord(char) > 0xFFFF else 1
        if count > limit:
            return index
    return len(text)
