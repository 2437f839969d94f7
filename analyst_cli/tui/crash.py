"""The end after a fault of our own: one sentence for the person, the traceback in a file for those who mend it."""

import traceback

from analyst_cli.log import redacted
from analyst_cli.paths import private_folder, state_dir

__all__ = ["crash_words"]


def crash_words(error: Exception) -> str:
    """Keep the traceback in a file, and say where it is."""
    path = state_dir() / "inbox-crash.txt"
    try:
        private_folder(path.parent)
        path.write_text(redacted("".join(traceback.format_exception(error))), encoding="utf-8")
        kept = f"the details are in {path}"
    except OSError:
        kept = "the details cannot be kept"
    return f"analyst: the inbox has met a fault of its own ({type(error).__name__}); {kept}"
