#!/usr/bin/python3
"""A GTK 3 program that logs every effect it notices as a JSON line: the oracle of the desktop tests, apart from any accessibility tree.

It runs on the system's Python, which has python3-gi. `--grid N` adds N widgets, `--tree N` a list of N rows (children that GTK manages itself).
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("Gdk", "3.0")
from gi.repository import Gdk, GLib, Gtk  # noqa: E402

HANG_S = 2.5


def main() -> None:
    arguments = _arguments()
    log = Log(arguments.log)
    GLib.set_prgname(arguments.app_id)
    Gdk.set_program_class(arguments.app_id)
    window = Gtk.Window(title=arguments.title)
    window.set_default_size(arguments.width, arguments.height)
    window.connect("destroy", Gtk.main_quit)
    window.connect("key-press-event", lambda _window, event: log.key("press", event))
    window.connect("key-release-event", lambda _window, event: log.key("release", event))
    box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=4)
    window.add(box)
    for part in (_menu(log), _buttons(log, window), *_fields(log)):
        box.pack_start(part, False, False, 0)
    if arguments.tree:
        box.pack_start(_rows(arguments.tree), True, True, 0)
    if arguments.grid:
        box.pack_start(_grid(arguments.grid), True, True, 0)
    window.show_all()
    GLib.idle_add(lambda: log.write("ready"), priority=GLib.PRIORITY_LOW)
    Gtk.main()


class Log:
    def __init__(self, path: str) -> None:
        self.file = Path(path).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115 - open as long as the program runs

    def write(self, event: str, **facts: object) -> None:
        self.file.write(json.dumps({"event": event, **facts}, ensure_ascii=False) + "\n")

    def key(self, kind: str, event: Gdk.EventKey) -> bool:
        self.write(
            kind,
            key=Gdk.keyval_name(event.keyval),
            text=chr(Gdk.keyval_to_unicode(event.keyval)),
            state=int(event.state),
        )
        return False


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", required=True)
    parser.add_argument("--title", default="Bridge Test")
    parser.add_argument("--app-id", default="bridge-test")
    parser.add_argument("--width", type=int, default=900)
    parser.add_argument("--height", type=int, default=600)
    parser.add_argument("--grid", type=int, default=0)
    parser.add_argument("--tree", type=int, default=0)
    return parser.parse_args()


def _menu(log: Log) -> Gtk.Widget:
    bar = Gtk.MenuBar()
    file_item = Gtk.MenuItem(label="File")
    bar.append(file_item)
    entries = Gtk.Menu()
    file_item.set_submenu(entries)
    for name in ("Open", "Save", "Quit"):
        entry = Gtk.MenuItem(label=name)
        entry.connect("activate", lambda _item, name=name: log.write("menu", name=name))
        entries.append(entry)
    return bar


def _buttons(log: Log, window: Gtk.Window) -> Gtk.Widget:
    row = Gtk.Box(spacing=4)
    count = Gtk.Label(label="count: 0")
    clicks = [0]

    def increment(_button: Gtk.Button) -> None:
        clicks[0] += 1
        count.set_text(f"count: {clicks[0]}")
        log.write("click", count=clicks[0])

    def hang(_button: Gtk.Button) -> None:
        log.write("hang-start")
        time.sleep(HANG_S)
        log.write("hang-end")

    def add_later(_button: Gtk.Button) -> None:
        def add() -> bool:
            late = Gtk.Button(label="Late")
            row.add(late)  # pack_start would add it without an accessibility event
            late.show()
            log.write("added")
            return False

        GLib.timeout_add(300, add)

    def remove(_button: Gtk.Button) -> None:
        for child in row.get_children():
            if isinstance(child, Gtk.Button) and child.get_label() == "Doomed":
                row.remove(child)
                log.write("removed")

    first, second = "Twin", "Twin"
    actions = {
        "Increment": increment,
        "Silent": lambda _button: log.write("silent"),
        "Doomed": lambda _button: log.write("doomed"),
        "Remove": remove,
        "Add later": add_later,
        "Ask": lambda _button: _ask(log, window),
        "Pick file": lambda _button: _pick(log, window),
        "Hang": hang,
    }
    for label, action in actions.items():
        button = Gtk.Button(label=label)
        button.connect("clicked", action)
        row.pack_start(button, False, False, 0)
    row.pack_start(count, False, False, 0)
    for number, label in enumerate((first, second), 1):
        twin = Gtk.Button(label=label)
        twin.connect("clicked", lambda _button, number=number: log.write("twin", number=number))
        row.pack_start(twin, False, False, 0)
    disabled = Gtk.Button(label="Disabled", sensitive=False)
    disabled.connect("clicked", lambda _button: log.write("disabled-clicked"))
    row.pack_start(disabled, False, False, 0)
    check = Gtk.CheckButton(label="Check me")
    check.connect("toggled", lambda box: log.write("check", on=box.get_active()))
    row.pack_start(check, False, False, 0)
    # A thing to press with the pointer only: it has no accessible action.
    pad = Gtk.EventBox()
    pad.add(Gtk.Label(label="Pad"))
    pad.get_accessible().set_name("pad")
    pad.connect("button-press-event", lambda _pad, event: log.write("pad", button=event.button))
    row.pack_start(pad, False, False, 0)
    return row


def _fields(log: Log) -> list[Gtk.Widget]:
    entry = Gtk.Entry(placeholder_text="type here")
    entry.get_accessible().set_name("name entry")
    entry.connect("changed", lambda field: log.write("entry", text=field.get_text()))
    entry.connect("activate", lambda _field: log.write("entered"))
    secret = Gtk.Entry(visibility=False, input_purpose=Gtk.InputPurpose.PASSWORD)
    secret.get_accessible().set_name("password entry")
    secret.connect("changed", lambda field: log.write("secret", text=field.get_text()))
    # Takes keys but refuses to be set through the accessibility interface: text arrives here by typing only.
    keys = Gtk.DrawingArea(can_focus=True)
    keys.set_size_request(-1, 24)
    keys.get_accessible().set_name("key pad")
    notes = Gtk.TextView()
    notes.get_accessible().set_name("notes")
    buffer = notes.get_buffer()
    buffer.connect("changed", lambda text: log.write("notes", text=text.get_text(*text.get_bounds(), True)))
    scroller = Gtk.ScrolledWindow(child=notes)
    scroller.set_size_request(-1, 100)
    return [entry, secret, keys, scroller]


def _ask(log: Log, window: Gtk.Window) -> None:
    dialog = Gtk.MessageDialog(
        transient_for=window,
        modal=True,
        message_type=Gtk.MessageType.QUESTION,
        buttons=Gtk.ButtonsType.YES_NO,
        text="Delete everything?",
        secondary_text="This cannot be undone.",
        title="Confirm delete",
    )

    def answered(box: Gtk.Dialog, answer: int) -> None:
        log.write("answer", response=int(answer))
        if answer == Gtk.ResponseType.YES:
            os.kill(os.getpid(), signal.SIGSTOP)  # deleting everything takes long
        box.destroy()

    dialog.connect("response", answered)
    dialog.show_all()
    log.write("asked")


def _pick(log: Log, window: Gtk.Window) -> None:
    dialog = Gtk.FileChooserDialog(
        title="Pick a file", transient_for=window, modal=True, action=Gtk.FileChooserAction.OPEN
    )
    dialog.add_buttons("_Cancel", Gtk.ResponseType.CANCEL, "_Open", Gtk.ResponseType.OK)
    dialog.connect("response", lambda box, answer: (log.write("picked", response=int(answer)), box.destroy()))
    dialog.show_all()


def _rows(count: int) -> Gtk.Widget:
    store = Gtk.ListStore(int, str, str)
    for number in range(count):
        store.append([number, f"row {number}", f"value {number * 7 % 101}"])
    view = Gtk.TreeView(model=store)
    for column, title in enumerate(("id", "name", "value")):
        view.append_column(Gtk.TreeViewColumn(title, Gtk.CellRendererText(), text=column))
    return Gtk.ScrolledWindow(child=view)


def _grid(count: int) -> Gtk.Widget:
    grid = Gtk.Grid()
    for number in range(count):
        widget: Gtk.Widget
        match number % 4:
            case 0:
                widget = Gtk.Button(label=f"btn {number}")
            case 1:
                widget = Gtk.Label(label=f"label {number}")
            case 2:
                widget = Gtk.Entry(text=f"entry {number}")
            case _:
                widget = Gtk.CheckButton(label=f"check {number}")
        grid.attach(widget, number % 20, number // 20, 1, 1)
    return Gtk.ScrolledWindow(child=grid)


if __name__ == "__main__":
    sys.exit(main())
