"""What a check has found."""

from typing import Literal, NamedTuple

__all__ = ["Finding", "failed", "fine", "skipped", "warned"]


class Finding(NamedTuple):
    """The outcome of one check; `remedy` says what to do where it is not fine."""

    check: str
    status: Literal["ok", "warning", "failed", "skipped"]
    detail: str
    remedy: str = ""


def fine(check: str, detail: str) -> Finding:
    """It is as it should be."""
    return Finding(check, "ok", detail)


def warned(check: str, detail: str, remedy: str) -> Finding:
    """It works, but not as well as it could, or not for long."""
    return Finding(check, "warning", detail, remedy)


def failed(check: str, detail: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(check, "failed", detail, remedy)


def skipped(check: str, detail: str) -> Finding:
    """It could not be looked at, because something before it failed or is not here."""
    return Finding(check, "skipped", detail)
