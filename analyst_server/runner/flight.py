"""One run of one script, from its lock to its record: run it, read it, decide, hand the alert to the gateway, remember.

The gateway gets the alert first and alone: other channels follow from its log. The cooldown begins when the gateway has the alert, never before.
"""

import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from analyst_server.runner import cooldown, notices
from analyst_server.runner.cooldown_file import begin_cooldown, last_sent
from analyst_server.runner.dispatching import Dispatched, GatewayAway, GatewayRefused, dispatch_somehow
from analyst_server.runner.history import History, WaitingAlert
from analyst_server.runner.landing import Landed, run_script
from analyst_server.runner.local_time import both_times
from analyst_server.runner.locks import RUN_FOLDER_PREFIX, Busy, single_flight
from analyst_server.runner.outcomes import Outcome, RunRecord, Trigger
from analyst_server.runner.plainer import without_picture
from analyst_server.runner.schedule import Due
from analyst_server.runner.scripts import Script
from analyst_server.runner.settings import RunnerSettings

__all__ = ["Busy", "Flight", "HandedOver"]

MAX_IMAGE_BYTES = 10 * 1024 * 1024  # section 2.5 of the protocol


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What a script said, for who asked for the run; `notification` is None when it does not want to notify."""

    record: RunRecord
    notification: dict[str, Any] | None = None
    image: bytes | None = None


@dataclass(frozen=True, slots=True)
class Flight:
    """What a run needs; `now` is the clock on the wall, `stop_fd` becoming readable ends a running script."""

    settings: RunnerSettings
    history: History
    now: Callable[[], float] = time.time
    stop_fd: int | None = None

    def run(self, script: Script, trigger: Trigger, due: Due | None = None) -> RunRecord:
        """Run a script and send what it says. Raises `Busy` when it runs already, in whichever process."""
        return self._fly(script, trigger, due, self._concluded)

    def hand_over(self, script: Script) -> HandedOver:
        """Run a script and return what it says, for who asked; its cooldown neither counts nor begins. Raises `Busy`."""
        said: list[HandedOver] = []

        def conclude(_script: Script, landed: Landed) -> RunRecord:
            if landed.notification is None:
                return landed.record
            path, notification = landed.notification.get("image_path"), landed.notification
            image = _picture(path)
            if path is not None and image is None:
                notification = without_picture(notification, "it cannot be read, or has more than 10 MB")
            notification.pop("image_path", None)
            said.append(HandedOver(landed.record, notification, image))
            return replace(landed.record, outcome=Outcome.HANDED_OVER)

        record = self._fly(script, Trigger.PORTAL, None, conclude)
        return replace(said[0], record=record) if said else HandedOver(record)

    def _fly(
        self, script: Script, trigger: Trigger, due: Due | None, conclude: Callable[[Script, Landed], RunRecord]
    ) -> RunRecord:
        with single_flight(self.settings.lock_file(script.stem)) as lock:
            self.history.interrupt_unfinished(script.stem)
            record = self._begun(script, trigger, due)
            self.history.put(record)
            with _run_folder() as folder:
                landed = run_script(
                    self.settings,
                    script,
                    record,
                    folder=folder,
                    stop_fd=self.stop_fd,
                    started=lambda pid: lock.remember(pid, folder),
                )
                record = conclude(script, landed)
            self.history.put(record)
        notices.write_log(self.settings.log_file(script.stem), record)
        notices.tell_owner(self.settings, self.history, script, record, now=self.now())
        return record

    def flush_waiting(self) -> int:
        """Try again to hand over what waits for the gateway; return how many went. Stops at the first sign that it is still away."""
        went = 0
        for alert in self.history.waiting():
            try:
                sent, _ = self._dispatched(alert.stem, alert.notification)
            except GatewayAway:
                return went
            except GatewayRefused as exc:
                self.history.waited(alert, outcome=Outcome.REFUSED, reason=str(exc))
                _forget_image(alert)
                continue
            minutes = round((self.now() - alert.since) / 60)
            reason = f"sent {minutes} min late: the gateway was away"
            until = self.now() + alert.cooldown_s if alert.cooldown_s else None
            self.history.waited(alert, outcome=_outcome(sent), reason=reason, cooldown_until=until)
            self.history.take_held_back(alert.stem, reset=True)
            if until is not None:
                begin_cooldown(self.settings.cooldown_file(alert.stem), now=self.now())
            _forget_image(alert)
            went += 1
        return went

    def _begun(self, script: Script, trigger: Trigger, due: Due | None) -> RunRecord:
        return RunRecord(
            id=uuid.uuid4().hex,
            stem=script.stem,
            script=str(script.path),
            trigger=trigger,
            started_at=self.now(),
            due_at=due.at if due else None,
            missed=due.missed if due else 0,
            content_hash=script.content_hash,
        )

    def _concluded(self, script: Script, landed: Landed) -> RunRecord:
        record, output, notification = landed.record, landed.output, landed.notification
        if output is None or notification is None:
            return record
        seconds = (
            output.cooldown_s if output.cooldown_s is not None else cooldown.duration_s(script.declaration.cooldown)
        )
        held = cooldown.Cooldown(None)
        if (
            record.trigger is not Trigger.PERSON
            and not self.settings.ignore_cooldown
            and not self._status_changed(record)
        ):
            held = cooldown.decide(
                last_sent=last_sent(self.settings.cooldown_file(record.stem)), cooldown_s=seconds, now=self.now()
            )
        if held.until is not None:
            count = self.history.hold_back(record.stem)
            reason = f"in its cooldown until {both_times(held.until)}; {count} held back since the last alert"
            return replace(record, outcome=Outcome.COOLDOWN, reason=reason, cooldown_until=held.until)
        return self._sent(record, notification, seconds)

    def _sent(self, record: RunRecord, notification: dict[str, Any], cooldown_s: float) -> RunRecord:
        begins_cooldown = record.trigger is not Trigger.PERSON  # what a person asked for mutes nothing
        try:
            sent, warnings = self._dispatched(record.stem, notification)
        except GatewayAway as exc:
            self._keep(record, notification, cooldown_s if begins_cooldown else 0.0)
            return replace(record, outcome=Outcome.WAITING, reason=f"{exc.problem}; it is kept and tried again")
        except GatewayRefused as exc:
            return replace(record, outcome=Outcome.REFUSED, reason=str(exc))
        if begins_cooldown:
            begin_cooldown(self.settings.cooldown_file(record.stem), now=self.now())
            record = replace(record, cooldown_until=self.now() + cooldown_s)
        self.history.take_held_back(record.stem, reset=True)
        return replace(record, outcome=_outcome(sent), notification_id=sent.id, warnings=record.warnings + warnings)

    def _dispatched(self, stem: str, notification: dict[str, Any]) -> tuple[Dispatched, tuple[str, ...]]:
        """Dispatch, and return what was left out. A conflict means that the gateway has it: its answer was lost, and no other run has this id."""
        if held_back := self.history.take_held_back(stem, reset=False):
            notification = notification | {"data": {**(notification.get("data") or {}), "held_back": held_back}}
        try:
            return dispatch_somehow(self.settings.socket, user=self.settings.user, notification=notification)
        except GatewayRefused as exc:
            if exc.status != HTTPStatus.CONFLICT:
                raise
            return Dispatched(id=str(notification["id"]), duplicate=True), ()

    def _keep(self, record: RunRecord, notification: dict[str, Any], cooldown_s: float) -> None:
        """Keep an alert, and its chart, until the gateway is back."""
        if image := notification.get("image_path"):
            kept = self.settings.waiting_image(record.id)
            kept.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            with suppress(OSError):
                shutil.copyfile(image, kept)
            notification = notification | {"image_path": str(kept)}
        alert = WaitingAlert(record.stem, record.id, record.started_at, notification, cooldown_s)
        if (replaced := self.history.wait(alert)) is not None:
            _forget_image(replaced)

    def _status_changed(self, record: RunRecord) -> bool:
        """Tell whether the alert says firing after resolved or the other way round: no cooldown may hold that back."""
        last = self.history.last_sent_status(record.stem)
        return bool(record.status and last and record.status != last)


def _forget_image(alert: WaitingAlert) -> None:
    """Remove the chart that was kept with an alert."""
    if image := alert.notification.get("image_path"):
        Path(image).unlink(missing_ok=True)


def _picture(path: str | None) -> bytes | None:
    """Return a chart's bytes; None when there is none, or it passes the gateway's limit."""
    if path is None:
        return None
    with suppress(OSError), Path(path).open("rb") as file:
        picture = file.read(MAX_IMAGE_BYTES + 1)
        return picture if len(picture) <= MAX_IMAGE_BYTES else None
    return None


def _outcome(sent: Dispatched) -> Outcome:
    return Outcome.DUPLICATE if sent.duplicate else Outcome.SENT


@contextmanager
def _run_folder() -> Iterator[Path]:
    """Give a run a folder of its own; the gateway, which may be another user, can open what is in it by name, and nobody can list it."""
    folder = Path(tempfile.mkdtemp(prefix=RUN_FOLDER_PREFIX))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
