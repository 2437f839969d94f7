"""The words of a notification, laid out for the width there is."""

from rich.text import Text
from textual.geometry import Size
from textual.widget import Widget

from analyst_cli.tui.markdown import message_text

__all__ = ["MessageBody"]


class MessageBody(Widget):
    """Markdown that does nothing but be read; its text can be selected with the mouse."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._message = ""

    def show(self, message: str) -> None:
        """Show this message."""
        self._message = message
        self.refresh(layout=True)

    def render(self) -> Text:
        return message_text(self._message, self.content_size.width)

    def get_content_width(self, container: Size, viewport: Size) -> int:  # noqa: ARG002 - Textual's interface
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - Textual's interface
        return message_text(self._message, width).plain.count("\n") + 1
