"""Make text of strangers harmless to show in a terminal, a log or a title.

Control characters (C0, DEL, C1: the beginning of every escape sequence), bidirectional controls and invisible format characters are replaced
by visible stand-ins, so nothing can move the cursor, reorder a line or hide. Joiners inside emoji and scripts that need them stay.
"""

import re

__all__ = ["inert_json", "inert_line", "inert_text"]

# C0 without tab and newline, DEL, C1; bidi marks, embeddings, overrides and isolates (UAX #9); zero-width space, word joiner and
# invisible operators; line and paragraph separator; BOM; interlinear annotations; tags (used to hide text in plain sight); lone surrogates.
_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_BLANKS = re.compile(r"[\t\n]+")


def inert_text(text: str) -> str:
    """Return the text with harmful characters made visible (`\\x1b` becomes `␛`); newlines and tabs stay."""
    return _HARMFUL.sub(_stand_in, text.replace("\r\n", "\n"))


def inert_line(text: str) -> str:
    """Return the text as one inert line: newlines and tabs become one space."""
    return _BLANKS.sub(" ", inert_text(text))


def inert_json(encoded: str) -> str:
    """Return encoded JSON with harmful characters as its own escapes: the same value, and nothing that a terminal obeys."""
    return encoded if encoded.isascii() else _HARMFUL.sub(_json_escape, encoded)


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _stand_in(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)  # the block "Control Pictures"
    return "␡" if code == 0x7F else "�"
