"""What the demo knows of its tasks, from the events and the daemon's log. Draws nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from musterd.demo.plan import Part
from musterd.display import lines, one_line, parse_time
from musterd.records import Event
from musterd.states import TASK_ENDED, Reason, TaskState

RECENT: Final = 8
"""Events that are shown."""

STEPS: Final = {
    TaskState.PENDING: 0,
    TaskState.ASSIGNED: 1,
    TaskState.EXECUTING: 2,
    TaskState.COMPLETED: 3,
    TaskState.FAILED: 3,
}
"""How far a task has come, in each state."""

_DAEMONS_OWN: Final = {"agent started", "agent ended"}
_NOT_SAID: Final = {"timestamp", "level", "event", "task_id", "agent_id", "stream", "line"}


@dataclass
class Row:
    """A task as it stands."""

    part: Part
    state: str = ""
    attempt: int = 0
    steps: int = 0
    began: datetime | None = None
    ended: datetime | None = None
    says: str = ""

    def seconds(self) -> float | None:
        """For how long it has run, from its first attempt on; None before."""
        if self.began is None:
            return None
        return ((self.ended or datetime.now(UTC)) - self.began).total_seconds()


@dataclass(frozen=True)
class Line:
    """An event for people. `seconds` counts from the first event."""

    seconds: float
    type: str
    subject: str
    cause: str


class Board:
    """A row for each part, and the last events."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.rows = {part.task_id: Row(part) for part in parts}
        # Replaced rather than changed: the screen is drawn by another thread.
        self.recent: tuple[Line, ...] = ()
        self._began: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether every task has."""
        return self.live == []

    @property
    def live(self) -> list[str]:
        """The tasks that have not ended."""
        return [task_id for task_id, row in self.rows.items() if row.ended is None]

    def apply(self, event: Event) -> Line:
        """Take an event in; how it reads."""
        time = parse_time(str(event.fields.get("timestamp"))) or datetime.now(UTC)
        self._began = self._began or time
        cause = _cause(event)
        subject = event.agent_id or event.task_id
        line = Line((time - self._began).total_seconds(), event.type, subject, cause)
        row = self.rows.get(event.task_id)
        if row is not None:
            _move(row, event, time, cause)
        self.recent = (*self.recent, line)[-RECENT:]
        return line

    def note(self, text: str) -> Line:
        """Take in what the demo itself does."""
        seconds = (datetime.now(UTC) - self._began).total_seconds() if self._began else 0.0
        line = Line(seconds, "demo", text, "")
        self.recent = (*self.recent, line)[-RECENT:]
        return line

    def hear(self, log: Iterable[dict[str, Any]]) -> None:
        """Take in what the agents say, from lines of the daemon's log."""
        for entry in log:
            row = self.rows.get(str(entry.get("task_id")))
            if row is not None and row.ended is None and entry.get("event") not in _DAEMONS_OWN:
                row.says = one_line(_said(entry))


def _move(row: Row, event: Event, time: datetime, cause: str) -> None:
    what, _, state = event.type.partition(".")
    row.says = cause or row.says
    if what != "task" or state not in STEPS:
        return
    if state == TaskState.COMPLETED:
        row.says = row.part.describe(event.fields.get("result"))
    row.state = Reason.KILLED if event.fields.get("reason") == Reason.KILLED else state
    row.attempt = int(str(event.fields.get("attempt", row.attempt)))
    row.steps = max(row.steps, STEPS[TaskState(state)])
    if state == TaskState.EXECUTING:
        row.began = row.began or time
    if state in TASK_ENDED and event.fields.get("final", True):
        row.ended = time


def _cause(event: Event) -> str:
    """The last line of an error tells most; the whole is in the record."""
    error, reason = event.fields.get("error"), event.fields.get("reason")
    return one_line(lines(str(error))[-1] if error else str(reason or ""))


def _said(entry: dict[str, Any]) -> str:
    """A line of an agent: of its output, or what it said through its logger."""
    if entry.get("event") == "output":
        return str(entry.get("line")).removeprefix("level=info event=")
    more = (f"{name}={value}" for name, value in entry.items() if name not in _NOT_SAID)
    return " ".join([str(entry.get("event")), *more])
