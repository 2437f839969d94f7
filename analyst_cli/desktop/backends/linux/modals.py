"""Which of a program's objects are dialogs, and what stands in them. Pure functions over what `tree.py` and `windows.py` read.

Role numbers, the MODAL state and the window manager's hints are joined, because each toolkit leaves out another of them: a Qt message box
has no MODAL state, a zenity dialog is modal to nothing, a GTK 4 dialog has no name.
"""

from collections.abc import Iterable, Sequence

import msgspec

from analyst_cli.desktop.backends.linux.accessible import ROOT_PATH, Accessible, ObjectPath
from analyst_cli.desktop.backends.linux.details import Details, node_of
from analyst_cli.desktop.backends.linux.roles import DIALOG_ROLES, Role, State
from analyst_cli.desktop.backends.linux.tree import Structure
from analyst_cli.desktop.backends.linux.windows import XWindow
from analyst_cli.desktop.elements import Modal, Node

__all__ = ["dialogs_of", "modals_of", "objects_below"]

MAX_MODALS = 20
CANCEL_TITLES = frozenset(
    {
        "cancel",
        "close",
        "abbrechen",
        "schließen",
        "annuler",
        "fermer",
        "cancelar",
        "cerrar",
        "annulla",
        "annuleren",
        "avbryt",
        "anuluj",
        "отмена",
        "取消",
        "キャンセル",
    }
)
"""Of buttons that take back; where a translation is missing the caller uses `esc`."""


def dialogs_of(structure: Structure, windows: Iterable[XWindow]) -> list[tuple[Accessible, bool]]:
    """Give the dialogs of a program, frontmost first, each with whether it blocks the rest of the program."""
    hinted = {window.title for window in windows if window.modal}
    top_level = set(structure.children.get(ROOT_PATH, ()))
    found: list[tuple[Accessible, bool]] = []
    for path, one in structure.objects.items():
        is_modal = bool(one.states & State.MODAL)
        if path in top_level:
            matched = one.role in DIALOG_ROLES or is_modal or (one.name in hinted and bool(one.name))
        else:
            # Inside a window only what says so: "alert" there is a notice in a page, not a dialog.
            matched = one.role == Role.DIALOG and is_modal
        if matched:
            found.append((one, is_modal or bool(one.name and one.name in hinted)))
    # The active one is in front; of the others the one that opened last.
    found.reverse()
    found.sort(key=lambda entry: not entry[0].states & State.ACTIVE)
    return found[:MAX_MODALS]


def modals_of(
    structure: Structure,
    windows: Sequence[XWindow],
    details: dict[ObjectPath, Details],
    generation: int,
    *,
    app_id: str,
    pid: int | None,
) -> tuple[Modal, ...]:
    """Describe the dialogs to the host with their buttons and labels."""
    modals = []
    for dialog, blocking in dialogs_of(structure, windows):
        below = list(objects_below(structure, dialog.path))
        buttons = [
            node_of(structure, one, generation, details=details.get(one.path), pid=pid)
            for one in below
            if one.role == Role.BUTTON
        ]
        modals.append(
            Modal(
                element=node_of(structure, dialog, generation, details=details.get(dialog.path), pid=pid),
                app_id=app_id,
                blocking=blocking,
                buttons=tuple(map(_named, buttons)),
                text=tuple(one.name for one in below if one.role in {Role.LABEL, Role.STATIC} and one.name),
            )
        )
    return tuple(modals)


def objects_below(structure: Structure, path: ObjectPath) -> Iterable[Accessible]:
    """Give everything inside an object, in document order."""
    for child in structure.children.get(path, ()):
        yield structure.objects[child]
        yield from objects_below(structure, child)


def _named(button: Node) -> Node:
    if button.default:
        return msgspec.structs.replace(button, subrole="AXDefaultButton")
    if button.title and button.title.replace("_", "").strip().lower() in CANCEL_TITLES:
        return msgspec.structs.replace(button, subrole="AXCancelButton")
    return button
