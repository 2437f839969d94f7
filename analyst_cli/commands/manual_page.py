"""Write the manual page `analyst(1)` from the commands themselves, in the man macros of groff (man(7))."""

import re
from collections.abc import Iterator
from typing import Any

from analyst_cli import __version__
from analyst_cli.exit_codes import ExitCode

__all__ = ["manual_page"]

_CODES = {
    ExitCode.OK: "It is done.",
    ExitCode.FAILED: "It failed; standard error says why, and what to do.",
    ExitCode.USAGE: "The command line or a setting cannot be meant.",
    ExitCode.SIGN_IN_NEEDED: "A sign-in is needed: analyst login.",
    ExitCode.INTERRUPTED: "Ended by Ctrl-C.",
}
_VARIABLES = {
    "ANALYST_SERVER": "The portal, like --server.",
    "ANALYST_WS_URL": "A gateway without a portal, like --ws-url.",
    "ANALYST_TOKEN": "A token that wins over the stored one.",
    "ANALYST_CONFIG": "Another settings file.",
    "NO_COLOR": "When not empty: no colour.",
}


def manual_page(root: Any) -> str:
    """Return the page as groff source; this imports every command's module."""
    lines = [
        f'.TH ANALYST 1 "" "analyst {__version__}" "User commands"',
        ".SH NAME",
        r"analyst \- alerts of a data team, in the terminal of the person who must act",
        ".SH SYNOPSIS",
        ".B analyst",
        r"[\fIOPTIONS\fR] \fICOMMAND\fR [\fIARGUMENTS\fR]",
        ".SH COMMANDS",
        *_commands(root, ()),
        ".SH ENVIRONMENT",
        *(line for name, words in _VARIABLES.items() for line in (".TP", f".B {name}", _plain(words))),
        "Every setting has a variable too; see",
        ".B analyst config list --json .",
        ".SH EXIT STATUS",
        *(line for code, words in _CODES.items() for line in (".TP", f".B {int(code)}", _plain(words))),
        ".SH FILES",
        ".TP",
        ".I ~/.config/analyst/config.toml",
        "Settings.",
        ".TP",
        ".I ~/.local/share/analyst/inboxes/",
        "Inboxes, one a server and user, readable by their owner only.",
    ]
    return "\n".join(lines) + "\n"


def _commands(command: Any, path: tuple[str, ...], parent: Any = None) -> Iterator[str]:
    context = command.make_context("analyst", [], parent=parent, resilient_parsing=True)
    real = context.command
    children = {name: child for name, child in sorted(getattr(real, "commands", {}).items()) if not child.hidden}
    if path and not children:
        usage = " ".join(real.collect_usage_pieces(context))
        yield f".SS analyst {_plain(' '.join(path))} {_plain(usage)}"
        yield from _paragraphs(real.help or "")
        for parameter in real.get_params(context):
            record = parameter.get_help_record(context)
            if record is not None and parameter.param_type_name == "option" and parameter.name != "help":
                names, words = record
                yield from (".TP", f".B {_plain(names)}", _plain(" ".join(words.split())))
    for name, child in children.items():
        yield from _commands(child, (*path, name), context)


def _paragraphs(help_: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", help_.strip()):
        words = paragraph.removeprefix("\b").strip("\n")
        if paragraph.startswith("\b") or re.match(r"Examples?:", words):
            yield from (".PP", ".nf", *map(_plain, words.splitlines()), ".fi")
        else:
            yield from (".PP", _plain(" ".join(words.split())))


def _plain(words: str) -> str:
    """Escape for groff: backslashes, hyphens that are to be copied, and a dot or quote that would begin a request."""
    escaped = words.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{escaped}" if escaped[:1] in {".", "'"} else escaped
