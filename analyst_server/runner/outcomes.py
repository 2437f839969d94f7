"""What can become of one run of a script, and the record that history keeps of it. No I/O."""

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["FAILURES", "Outcome", "RunRecord", "Trigger"]


class Outcome(StrEnum):
    """What became of a run; the words are those that people read."""

    SENT = "sent"  # the gateway has it
    DUPLICATE = "duplicate"  # the gateway had it already
    QUIET = "quiet"  # the script said notify: false
    COOLDOWN = "cooldown"  # it wanted to notify, and its cooldown has not ended
    WAITING = "waiting"  # the gateway could not be reached; tried again at every tick
    REPLACED = "replaced"  # it waited, and a later alert of the script took its place
    REFUSED = "refused"  # the gateway said no, for good
    HANDED_OVER = "handed over"  # given to whoever asked for the run (portal, bot)
    FAILED = "failed"  # exit code other than 0, or it could not be started
    TIMED_OUT = "timed out"
    BAD_OUTPUT = "bad output"
    BAD_BLOCK = "bad block"  # the block at its top cannot be used; it was not run
    INTERRUPTED = "interrupted"  # the runner was stopped or died in the middle of it
    RUNNING = "running"


FAILURES = frozenset({Outcome.FAILED, Outcome.TIMED_OUT, Outcome.BAD_OUTPUT, Outcome.BAD_BLOCK, Outcome.REFUSED})


class Trigger(StrEnum):
    """Who wanted a run."""

    ONCE = "once"  # cron and people: `analyst runner once`
    SCHEDULE = "schedule"  # `analyst runner serve`
    PERSON = "person"  # `analyst scripts run`
    PORTAL = "portal"  # the portal or the bot, through `exec-as`


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run. Times are unix seconds; `reason` says in words why nothing was sent, or what went wrong."""

    id: str
    stem: str
    script: str
    trigger: Trigger
    started_at: float
    outcome: Outcome = Outcome.RUNNING
    reason: str = ""
    duration_s: float = 0.0
    exit_code: int | None = None
    cooldown_until: float | None = None
    due_at: float | None = None
    missed: int = 0  # earlier due runs that this one stands for
    title: str = ""
    message: str = ""
    status: str = ""  # `firing` or `resolved`, if the script said so
    notification_id: str = ""
    stderr_tail: str = ""
    content_hash: str = ""
    warnings: tuple[str, ...] = field(default=())
