"""Numbers of AT-SPI 2 (roles and states) and what they are called on the wire.

Roles are compared by number, never by name: names are translated, and toolkits disagree about them. Pure tables.
Source: `atspi-constants.h` of at-spi2-core 2.46.
"""

from enum import IntEnum

__all__ = [
    "CHECKABLE_ROLES",
    "DIALOG_ROLES",
    "KEYS_ONLY_ROLES",
    "PRESS_ROLES",
    "Role",
    "State",
    "ax_names",
    "native_name",
]


class Role(IntEnum):
    """The roles that something here decides about."""

    ALERT = 2
    CHECK_BOX = 7
    CHECK_MENU_ITEM = 8
    COLOR_CHOOSER = 9
    DIALOG = 16
    FILE_CHOOSER = 19
    FONT_CHOOSER = 22
    FRAME = 23
    LABEL = 29
    MENU_ITEM = 35
    PASSWORD_TEXT = 40
    BUTTON = 43
    RADIO_BUTTON = 44
    RADIO_MENU_ITEM = 45
    TERMINAL = 60
    TEXT = 61
    TOGGLE_BUTTON = 62
    WINDOW = 69
    APPLICATION = 75
    ENTRY = 79
    STATIC = 116
    SWITCH = 130


class State(IntEnum):
    """Bits of the two state words, the second shifted by 32. No IntFlag: its operators cost more than the calls they are applied to."""

    ACTIVE = 1 << 1
    ARMED = 1 << 2
    CHECKED = 1 << 4
    DEFUNCT = 1 << 6
    EDITABLE = 1 << 7
    ENABLED = 1 << 8
    EXPANDED = 1 << 10
    FOCUSABLE = 1 << 11
    FOCUSED = 1 << 12
    ICONIFIED = 1 << 15
    MODAL = 1 << 16
    MULTI_LINE = 1 << 17
    PRESSED = 1 << 20
    SELECTED = 1 << 23
    SENSITIVE = 1 << 24
    SHOWING = 1 << 25
    VISIBLE = 1 << 30
    MANAGES_DESCENDANTS = 1 << 31
    IS_DEFAULT = 1 << 39
    CHECKABLE = 1 << 41


DIALOG_ROLES = frozenset({Role.ALERT, Role.COLOR_CHOOSER, Role.DIALOG, Role.FILE_CHOOSER, Role.FONT_CHOOSER})
CHECKABLE_ROLES = frozenset(
    {Role.CHECK_BOX, Role.CHECK_MENU_ITEM, Role.RADIO_BUTTON, Role.RADIO_MENU_ITEM, Role.TOGGLE_BUTTON, Role.SWITCH}
)
PRESS_ROLES = CHECKABLE_ROLES | {Role.BUTTON, Role.MENU_ITEM}
KEYS_ONLY_ROLES = frozenset({6, 18, 78, 82, 92, 93, 94, 95, 96, Role.TERMINAL})
"""Drawn by the program itself (canvas, document, terminal): they take keys, and nothing tells what they made of them."""

# number: (native name, accessibility role, subrole)
_NAMES: dict[int, tuple[str, str, str | None]] = {
    0: ("invalid", "AXUnknown", None),
    1: ("accelerator label", "AXStaticText", None),
    2: ("alert", "AXAlert", None),
    3: ("animation", "AXImage", None),
    4: ("arrow", "AXButton", None),
    5: ("calendar", "AXGroup", None),
    6: ("canvas", "AXGroup", None),
    7: ("check box", "AXCheckBox", None),
    8: ("check menu item", "AXMenuItem", None),
    9: ("color chooser", "AXDialog", None),
    10: ("column header", "AXCell", None),
    11: ("combo box", "AXComboBox", None),
    12: ("date editor", "AXDateField", None),
    13: ("desktop icon", "AXImage", None),
    14: ("desktop frame", "AXSystemWide", None),
    15: ("dial", "AXSlider", None),
    16: ("dialog", "AXDialog", None),
    17: ("directory pane", "AXGroup", None),
    18: ("drawing area", "AXGroup", None),
    19: ("file chooser", "AXDialog", None),
    20: ("filler", "AXGroup", None),
    22: ("font chooser", "AXDialog", None),
    23: ("frame", "AXWindow", "AXStandardWindow"),
    24: ("glass pane", "AXGroup", None),
    25: ("html container", "AXGroup", None),
    26: ("icon", "AXImage", None),
    27: ("image", "AXImage", None),
    28: ("internal frame", "AXGroup", None),
    29: ("label", "AXStaticText", None),
    30: ("layered pane", "AXGroup", None),
    31: ("list", "AXList", None),
    32: ("list item", "AXRow", None),
    33: ("menu", "AXMenu", None),
    34: ("menu bar", "AXMenuBar", None),
    35: ("menu item", "AXMenuItem", None),
    36: ("option pane", "AXGroup", None),
    37: ("page tab", "AXRadioButton", "AXTabButton"),
    38: ("page tab list", "AXTabGroup", None),
    39: ("panel", "AXGroup", None),
    40: ("password text", "AXTextField", "AXSecureTextField"),
    41: ("popup menu", "AXMenu", None),
    42: ("progress bar", "AXProgressIndicator", None),
    43: ("push button", "AXButton", None),
    44: ("radio button", "AXRadioButton", None),
    45: ("radio menu item", "AXMenuItem", None),
    46: ("root pane", "AXGroup", None),
    47: ("row header", "AXCell", None),
    48: ("scroll bar", "AXScrollBar", None),
    49: ("scroll pane", "AXScrollArea", None),
    50: ("separator", "AXSplitter", None),
    51: ("slider", "AXSlider", None),
    52: ("spin button", "AXIncrementor", None),
    53: ("split pane", "AXSplitGroup", None),
    54: ("status bar", "AXGroup", None),
    55: ("table", "AXTable", None),
    56: ("table cell", "AXCell", None),
    57: ("table column header", "AXCell", None),
    58: ("table row header", "AXCell", None),
    59: ("tearoff menu item", "AXMenuItem", None),
    60: ("terminal", "AXTextArea", None),
    61: ("text", "AXTextField", None),
    62: ("toggle button", "AXCheckBox", "AXToggle"),
    63: ("tool bar", "AXToolbar", None),
    64: ("tool tip", "AXHelpTag", None),
    65: ("tree", "AXOutline", None),
    66: ("tree table", "AXOutline", None),
    68: ("viewport", "AXGroup", None),
    69: ("window", "AXWindow", None),
    71: ("header", "AXGroup", None),
    72: ("footer", "AXGroup", None),
    73: ("paragraph", "AXGroup", None),
    74: ("ruler", "AXRuler", None),
    75: ("application", "AXApplication", None),
    76: ("autocomplete", "AXGroup", None),
    77: ("edit bar", "AXTextField", None),
    78: ("embedded", "AXGroup", None),
    79: ("entry", "AXTextField", None),
    80: ("chart", "AXImage", None),
    81: ("caption", "AXStaticText", None),
    82: ("document frame", "AXWebArea", None),
    83: ("heading", "AXHeading", None),
    84: ("page", "AXGroup", None),
    85: ("section", "AXGroup", None),
    87: ("form", "AXGroup", None),
    88: ("link", "AXLink", None),
    90: ("table row", "AXRow", None),
    91: ("tree item", "AXRow", "AXOutlineRow"),
    92: ("document spreadsheet", "AXWebArea", None),
    93: ("document presentation", "AXWebArea", None),
    94: ("document text", "AXWebArea", None),
    95: ("document web", "AXWebArea", None),
    96: ("document email", "AXWebArea", None),
    98: ("list box", "AXList", None),
    99: ("grouping", "AXGroup", None),
    101: ("notification", "AXGroup", None),
    102: ("info bar", "AXGroup", None),
    103: ("level bar", "AXLevelIndicator", None),
    104: ("title bar", "AXGroup", None),
    109: ("article", "AXGroup", None),
    110: ("landmark", "AXGroup", None),
    116: ("static", "AXStaticText", None),
    129: ("push button menu", "AXMenuButton", None),
    130: ("switch", "AXCheckBox", "AXSwitch"),
}


def ax_names(role: int, states: int) -> tuple[str, str | None]:
    """Give the accessibility role and subrole of a native role; states tell a text area from a text field."""
    if role in {Role.TEXT, Role.ENTRY} and states & State.MULTI_LINE:
        return "AXTextArea", None
    _, ax_role, subrole = _NAMES.get(role, ("", "AXUnknown", None))
    return ax_role, subrole


def native_name(role: int) -> str:
    """Give AT-SPI's own name of a role; a number that is newer than this table is given as such."""
    return _NAMES[role][0] if role in _NAMES else f"role {role}"
