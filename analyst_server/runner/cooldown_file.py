"""The file that says when a script's alert was last sent, in the source system's place and shape; what follows from it is `cooldown.py`."""

from pathlib import Path

from analyst_server.runner.cooldown import last_sent_of, state_text

__all__ = ["begin_cooldown", "last_sent"]


def last_sent(path: Path) -> float | None:
    """Return when the script's alert was last sent; None: never, or the file is damaged, and then a repeat is better than a silence."""
    try:
        return last_sent_of(path.read_bytes())
    except (OSError, ValueError):
        return None


def begin_cooldown(path: Path, *, now: float) -> None:
    """Remember that an alert is sent now."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".json.new")
    fresh.write_text(state_text(now), "utf-8")
    fresh.replace(path)
