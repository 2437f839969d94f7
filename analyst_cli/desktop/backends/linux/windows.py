"""Top-level windows as the window manager describes them (EWMH): which there are, which has the focus, what lies on top, bringing one up.

Functions over an open display; they run in its thread.
"""

from pathlib import Path
from typing import Any, NamedTuple

from Xlib import X, Xatom
from Xlib.error import XError
from Xlib.protocol import event, request

from analyst_cli.desktop.backends.linux.x_display import (
    ask_property,
    atom,
    property_values,
    root_of,
    text_in,
    values_in,
)
from analyst_cli.desktop.elements import Rect, Window

__all__ = [
    "XWindow",
    "active_window",
    "ask_to_activate",
    "client_at",
    "client_windows",
    "focus_may_come",
    "focused_client",
    "has_keyboard",
    "has_window_manager",
    "to_window",
]

MAX_WINDOWS = 200
_APP_IDS = ("_GTK_APPLICATION_ID", "_KDE_NET_WM_DESKTOP_FILE")
_PROPERTIES = (
    "_NET_FRAME_EXTENTS",
    "_NET_WM_STATE",
    "_NET_WM_WINDOW_TYPE",
    "_NET_WM_PID",
    "_NET_WM_NAME",
    "WM_NAME",
    "WM_CLASS",
    "WM_TRANSIENT_FOR",
    *_APP_IDS,
)


class XWindow(NamedTuple):
    """What EWMH tells about a client window."""

    window_id: int
    app_id: str
    title: str | None
    pid: int | None
    area: Rect | None  # of the client, without decorations
    frame: Rect | None  # with decorations
    mapped: bool
    minimised: bool
    modal: bool
    dialog: bool


def has_window_manager(display: Any) -> bool:
    """Tell whether an EWMH window manager runs; without one there is no list of windows and no activation."""
    return bool(property_values(display, root_of(display), "_NET_SUPPORTING_WM_CHECK"))


def active_window(display: Any) -> XWindow | None:
    """Give the window that has the focus; the window manager's word first, the keyboard focus where it names none, or one that is gone."""
    named = property_values(display, root_of(display), "_NET_ACTIVE_WINDOW")[:1]
    if named != [X.NONE] and (found := describe(display, named)) and found[0] is not None:
        return found[0]
    window_id = focused_client(display)
    return describe(display, [window_id])[0] if window_id else None


def focus_may_come(display: Any) -> bool:
    """Tell whether there are windows of which the window manager could make one active; it does so a moment after the active one closed."""
    managed = property_values(display, root_of(display), "_NET_ACTIVE_WINDOW")
    return bool(managed) and any(window.mapped and not window.minimised for window in client_windows(display))


def client_windows(display: Any) -> list[XWindow]:
    """Give all windows, front to back."""
    found = describe(display, _client_ids(display)[-MAX_WINDOWS:])
    return [window for window in reversed(found) if window is not None]


def describe(display: Any, window_ids: list[int]) -> list[XWindow | None]:
    """Read windows, with all questions on their way before the first answer is waited for; None for one that is gone."""
    asked = [_questions(display, window_id) for window_id in window_ids]
    return [_described(display, *questions) for questions in asked]


def _questions(display: Any, window_id: int) -> tuple[Any, list[Any], dict[str, Any]]:
    own, window = display.display, display.create_resource_object("window", window_id)
    place = [
        request.GetGeometry(display=own, defer=True, drawable=window_id),
        request.TranslateCoords(
            display=own, defer=True, src_wid=window_id, dst_wid=root_of(display).id, src_x=0, src_y=0
        ),
        request.GetWindowAttributes(display=own, defer=True, window=window_id),
    ]
    return window, place, {name: ask_property(display, window, name) for name in _PROPERTIES}


def _described(display: Any, window: Any, place: list[Any], asked: dict[str, Any]) -> XWindow | None:
    geometry, at, attributes = place
    try:
        for question in place:
            question.reply()
    except XError:
        return None
    mapped = attributes.map_state == X.IsViewable
    area = Rect(at.x, at.y, geometry.width, geometry.height)
    left, right, top, bottom = (*values_in(asked["_NET_FRAME_EXTENTS"]), 0, 0, 0, 0)[:4]
    states = set(values_in(asked["_NET_WM_STATE"]))
    kinds = values_in(asked["_NET_WM_WINDOW_TYPE"])
    pids = values_in(asked["_NET_WM_PID"])
    return XWindow(
        window.id,
        _app_id(display, asked, pids),
        text_in(asked["_NET_WM_NAME"]) or text_in(asked["WM_NAME"]),
        pids[0] if pids else None,
        area,
        Rect(area.x - left, area.y - top, area.width + left + right, area.height + top + bottom),
        mapped,
        atom(display, "_NET_WM_STATE_HIDDEN") in states,
        atom(display, "_NET_WM_STATE_MODAL") in states,
        atom(display, "_NET_WM_WINDOW_TYPE_DIALOG") in kinds,
    )


def to_window(window: XWindow, active_id: int | None) -> Window:
    """Describe it to the host."""
    return Window(
        window_id=f"0x{window.window_id:x}",
        app_id=window.app_id,
        title=window.title,
        pid=window.pid,
        frame=window.frame,
        frontmost=window.window_id == active_id,
        modal=window.modal,
        visible=window.mapped and not window.minimised,
    )


def focused_client(display: Any) -> int | None:
    """Give the client window that has the keyboard; the focus itself may lie on a window inside it."""
    focus = display.get_input_focus().focus
    window_id = focus if isinstance(focus, int) else focus.id
    return _client_above(display, window_id) if window_id > X.PointerRoot else None


def client_at(display: Any, x: int, y: int) -> int | None:
    """Give the window a click at this point would reach: a client, or a menu without decorations; None for the bare desktop."""
    root = root_of(display)
    clients = set(_client_ids(display))
    inside, window_id = root, None
    while True:
        try:
            child = inside.translate_coords(root, x, y).child
        except XError:
            return window_id
        if child == X.NONE:
            return window_id
        window_id = child if isinstance(child, int) else child.id
        if window_id in clients:
            return window_id
        inside = display.create_resource_object("window", window_id)


def ask_to_activate(display: Any, window_id: int) -> None:
    """Ask for a window to be brought to the front and given the keyboard.

    A click message with the server's own time passes the focus-stealing guards of window managers. Without a window manager the focus is
    set directly.
    """
    root = root_of(display)
    window = display.create_resource_object("window", window_id)
    now = _server_time(display)
    if has_window_manager(display):
        message = event.ClientMessage(
            window=window, client_type=atom(display, "_NET_ACTIVE_WINDOW"), data=(32, [2, now, 0, 0, 0])
        )
        root.send_event(message, event_mask=X.SubstructureRedirectMask | X.SubstructureNotifyMask)
    else:
        window.configure(stack_mode=X.Above)
        window.set_input_focus(X.RevertToParent, now)
    display.sync()


def has_keyboard(display: Any, window_id: int) -> bool:
    """Tell whether a window is active and keys go into it."""
    active = property_values(display, root_of(display), "_NET_ACTIVE_WINDOW")
    return (not active or active[0] == window_id) and focused_client(display) == window_id


def _server_time(display: Any) -> int:
    """Get the server's clock: an empty change of an own window's property comes back with it."""
    window = root_of(display).create_window(
        -10, -10, 1, 1, 0, X.CopyFromParent, event_mask=X.PropertyChangeMask, override_redirect=True
    )
    window.change_property(Xatom.WM_NAME, Xatom.STRING, 8, b"", X.PropModeAppend)
    display.flush()
    try:
        while True:
            notified = display.next_event()
            if notified.type == X.PropertyNotify and notified.window == window:
                return int(notified.time)
    finally:
        window.destroy()


def _client_ids(display: Any) -> list[int]:
    root = root_of(display)
    stacked = property_values(display, root, "_NET_CLIENT_LIST_STACKING")
    if stacked or has_window_manager(display):
        return stacked
    # Without a window manager every mapped child of the root is a window, in stacking order.
    return [child.id for child in root.query_tree().children if _is_plain_window(child)]


def _is_plain_window(window: Any) -> bool:
    try:
        attributes = window.get_attributes()
    except XError:
        return False
    return (
        attributes.map_state == X.IsViewable
        and attributes.win_class == X.InputOutput
        and not attributes.override_redirect
    )


def _client_above(display: Any, window_id: int) -> int | None:
    clients, root_id = set(_client_ids(display)), root_of(display).id
    while window_id not in clients:
        try:
            parent = display.create_resource_object("window", window_id).query_tree().parent
        except XError:
            return None
        if not parent or parent.id == root_id:
            return None
        window_id = parent.id
    return window_id


def _app_id(display: Any, asked: dict[str, Any], pids: list[int]) -> str:
    """Name the application: its own id or desktop file, else its window class, else its program; the first that is known."""
    # A dialog may have no id of its own: it belongs to the window it was opened from.
    owners = [display.create_resource_object("window", one) for one in values_in(asked["WM_TRANSIENT_FOR"]) if one]
    for ids in (asked, *({name: ask_property(display, owner, name) for name in _APP_IDS} for owner in owners)):
        for name in _APP_IDS:
            if own := text_in(ids[name]):
                return own
    wm_class = (text_in(asked["WM_CLASS"]) or "").split("\0")  # instance, class
    if len(wm_class) > 1 and wm_class[1]:
        return wm_class[1]
    if pids:
        try:
            return Path(f"/proc/{pids[0]}/exe").readlink().name
        except OSError:
            return f"pid-{pids[0]}"
    return "unknown"
