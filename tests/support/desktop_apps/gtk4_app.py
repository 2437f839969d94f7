#!/usr/bin/python3
"""A GTK 4 program that logs every effect it notices as a JSON line, as `gtk3_app.py` does. Usage: gtk4_app.py LOG"""

import json
import sys
from pathlib import Path

import gi

gi.require_version("Gtk", "4.0")
from gi.repository import GLib, Gtk  # noqa: E402

LOG = Path(sys.argv[1])


def log(event: str, **facts: object) -> None:
    with LOG.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"event": event, **facts}, ensure_ascii=False) + "\n")


def named(widget: Gtk.Widget, name: str) -> Gtk.Widget:
    widget.update_property([Gtk.AccessibleProperty.LABEL], [name])
    return widget


def activate(app: Gtk.Application) -> None:
    window = Gtk.ApplicationWindow(application=app, title="Four", default_width=500, default_height=400)
    box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL)
    window.set_child(box)
    count = Gtk.Label(label="count: 0")
    clicks = [0]

    def increment(_button: Gtk.Button) -> None:
        clicks[0] += 1
        count.set_label(f"count: {clicks[0]}")
        log("click", count=clicks[0])

    def ask(_button: Gtk.Button) -> None:
        dialog = Gtk.MessageDialog(
            transient_for=window, modal=True, text="Delete everything?", buttons=Gtk.ButtonsType.YES_NO
        )
        dialog.connect("response", lambda shown, answer: (log("answer", response=int(answer)), shown.destroy()))
        dialog.show()

    for label, action in (("Increment", increment), ("Ask", ask)):
        button = Gtk.Button(label=label)
        button.connect("clicked", action)
        box.append(button)
    box.append(count)
    check = Gtk.CheckButton(label="Check me")
    check.connect("toggled", lambda toggled: log("check", on=toggled.get_active()))
    box.append(check)
    entry = named(Gtk.Entry(), "name entry")
    entry.connect("changed", lambda field: log("entry", text=field.get_text()))
    box.append(entry)
    secret = named(Gtk.PasswordEntry(), "password entry")
    secret.connect("changed", lambda field: log("secret", text=field.get_text()))
    box.append(secret)
    notes = named(Gtk.TextView(), "notes")
    notes.set_size_request(-1, 80)
    notes.get_buffer().connect("changed", lambda text: log("notes", text=text.get_text(*text.get_bounds(), True)))
    box.append(notes)
    window.present()
    GLib.idle_add(lambda: log("ready"), priority=GLib.PRIORITY_LOW)


app = Gtk.Application(application_id="org.analyst.Four")
app.connect("activate", activate)
app.run([])
