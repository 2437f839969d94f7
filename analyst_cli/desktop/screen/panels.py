"""The parts of the operator's screen: they are told what to show, and ask nobody."""

from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import DataTable, OptionList, Static
from textual.widgets.option_list import Option

from analyst_cli.desktop.screen.lines import (
    approval_details,
    approval_row,
    permission_words,
    recent_row,
    running_row,
    state_words,
)

__all__ = ["Approvals", "Recent", "StateBar"]


class StateBar(Vertical):
    """How the bridge is, and what the platform grants."""

    def compose(self) -> ComposeResult:
        yield Static("connecting", markup=False, id="state")
        yield Static("", markup=False, id="permissions")

    def show(self, status: dict[str, Any] | None, lost: str) -> None:
        """Show a status, or that there is none."""
        self.query_one("#state", Static).update(Content(state_words(status, lost)))
        self.query_one("#permissions", Static).update(Content(permission_words(status)))
        self.set_classes(f"-{status['state'] if status else 'lost'}")


class Approvals(Vertical):
    """The open questions, and everything about the one that is chosen.

    The choice follows the question, not the row. When the chosen question goes away, `chosen_id` is None until the person moves or presses a key
    again,
    so that no keypress decides about another one.
    """

    def __init__(self) -> None:
        super().__init__(id="approvals")
        self.border_title = "Waiting for your approval"
        self.chosen_id: str | None = None
        self._shown: dict[str, dict[str, Any]] = {}

    def compose(self) -> ComposeResult:
        yield OptionList(id="questions")
        with VerticalScroll(id="details-pane"):
            yield Static("", markup=False, id="details")

    def show(self, approvals: list[dict[str, Any]]) -> None:
        """Show the questions, oldest first."""
        was_empty = not self._shown
        self._shown = {approval["approvalId"]: approval for approval in approvals}
        if self.chosen_id not in self._shown:
            self.chosen_id = next(iter(self._shown), None) if was_empty else None
        questions = self.query_one("#questions", OptionList)
        with self.prevent(OptionList.OptionHighlighted):
            questions.clear_options()
            questions.add_options(Option(Content(approval_row(each)), id=each["approvalId"]) for each in approvals)
            ids = list(self._shown)
            questions.highlighted = ids.index(self.chosen_id) if self.chosen_id in self._shown else None
        self.border_subtitle = f"{len(approvals)} open" if approvals else ""
        self._describe()

    def choose(self) -> bool:
        """Choose the first question when none is chosen; return whether that was needed."""
        if self.chosen_id is not None or not self._shown:
            return False
        self.chosen_id = next(iter(self._shown))
        self.query_one("#questions", OptionList).highlighted = 0
        self._describe()
        return True

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Follow the person's choice."""
        event.stop()
        if event.option.id in self._shown:
            self.chosen_id = event.option.id
            self._describe()

    def _describe(self) -> None:
        approval = self._shown.get(self.chosen_id or "")
        if approval is not None:
            words = approval_details(approval)
        elif self._shown:
            words = "choose a question with ↑ and ↓"
        else:
            words = "nobody asks for anything"
        self.query_one("#details", Static).update(Content(words))


class Recent(Vertical):
    """What runs, and what was done lately, newest first."""

    def __init__(self) -> None:
        super().__init__(id="recent")
        self.border_title = "Recent executions"

    def compose(self) -> ComposeResult:
        table: DataTable[Content] = DataTable(cursor_type="none", zebra_stripes=False, id="executions")
        table.can_focus = False
        yield table

    def on_mount(self) -> None:
        """Name the columns."""
        for name, width in {"Time": 8, "Method": 13, "Outcome": 24, "Took": 9}.items():
            self.query_one(DataTable).add_column(name, width=width)

    def show(self, active: list[dict[str, Any]], ended: list[dict[str, Any]]) -> None:
        """Show the executions."""
        table = self.query_one(DataTable)
        table.clear()
        running = [running_row(entry) for entry in active if entry["executionId"]]
        for row in [*running, *map(recent_row, ended)][:60]:
            table.add_row(*(Content(cell) for cell in row))
