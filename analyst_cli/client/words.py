"""Words that a shell completes from what lies on this machine: ids, script names, tags, users, servers, settings.

Answers `analyst __complete KIND PREFIX PREVIOUS` (the last is the word before) before Typer is loaded, so that TAB does not wait. Never fails:
without a store there is nothing to complete.
"""

import sys
from collections.abc import Callable, Sequence

from analyst_cli.errors import AnalystError
from analyst_server.wire.inert import inert_line

__all__ = ["KINDS", "print_words", "words_of"]

_AT_MOST = 50
Words = list[tuple[str, str]]  # word, what it is


def words_of(kind: str, prefix: str, previous: str = "") -> Words:
    """Return the words of a kind that begin with what is typed so far."""
    find = KINDS.get(kind)
    if find is None:
        return []
    try:
        words = _setting_values(previous) if kind == "assignments" and previous != "set" else find(prefix)
        return [(word, what) for word, what in words if word.startswith(prefix)][:_AT_MOST]
    except AnalystError:
        return []


def print_words(arguments: Sequence[str]) -> None:
    """Print a line a word, with what it is behind a tab: what the completion scripts of `analyst completion` read."""
    kind, prefix, previous = (*arguments, "", "", "")[:3]
    for word, what in words_of(kind, prefix, previous):
        if (
            word == inert_line(word) and " " not in word
        ):  # a shell would have to quote it, and nobody could see what it is
            sys.stdout.write(f"{word}\t{inert_line(what[:60])}\n")


def _ids(prefix: str) -> Words:
    from analyst_cli.client.target import local_inbox  # noqa: PLC0415

    with local_inbox() as inbox:
        return [(id_, title) for id_, title in inbox.ids_beginning(prefix, limit=_AT_MOST)]


def _scripts(_: str) -> Words:
    from analyst_cli.client.target import local_inbox  # noqa: PLC0415

    with local_inbox() as inbox:
        return [(script, "") for script in inbox.scripts()]


def _tags(_: str) -> Words:
    from analyst_cli.client.target import local_inbox  # noqa: PLC0415

    with local_inbox() as inbox:
        return [(tag, "") for tag in inbox.tags()]


def _users(_: str) -> Words:
    from analyst_cli.client.accounts import known_users  # noqa: PLC0415
    from analyst_cli.client.servers import known_servers  # noqa: PLC0415

    signed_in = [server.username for server in known_servers() if server.username]
    return [(user, "") for user in sorted({*signed_in, *known_users()})]


def _servers(_: str) -> Words:
    from analyst_cli.client.servers import known_servers  # noqa: PLC0415

    return [(server.url, server.username) for server in known_servers()]


def _settings(_: str) -> Words:
    from analyst_cli.config import SETTINGS  # noqa: PLC0415

    return [(setting.key, setting.help) for setting in SETTINGS]


def _setting_values(key: str) -> Words:
    """Return what a setting can be; nothing for an unknown one, and for one that takes more than a few words."""
    from analyst_cli.config import SETTINGS  # noqa: PLC0415

    for setting in SETTINGS:
        if setting.key == key:
            return [
                (word, "") for word in (("true", "false") if isinstance(setting.default, bool) else setting.choices)
            ]
    return []


KINDS: dict[str, Callable[[str], Words]] = {
    "ids": _ids,
    "scripts": _scripts,
    "tags": _tags,
    "users": _users,
    "servers": _servers,
    "settings": _settings,
    "assignments": _settings,  # a key, and then its value
}
