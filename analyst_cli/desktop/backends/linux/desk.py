"""The connections that every look and every action works with."""

from dataclasses import dataclass

from analyst_cli.desktop.backends.linux.accessibility_bus import AccessibilityBus
from analyst_cli.desktop.backends.linux.applications import Applications
from analyst_cli.desktop.backends.linux.watching import Events
from analyst_cli.desktop.backends.linux.x_display import XDisplay

__all__ = ["Desk"]


@dataclass(frozen=True)
class Desk:
    """The accessibility bus, the programs on it and their events, and the X display; each connects on first use."""

    bus: AccessibilityBus
    applications: Applications
    display: XDisplay
    events: Events
