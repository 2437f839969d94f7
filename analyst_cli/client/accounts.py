"""Which local inbox belongs to which account: one database for a server and a user, found again offline.

A folder a server below `<data>/inboxes/` (its name readable), a database a user in it. `<data>/inboxes/last.json` remembers
the account that was connected last, on each server and at all, so that `analyst list` needs neither a network nor a keyring.
"""

import json
import os
from pathlib import Path
from typing import NamedTuple

from analyst_cli.paths import data_dir, private_folder

__all__ = ["Account", "inbox_path", "known_users", "last_account", "remember", "same_server"]


_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
_LONGEST_NAME = 120  # file systems take 255 bytes, and SQLite adds to them


class Account(NamedTuple):
    """A user of a server; `server` is the address the person uses (of the portal, or of a gateway without one)."""

    server: str
    user: str


class _Noted(NamedTuple):
    last: object  # [server, user], or None
    users: dict[str, object]  # server -> user


def inbox_path(account: Account) -> Path:
    """Return where the inbox of an account lies; creates nothing."""
    return _folder() / _safe(same_server(account.server)) / f"{_safe(account.user)}.db"


def remember(account: Account) -> None:
    """Note that this account was connected last. Atomic; the last of several processes wins."""
    noted = _noted()
    changed = _Noted([*account], {**noted.users, same_server(account.server): account.user})
    if changed == noted:
        return
    import tempfile  # noqa: PLC0415 - only a change needs it

    handle, name = tempfile.mkstemp(dir=private_folder(_folder()), prefix=".last-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(changed._asdict(), file)
    Path(name).replace(_folder() / "last.json")


def last_account(server: str | None = None) -> Account | None:
    """Return the account that was connected last, on this server where one is named; None: none yet."""
    noted = _noted()
    if server is None:
        match noted.last:
            case [str(last_server), str(user)]:
                return Account(last_server, user)
            case _:
                return None
    known_user = noted.users.get(same_server(server))
    return Account(server, known_user) if isinstance(known_user, str) else None


def known_users() -> list[str]:
    """Return the users whose inboxes are here."""
    return sorted({user for user in _noted().users.values() if isinstance(user, str)})


def same_server(address: str) -> str:
    """Return one spelling of a server's address, so that a slash at its end or capitals make no second inbox."""
    scheme, sign, rest = address.strip().partition("://")
    host, slash, path = rest.partition("/")
    return (
        f"{scheme.lower()}{sign}{host.lower()}{slash}{path}".rstrip("/")
        if sign
        else address.strip().rstrip("/").lower()
    )


def _folder() -> Path:
    return data_dir() / "inboxes"


def _noted() -> _Noted:
    try:
        noted = json.loads((_folder() / "last.json").read_text(encoding="utf-8"))
        return _Noted(noted["last"], dict(noted["users"]))
    except (OSError, ValueError, TypeError, KeyError):  # not there, or not ours: it only remembers, so begin again
        return _Noted(None, {})


def _safe(name: str) -> str:
    """Make a file name of a stranger's text: small letters, digits and dots stay, the rest is written as `%` and its number."""
    safe = "".join(sign if sign in _PLAIN else f"%{ord(sign):x}." for sign in name) or "%"
    if safe.startswith("."):  # hidden, or the folder itself
        safe = f"%2e.{safe[1:]}"
    if len(safe) <= _LONGEST_NAME:
        return safe
    import hashlib  # noqa: PLC0415 - 4 ms that hardly any name needs

    return f"{safe[:_LONGEST_NAME]}%%{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
