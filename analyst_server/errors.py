"""Everything that can go wrong on the server side, split by who can act.

ServerError
├── ConfigProblem       the administrator: a setting cannot be used
├── ListenProblem       the administrator: a port, socket or folder cannot be had
├── RequestRefused      the caller: the request cannot be accepted (carries an HTTP status)
│   ├── Conflict        409: the same id with another body
│   ├── TooLarge        413: over a limit, which it names
│   └── ImageRefused    400/413: not a picture within limits
├── StoreUnavailable    the machine: disk full, locked, read-only, damaged (503)
├── CursorLost          the device: its cursor cannot be honoured (with the reason)
└── TokenRefused        the person: the token is invalid, expired or revoked

An error's text is one lower-case sentence with the value in question and no secrets; `way_out` tells what to do next.
"""

__all__ = [
    "ConfigProblem",
    "Conflict",
    "CursorLost",
    "ImageRefused",
    "ListenProblem",
    "RequestRefused",
    "ServerError",
    "StoreUnavailable",
    "TokenRefused",
    "TooLarge",
]


class ServerError(Exception):
    """Say what happened, with which value, and what to do next."""

    def __init__(self, problem: str, way_out: str = "") -> None:
        super().__init__(problem, way_out)
        self.problem = problem
        self.way_out = way_out

    def __str__(self) -> str:
        return f"{self.problem}; {self.way_out}" if self.way_out else self.problem


class ConfigProblem(ServerError):
    """A setting of the file, the environment or a flag cannot be used."""


class ListenProblem(ServerError):
    """A port, a socket or its folder cannot be had."""


class RequestRefused(ServerError):
    """The request cannot be accepted as it is; `status` is the HTTP answer."""

    status = 400


class Conflict(RequestRefused):
    """The id is taken by a notification with another body."""

    status = 409


class TooLarge(RequestRefused):
    """A limit is passed; the text names it."""

    status = 413


class ImageRefused(RequestRefused):
    """The picture cannot be read, is of another kind, or passes a limit."""


class StoreUnavailable(ServerError):
    """The store cannot take or give events now; nothing is half-stored."""

    status = 503


class CursorLost(ServerError):
    """A cursor cannot be honoured; `reason` is the word the wire uses."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the cursor cannot be honoured ({reason})")
        self.reason = reason


class TokenRefused(ServerError):
    """The token is invalid, expired or revoked."""
