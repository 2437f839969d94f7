"""Settings: whose inbox this is and how long the token lasts, the devices, and every setting with what it does; Enter changes it."""

import os
import shlex
import subprocess
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.cells import cell_len
from rich.text import Text
from textual import on
from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from analyst_cli import config
from analyst_cli.client.rows import unix_seconds
from analyst_cli.errors import AnalystError
from analyst_cli.tui.keys import HELP, keymap_file
from analyst_cli.tui.messages import Said
from analyst_cli.tui.screens.about import AboutScreen
from analyst_cli.tui.screens.choice import Choice, ChoiceScreen
from analyst_cli.tui.text import ago, cells, fit, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analyst_cli.client.portal import Device

__all__ = ["SettingsScreen"]

_SHOWN = ("inbox.", "notifications.", "investigate.")
_KEYS_TEMPLATE = """# Your own keys: one line an action, keys separated by commas. The actions are in docs/themes-and-keys.md.
# They hold from the next start of the inbox.
[keys]
# "inbox.archive" = "e"
"""


class _Entry(NamedTuple):
    """One line of the list: a setting, or something that can be done."""

    name: str
    value: str
    help: str
    held: config.Held | None = None


class SettingsScreen(AboutScreen):
    """Everything a person can set, at one place; changes hold at once where they can."""

    BINDINGS: ClassVar[list[BindingType]] = [
        HELP,
        Binding("enter", "change", "Change", priority=True, id="settings.change"),
        Binding("d", "devices", "Devices", id="settings.devices"),
        Binding("K", "edit_keys", "Edit keys", id="settings.keys"),
        Binding("X", "sign_out", "Sign out", id="settings.sign_out"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._entries: list[_Entry] = []
        self._sign_in_words = "looking …"

    def on_mount(self) -> None:
        self._show()
        self.run_worker(self._look_at_token, thread=True, group="token")

    # What it shows

    def on_resize(self) -> None:
        self._show()

    def _show(self) -> None:
        account = self.inbox_app.desk.account
        facts = f"\naccount  {cells(account.user)} at {cells(account.server)}\nsign-in  {self._sign_in_words}"
        self.query_one("#heading", Static).update(Content.assemble(("Settings", "bold $primary"), facts))
        try:
            held = [one for one in config.held_settings() if one.setting.key.startswith(_SHOWN)]
        except AnalystError as error:
            self.post_message(Said(str(error), is_problem=True))
            return
        self._entries = [_Entry(one.setting.key, _value(one.value), _help(one), one) for one in held]
        options = self.query_one(OptionList)
        kept, width = options.highlighted or 0, max(20, self.size.width - 4)
        options.clear_options()
        options.add_options(Option(_line(entry, width)) for entry in self._entries)
        options.highlighted = min(kept, len(self._entries) - 1)

    @on(OptionList.OptionHighlighted)
    def _highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_index < len(self._entries):
            entry = self._entries[event.option_index]
            self.tell_about(entry.name, entry.help)

    def _look_at_token(self) -> None:
        from analyst_cli.client.credentials import claims_of, find_token  # noqa: PLC0415 - a keyring may take its time

        try:
            token = find_token(self.inbox_app.desk.account.server)
            expires_at = claims_of(token.value).expires_at
        except (AnalystError, ValueError):
            words = "not signed in: analyst login"
        else:
            where = {"keyring": "in the keyring", "file": "in a file", "ANALYST_TOKEN": "from ANALYST_TOKEN"}[
                token.origin
            ]
            now = self.inbox_app.now
            ends = "" if expires_at is None else f", ends {until(datetime.fromtimestamp(expires_at, now.tzinfo), now)}"
            words = f"token {where}{ends}"
        self.app.call_from_thread(self._token_looked_at, words)

    def _token_looked_at(self, words: str) -> None:
        self._sign_in_words = words
        self._show()

    # What keys do

    @on(OptionList.OptionSelected)
    def action_change(self) -> None:
        highlighted = self.query_one(OptionList).highlighted
        held = self._entries[highlighted].held if highlighted is not None else None
        if held is None:
            return
        setting = held.setting
        if isinstance(setting.default, bool):
            self._set(setting, str(not held.value).lower())
            return
        words = setting.allowed.removeprefix("one of ").split(", ") if setting.allowed.startswith("one of ") else []

        def read(typed: str) -> Choice[str] | str:
            try:
                config.parsed(setting, typed.strip(), setting.key)
            except AnalystError as error:
                return f"not {typed.strip()!r}: {error.way_out}"
            return Choice(f"set {setting.key} to {typed.strip()}", typed.strip())

        offers = [Choice(word, word, "now" if word == held.value else "") for word in words] or [
            Choice("empty", "", "")
        ]
        dialog = ChoiceScreen(setting.key, offers, placeholder=setting.allowed, read=None if words else read)
        self.app.push_screen(dialog, lambda typed: self._set(setting, typed) if typed is not None else None)

    def _set(self, setting: config.Setting, typed: str) -> None:
        try:
            path = config.changed(setting.key, config.parsed(setting, typed, setting.key))
            self.inbox_app.preferences_changed()
        except AnalystError as error:
            self.post_message(Said(str(error), is_problem=True))
            return
        self._show()
        words = f"{setting.key} is set in {path}"
        if os.environ.get(setting.variable) is not None:
            words += f", but {setting.variable} overrules it here"
        if setting.key.startswith("notifications.quiet_") and (gap := config.quiet_hours_gap(config.load())):
            words = f"{gap}; {words}"  # first: a narrow terminal cuts the end
        self.post_message(Said(words))

    def action_devices(self) -> None:
        self._answer("asking the server …")
        self.run_worker(self._devices(), group="ask", exclusive=True)

    async def _devices(self) -> None:
        try:
            devices = await known_devices(self.inbox_app.desk.account.server)
        except AnalystError as error:
            self._answer(str(error))
            return
        self._answer(_devices_words(devices, self.inbox_app.now))

    def _answer(self, words: str) -> None:
        highlighted = self.query_one(OptionList).highlighted
        self.answer("" if highlighted is None else self._entries[highlighted].name, words)

    def action_edit_keys(self) -> None:
        path = keymap_file()
        editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
        try:
            if not path.exists():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                path.write_text(_KEYS_TEMPLATE, encoding="utf-8")
            with self.app.suspend():
                subprocess.run([*editor, str(path)], check=False)
        except (OSError, SuspendNotSupported) as error:
            self.post_message(Said(f"{path} cannot be edited here ({error})", is_problem=True))
            return
        self.inbox_app.use_own_keys()

    def action_sign_out(self) -> None:
        server = self.inbox_app.desk.account.server
        choices = [Choice("no, keep the token", False), Choice("yes, sign out: forget the token of this machine", True)]

        def chosen(answer: bool | None) -> None:
            if answer:
                self.run_worker(lambda: self._sign_out(server), thread=True, group="token")

        self.app.push_screen(ChoiceScreen(f"Sign out of {server}?", choices), chosen)

    def _sign_out(self, server: str) -> None:
        from analyst_cli.client import servers  # noqa: PLC0415
        from analyst_cli.client.credentials import forget_token  # noqa: PLC0415

        try:
            forget_token(server)
            servers.forget(server)
        except AnalystError as error:
            self.app.call_from_thread(self.inbox_app.say, str(error), is_problem=True)
            return
        self.app.call_from_thread(self.inbox_app.signed_out)
        self.app.call_from_thread(self._token_looked_at, "signed out; sign in with: analyst login")


async def known_devices(server: str) -> "list[Device]":
    """Return the devices of the account as the server knows them. Raises `AnalystError`."""
    from analyst_cli.client.portal import open_portal  # noqa: PLC0415 - aiohttp costs 150 ms
    from analyst_cli.client.tokens import TokenSource  # noqa: PLC0415

    async with open_portal(server, await TokenSource(server).token()) as portal:
        return await portal.devices()


def _devices_words(devices: "Sequence[Device]", now: datetime) -> str:
    if not devices:
        return "The server knows no devices of this account."
    names = [cells(one.name or one.device) for one in devices]
    width = min(max(map(cell_len, names)), 32)
    lines = [
        f"{fit(name, width)}  seen {_moment(one.last_seen, now)}, linked {_moment(one.linked_at, now)}"
        for name, one in zip(names, devices, strict=True)
    ]
    return "\n".join(["Devices of this account:", "", *lines])


def _moment(written: str | None, now: datetime) -> str:
    if not written:
        return "never"
    return ago(datetime.fromtimestamp(unix_seconds(written, otherwise=now.timestamp()), now.tzinfo), now)


def _line(entry: _Entry, width: int) -> Text:
    name = min(34, max(width - 20, width // 2))
    origin = "" if entry.held is None or entry.held.origin == "default" else "  set"
    text = Text(fit(entry.name, name) + "  ", no_wrap=True, overflow="crop")
    text.append(cells(entry.value) or "(empty)", "bold")
    text.append(origin, "dim")
    return text


def _value(value: config.Value) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def _help(held: config.Held) -> str:
    setting = held.setting
    return (
        f"{setting.help}\nIt can be: {setting.allowed}.\nDefault: {_value(setting.default) or '(empty)'}. "
        f"Now from: {held.origin}. Environment: {setting.variable}."
    )
