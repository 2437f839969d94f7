"""All actions that keys can be given to, gathered from the bindings of every screen. Imports all screens: for people with own keys, and tests."""

from analyst_cli.tui.app import InboxApp
from analyst_cli.tui.keys import Action, bound_actions
from analyst_cli.tui.screens.about import AboutScreen
from analyst_cli.tui.screens.choice import ChoiceScreen
from analyst_cli.tui.screens.help import HelpScreen
from analyst_cli.tui.screens.inbox import InboxScreen
from analyst_cli.tui.screens.scripts import ScriptsScreen
from analyst_cli.tui.screens.settings import SettingsScreen
from analyst_cli.tui.widgets.detail import Detail
from analyst_cli.tui.widgets.notification_list import NotificationList
from analyst_cli.tui.widgets.search_box import SearchBox

__all__ = ["all_actions"]

_KEYED = (
    InboxScreen,
    NotificationList,
    Detail,
    SearchBox,
    InboxApp,
    AboutScreen,
    ScriptsScreen,
    SettingsScreen,
    ChoiceScreen,
    HelpScreen,
)


def all_actions() -> list[Action]:
    """Return every action once, in the order of the code."""
    return list({action[0]: action for action in bound_actions(_KEYED)}.values())
