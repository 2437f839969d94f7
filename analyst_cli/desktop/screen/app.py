"""The operator's screen: wires the operator's socket to the panels and the keys to the operator's requests, and nothing else.

It mirrors the menu of the original: permission state, Start, Stop, Panic Stop, Doctor, Observe, Open Latest Evidence; and adds approvals.
"""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.theme import Theme
from textual.widgets import Footer

from analyst_cli.desktop.client import HostClient, HostUnreachable, NoReply
from analyst_cli.desktop.endpoint import operator_socket_path
from analyst_cli.desktop.review import last_event, latest_execution
from analyst_cli.desktop.screen.dialogs import WordsDialog
from analyst_cli.desktop.screen.lines import check_lines
from analyst_cli.desktop.screen.messages import HostLost, StatusArrived
from analyst_cli.desktop.screen.panels import Approvals, Recent, StateBar
from analyst_cli.errors import AnalystError
from analyst_server.wire.inert import inert_text

__all__ = ["HostScreenApp"]

REFRESH_S = 5.0  # permissions are looked at so often (the menu of the original did the same)
RETRY_S = 1.0
WIDE = 120  # columns from which the panels stand side by side


class HostScreenApp(App[None]):
    """`analyst desktop host`."""

    TITLE = "analyst desktop host"
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - Textual declares it so
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "decide(True)", "Approve"),
        Binding("x", "decide(False)", "Deny"),
        Binding("v", "reveal", "Text"),
        Binding("p", "panic", "PANIC"),
        Binding("s", "ask('start')", "Start"),
        Binding("t", "ask('stop')", "Stop"),
        Binding("r", "ask('reset')", "Reset"),
        Binding("l", "ask('reload')", "Reload", show=False),
        Binding("d", "doctor", "Doctor", id="menu.doctor"),
        Binding("o", "observe", "Observe", id="menu.observe"),
        Binding("e", "open_evidence", "Evidence", id="menu.open_evidence"),
        Binding("c", "copy_diagnostics", "Copy diagnostics", show=False),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(
        self, *, themes: Sequence[Theme] = (), theme: str | None = None, socket_path: Path | None = None
    ) -> None:
        super().__init__()
        self._socket_path = socket_path or operator_socket_path()
        self._client: HostClient | None = None
        self._status: dict[str, Any] | None = None
        for each in themes:
            self.register_theme(each)
        if theme is not None:
            self.theme = theme

    def compose(self) -> ComposeResult:
        yield StateBar(id="bar")
        with Container(id="panes"):
            yield Approvals()
            yield Recent()
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Begin to follow the host."""
        self.run_worker(self._follow(), exclusive=True, group="follow")

    async def _follow(self) -> None:
        """Keep a connection, and tell the screen what comes over it."""
        while True:
            try:
                async with await HostClient.connect(self._socket_path) as client:
                    self._client = client
                    revision = None
                    while True:
                        reply = await client.call(
                            "operator.watch", {"revision": revision, "waitS": REFRESH_S}, wait_s=REFRESH_S + 10
                        )
                        self.post_message(StatusArrived(reply["result"]))
                        revision = reply["result"]["revision"]
            except AnalystError as exc:
                self._client = None
                self.post_message(HostLost(exc.problem))
            await asyncio.sleep(RETRY_S)

    def on_status_arrived(self, event: StatusArrived) -> None:
        """Show how the host is."""
        if not self.screen_stack:
            return  # the last word before the end: there is nothing left to show it on
        menu_changed = self._status is None or self._status["menubar"] != event.status["menubar"]
        self._status = event.status
        if menu_changed:
            shortcuts = event.status["menubar"]["shortcuts"]
            self.set_keymap(
                {
                    "menu.doctor": shortcuts["doctor"],
                    "menu.observe": shortcuts["observe"],
                    "menu.open_evidence": shortcuts["openEvidence"],
                }
            )
        self.refresh_bindings()
        self.query_one(StateBar).show(event.status, "")
        self._show_questions(event.status["approvals"])
        self.query_one(Recent).show(event.status["active"], event.status["recent"])

    def on_host_lost(self, event: HostLost) -> None:
        """Show that nobody serves; what was shown before is no longer true."""
        self._status = None
        if not self.screen_stack:
            return
        self.query_one(StateBar).show(None, event.words)
        self._show_questions([])

    def _show_questions(self, approvals: list[dict[str, Any]]) -> None:
        self.query_one("#panes").set_class(bool(approvals), "-asked")  # what is asked gets the room
        self.query_one(Approvals).show(approvals)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Show the keys that mean something now; the preferences may hide the three of the menu."""
        status = self._status
        if status is None:
            return True
        if action in {"doctor", "observe", "open_evidence"}:
            return bool(status["menubar"]["enabled"])
        if action in {"decide", "reveal"}:
            return bool(status["approvals"])
        useful = {"start": {"stopped", "failed"}, "stop": {"running"}, "reset": {"panic"}}
        return action != "ask" or parameters[0] not in useful or status["state"] in useful[str(parameters[0])]

    def action_decide(self, approve: bool) -> None:
        """Approve or deny the chosen question."""
        approvals = self.query_one(Approvals)
        if approvals.choose():
            self.notify("that question is gone; look at this one, then press the key again", severity="warning")
            return
        if approvals.chosen_id is not None:
            self._ask("operator.approve" if approve else "operator.deny", {"approvalId": approvals.chosen_id})

    def action_ask(self, what: str) -> None:
        """Ask the host for something that the state shows."""
        self._ask(f"operator.{what}", {})

    def action_panic(self) -> None:
        """Stop everything, without a question."""
        self._ask("operator.panic", {})

    def action_reveal(self) -> None:
        """Show the text that would be typed."""
        chosen = self.query_one(Approvals).chosen_id
        if chosen is not None:
            self.run_worker(self._reveal(chosen), group="dialog")

    def action_doctor(self) -> None:
        """Show doctor's findings."""
        self.run_worker(self._doctor(), group="dialog")

    def action_observe(self) -> None:
        """Take a picture and the tree, and tell where they lie."""
        self.run_worker(self._observe(), group="dialog")

    def action_open_evidence(self) -> None:
        """Open the latest evidence; this needs no running host."""
        self.run_worker(self._open_latest(), group="open")

    def action_copy_diagnostics(self) -> None:
        """Copy versions, doctor's findings and the end of the audit log, nothing from evidence (R-UI-1)."""
        self.run_worker(self._copy(), group="copy")

    def _ask(self, method: str, params: dict[str, Any]) -> None:
        self.run_worker(self._answered(method, params), group="ask")

    async def _answered(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """Ask, tell the person of a refusal, and return the result."""
        if self._client is None:
            self.notify("the host is not running; start it with: analyst desktop serve", severity="error", markup=False)
            return None
        try:
            reply = await self._client.call(method, params, wait_s=30)
        except (HostUnreachable, NoReply) as exc:
            self.notify(str(exc), severity="error", markup=False)
            return None
        if "error" in reply:
            self.notify(inert_text(reply["error"]["message"]), severity="error", markup=False)
            return None
        result: dict[str, Any] = reply["result"]
        return result

    async def _reveal(self, approval_id: str) -> None:
        found = await self._answered("operator.reveal", {"approvalId": approval_id})
        texts = [text for text in found["texts"] if text is not None] if found else []
        if texts:
            self.push_screen(WordsDialog("Text to type", inert_text("\n---\n".join(texts))))
        elif found:
            self.notify("nothing would be typed")

    async def _doctor(self) -> None:
        if found := await self._answered("operator.doctor", {}):
            self.push_screen(WordsDialog("Doctor", check_lines(found)))

    async def _observe(self) -> None:
        found = await self._answered("operator.observe", {})
        if not found:
            return
        missing = ", ".join(found.get("permissionsMissing", []))
        last = await asyncio.to_thread(last_event, Path(found["evidence"]["dir"]))
        words = f"execution {found['executionId']}\n{found['evidence']['dir']}\nlast event: {last}" + (
            f"\nmissing: {missing}" if missing else ""
        )
        dialog = WordsDialog("Observed", inert_text(words), offers_open=True)
        self.push_screen(dialog, lambda wish: self._open(Path(found["evidence"]["dir"])) if wish == "open" else None)

    async def _open_latest(self) -> None:
        status = self._status
        roots = status["roots"] if status else []
        workspace = status["menubar"]["workspacePath"] if status else ""
        folder = Path(workspace or (roots[0] if roots else Path.home() / "analyst-workspaces"))
        latest = (
            next((each["evidenceDir"] for each in status["recent"] if each["evidenceDir"]), None) if status else None
        )
        if status and status["menubar"]["openEvidence"]["mode"] == "choose":
            self._open(folder / "artifacts" / "desktop")
            return
        try:
            self._open(Path(latest) if latest else await asyncio.to_thread(latest_execution, folder))
        except AnalystError as exc:
            self.notify(str(exc), severity="warning", markup=False)

    def _open(self, folder: Path) -> None:
        opener = "open" if sys.platform == "darwin" else "xdg-open"
        try:
            subprocess.Popen(
                [opener, str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            )
        except OSError:
            self.notify(f"{opener} is not here; the folder is {folder}", severity="warning", markup=False)
        else:
            self.notify(str(folder), markup=False)

    async def _copy(self) -> None:
        if found := await self._answered("operator.diagnostics", {}):
            audit = "\n".join(found["audit"])
            self.copy_to_clipboard(
                f"version {found['version']}\n\n{check_lines(found['doctor'])}\n\n{inert_text(audit)}\n"
            )
            self.notify("version, doctor's findings and the end of the audit log are in the clipboard")
