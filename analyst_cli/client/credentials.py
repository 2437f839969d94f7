"""Where the token of each server lies: `ANALYST_TOKEN` above all, then the keyring, else a file that only its owner may read.

The keyring is asked in a thread with a time limit, because a locked one may wait for a dialog that nobody sees. Backends that store
nothing or in the clear are no keyring. The choice is remembered with the server, so a later start asks only the place that holds the token.
"""

import json
import os
import stat
import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from analyst_cli import paths
from analyst_cli.client.servers import changing, known_servers, replace_file
from analyst_cli.errors import LocalProblem, SignInNeeded

__all__ = [
    "Stored",
    "Token",
    "TokenClaims",
    "claims_of",
    "find_token",
    "forget_token",
    "keyring_state",
    "store_token",
    "token_file",
    "way_in",
]

KEYRING_SERVICE = "analyst"
KEYRING_TIMEOUT_S = 3.0  # as `gh` has it: a desktop's unlock dialog may never be answered

Origin = Literal["ANALYST_TOKEN", "keyring", "file"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Token:
    """A token and where it came from."""

    value: str
    origin: Origin

    def __repr__(self) -> str:
        return f"Token(value=<hidden>, origin={self.origin!r})"


@dataclass(frozen=True, slots=True)
class Stored:
    """Where a token was put; `warning` says why it is not the keyring."""

    origin: Origin
    warning: str = ""


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a token says of itself. Not verified: good for showing, never for deciding."""

    username: str
    expires_at: float | None  # Unix seconds; None: the token does not say
    device: str = ""


def find_token(server: str) -> Token:
    """Return the token for a server. Raises `SignInNeeded` when there is none."""
    named = os.environ.get("ANALYST_TOKEN")
    if named:
        return Token(named.strip(), "ANALYST_TOKEN")
    remembered = next((known.kept_in for known in known_servers() if known.url == server), "")
    if remembered != "keyring":
        in_file = _read_file().get(server)
        if in_file:
            return Token(in_file, "file")
    if remembered != "file":
        in_keyring = _from_keyring(server, is_expected=remembered == "keyring")
        if in_keyring:
            return Token(in_keyring, "keyring")
    raise SignInNeeded(f"not signed in to {server}", f"sign in with: analyst login --server {server}")


def way_in(server: str) -> str:
    """Return what to do about a token that is refused: signing in does not help while the environment names one."""
    if os.environ.get("ANALYST_TOKEN"):
        return f"put a new one into ANALYST_TOKEN, or unset it and sign in: analyst login --server {server}"
    return f"sign in with: analyst login --server {server}"


def store_token(server: str, token: str, *, insecure: bool = False) -> Stored:
    """Keep a token in the keyring; without a usable one, or if `insecure` asks for it, in the 0600 file. Raises `LocalProblem`."""
    if insecure:
        why = "as you asked"
    else:
        problem = _to_keyring(server, token)
        if problem is None:
            _change_file(lambda tokens: tokens.pop(server, None))
            return Stored("keyring")
        why = problem
    _change_file(lambda tokens: tokens.__setitem__(server, token))
    return Stored("file", f"the token lies unencrypted in {token_file()}, readable by you alone ({why})")


def forget_token(server: str) -> bool:
    """Remove the token from wherever it lies; tell whether there was one."""
    had_one = bool(_read_file().get(server))
    if had_one:
        _change_file(lambda tokens: tokens.pop(server, None))

    def delete() -> bool:
        import keyring  # noqa: PLC0415

        if keyring.get_password(KEYRING_SERVICE, server) is None:
            return False
        keyring.delete_password(KEYRING_SERVICE, server)
        return True

    with suppress(_KeyringUnusable):
        had_one = _in_time(delete) or had_one
    return had_one


def keyring_state() -> tuple[bool, str]:
    """Tell whether a keyring can be used here, and which, or why not."""

    def ask() -> str:
        import keyring  # noqa: PLC0415

        keyring.get_password(KEYRING_SERVICE, "analyst doctor")
        return str(keyring.get_keyring().name)

    try:
        return True, f"{_in_time(ask)} answers"
    except _KeyringUnusable as exc:
        return False, str(exc)


def claims_of(token: str) -> TokenClaims:
    """Read what a JWT says of itself, without verifying it (RFC 7519 section 4). Raises `ValueError` when it is no JWT."""
    parts = token.split(".")
    if len(parts) != 3:
        raise ValueError("a token has three parts separated by dots")
    try:
        claims = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        expires_at = claims.get("exp")
        return TokenClaims(
            str(claims["sub"]), None if expires_at is None else float(expires_at), str(claims.get("device", ""))
        )
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ValueError("the middle part of the token cannot be read") from exc


def token_file() -> Path:
    """The file of tokens for machines without a keyring."""
    return paths.config_dir() / "tokens.json"


class _KeyringUnusable(Exception):
    """Why no keyring can be used here."""


def _from_keyring(server: str, *, is_expected: bool) -> str | None:
    def get() -> str | None:
        import keyring  # noqa: PLC0415

        return keyring.get_password(KEYRING_SERVICE, server)

    try:
        return _in_time(get)
    except _KeyringUnusable as exc:
        if not is_expected:
            return None
        raise LocalProblem(
            f"the token for {server} lies in the keyring, which cannot be read ({exc})",
            "unlock the keyring, or set ANALYST_TOKEN, or sign in again",
        ) from exc


def _to_keyring(server: str, token: str) -> str | None:
    """Put the token into the keyring and read it back; return why that did not work."""

    def put() -> str | None:
        import keyring  # noqa: PLC0415

        keyring.set_password(KEYRING_SERVICE, server, token)
        return keyring.get_password(KEYRING_SERVICE, server)

    try:
        return None if _in_time(put) == token else "the keyring forgets what it is given"
    except _KeyringUnusable as exc:
        return str(exc)


def _in_time(ask: Callable[[], T]) -> T:
    """Ask the keyring in a thread; raise `_KeyringUnusable` when it fails or does not answer in time."""
    answers: list[T] = []
    problems: list[str] = []

    def work() -> None:
        try:
            import keyring  # noqa: PLC0415
            from keyring.backends import fail, null  # noqa: PLC0415

            backend = keyring.get_keyring()
            if isinstance(backend, fail.Keyring | null.Keyring) or type(backend).__module__.startswith("keyrings.alt"):
                problems.append("no keyring service runs here")
            else:
                answers.append(ask())
        except Exception as exc:  # noqa: BLE001 - backends raise whatever their system raises; the caller goes on without a keyring
            problems.append(str(exc) or type(exc).__name__)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(KEYRING_TIMEOUT_S)
    if answers:
        return answers[0]
    raise _KeyringUnusable(problems[0] if problems else f"it did not answer within {KEYRING_TIMEOUT_S:g} s")


def _read_file() -> dict[str, str]:
    path = token_file()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise LocalProblem(
            f"{path} cannot be read ({exc.strerror})", "remove it and sign in again: analyst login"
        ) from exc
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise LocalProblem(f"{path} can be read by others, so it is not used", f"chmod 600 {path}")
        try:
            content = json.loads(file.read())
        except ValueError as exc:
            raise LocalProblem(f"{path} is damaged ({exc})", "remove it and sign in again: analyst login") from exc
    if not isinstance(content, dict):
        raise LocalProblem(f"{path} is damaged (no object)", "remove it and sign in again: analyst login")
    return {str(server): str(token) for server, token in content.items()}


def _change_file(change: Callable[[dict[str, str]], object]) -> None:
    try:
        with changing(token_file()):
            tokens = _read_file()
            before = dict(tokens)
            change(tokens)
            if tokens != before:
                replace_file(token_file(), json.dumps(tokens, indent=1).encode() + b"\n")
    except OSError as exc:
        raise LocalProblem(
            f"{token_file()} cannot be written ({exc.strerror})", "check the folder's owner and free space"
        ) from exc
