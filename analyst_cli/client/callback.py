"""Hand a sign-in URL from the operating system to the waiting `analyst login`. Standard library only: the browser waits for it."""

__all__ = ["deliver"]


def deliver(url: str) -> int:
    """Pass the URL to the `analyst login` that waits for it; return the exit code."""
    raise NotImplementedError(url)
