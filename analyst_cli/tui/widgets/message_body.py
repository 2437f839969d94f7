"""The words of a notification, laid out for the width there is."""

from rich.text import Text
from textual.geometry import Size
from textual.widget import Widget

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
        return self._laid_out(self.content_size.width)

    def get_content_width(self, container: Size, viewport: Size) -> int:  # noqa: ARG002 - Textual's interface
        return container.width

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - Textual's interface
        return self._laid_out(width).plain.count("\n") + 1

    def _laid_out(self, width: int) -> Text:
        if not self._message:
            return Text()
        from analyst_cli.tui.markdown import message_text  # noqa: PLC0415 - 25 ms that the list need not wait for

        return message_text(self._message, width)
