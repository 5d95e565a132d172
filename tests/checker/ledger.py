"""What agents really did, written by themselves into a folder, against what the events say.

Each body appends one line when it starts and one when it ends, each in one `write`:

    start AGENT_ID PID TIME_NS
    end AGENT_ID HOW TIME_NS

From bash, where `LEDGER` is the folder (times by `date +%s%N`):

    note() { echo "$1 $MUSTERD_AGENT_ID $2 $(date +%s%N)" >> "$LEDGER/ledger"; }
    note start $$; trap 'note end exit' EXIT

Times are CLOCK_REALTIME, as the server's are: one machine, so they compare. An event's time is
cut to milliseconds; `TOLERANCE` covers that.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.checker.contract import milliseconds
from tests.checker.event import Event
from tests.checker.promises import Break

TOLERANCE = 5_000_000
"""Nanoseconds by which an event and a line may seem to be in the wrong order."""

_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@contextmanager
def entry(folder: str | Path, agent_id: str) -> Iterator[None]:
    """Write a body's two lines, from Python; the second also when it is cancelled."""
    _append(folder, f"start {agent_id} {os.getpid()} {time.time_ns()}")
    how = "returned"
    try:
        yield
    except BaseException as error:
        how = type(error).__name__
        raise
    finally:
        _append(folder, f"end {agent_id} {how} {time.time_ns()}")


def _append(folder: str | Path, line: str) -> None:
    file = os.open(Path(folder, "ledger"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(file, f"{line}\n".encode())
    finally:
        os.close(file)


@dataclass(slots=True)
class Body:
    """One run of an agent's body; times in Unix ns."""

    agent_id: str
    pid: int
    start: int
    end: int | None = None
    told: int | None = None
    """When the attempt's terminal event was."""
    lost: bool = False

    def is_alive(self) -> bool:
        """Whether it has written no end, and the process that it ran in is there."""
        return self.end is None and _is_process(self.pid, self.start)


def _is_process(pid: int, before: int) -> bool:
    """Whether there is a live process of this id that started before the time, Unix ns."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    booted = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return stat[0] not in "ZX" and booted + int(stat[19]) * _TICK <= before + TOLERANCE + _TICK


@dataclass(slots=True)
class Ledger:
    """Reads the folder as it grows; told the events in order, after `refresh`.

    Attributes:
        folder: where the agents write.
        lost_limit: seconds that a body may run on after its attempt was told as lost: its daemon
            may only have been frozen, and finds out later. 0 where owners really die, with their
            agents; `math.inf` where nobody ends what a dead daemon left.
        told_again: of a time in Unix seconds, whether what was told then may have been lost and
            told again later. Without it nothing is proved once the server has lost writes.
    """

    folder: Path
    lost_limit: float = 0.0
    told_again: Callable[[float], bool] | None = None
    breaks: list[Break] = field(default_factory=list)
    _offsets: dict[Path, int] = field(default_factory=dict)
    _bodies: dict[str, dict[int, Body]] = field(default_factory=dict)
    _running: dict[str, int] = field(default_factory=dict)
    _started: set[int] = field(default_factory=set)
    _lost: list[Body] = field(default_factory=list)
    _lost_unborn: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    """Attempts told as lost whose body had not started: when, and when `agent.running` was."""

    def start_over(self) -> "Ledger | None":
        """One that is told everything once more; None if that would prove nothing."""
        if self.told_again is None:
            return None
        return Ledger(self.folder, self.lost_limit, self.told_again, self.breaks)

    def refresh(self) -> None:
        """Read what was appended. To be called after events were read, before they are told."""
        for path in sorted(self.folder.iterdir()):
            with path.open("rb") as file:
                file.seek(self._offsets.get(path, 0))
                text = file.read()
            whole = text[: text.rfind(b"\n") + 1]
            self._offsets[path] = self._offsets.get(path, 0) + len(whole)
            for line in whole.decode().splitlines():
                self._take(line)

    def tell(self, event: Event) -> None:
        """The next event."""
        agent_id = event.agent_id or ""
        if event.type == "agent.running":
            self._running[agent_id] = _nanoseconds(event)
            self._check_alone(event.task_id, event.attempt)
        elif event.type in {"agent.completed", "agent.failed", "agent.killed"}:
            self._settle(event, agent_id)
        elif event.type == "task.completed" or event.final:
            self._bodies.pop(event.task_id, None)

    def finish(self, told_until: int) -> None:
        """Judge the bodies of attempts that live or were lost.

        Args:
            told_until: Unix ns up to which all events have been told; later bodies are let be.
        """
        for bodies in self._bodies.values():
            for body in bodies.values():
                if body.told is None and body.start < told_until:
                    self._check_began(body, self._running.get(body.agent_id))
        for body in self._lost:
            self._check_outlived(body, "agent.failed (lost)")
        self._lost.clear()

    def _take(self, line: str) -> None:
        what, agent_id, third, at = line.split(" ")
        task_id, _, attempt = agent_id.rpartition(".")
        if what == "start":
            if hash(agent_id) in self._started:
                self._break(9, agent_id, "its body was started twice", line)
            self._started.add(hash(agent_id))
            body = Body(agent_id, int(third), int(at))
            self._bodies.setdefault(task_id, {})[int(attempt)] = body
            if agent_id in self._lost_unborn:
                self._take_late(body)
            self._check_alone(task_id, int(attempt))
        elif found := self._find(task_id, agent_id, int(attempt)):
            found.end = int(at)

    def _take_late(self, body: Body) -> None:
        """Its owner had the word to start it, and was cut off or frozen before it did."""
        told, began = self._lost_unborn.pop(body.agent_id)
        self._check_began(body, began)
        body.told, body.lost = told, True
        if self.lost_limit != math.inf:
            self._lost.append(body)

    def _find(self, task_id: str, agent_id: str, attempt: int) -> Body | None:
        """The body of an attempt; a lost one's also when its task has ended since."""
        lost = (body for body in self._lost if body.agent_id == agent_id)
        return self._bodies.get(task_id, {}).get(attempt) or next(lost, None)

    def _check_alone(self, task_id: str, attempt: int) -> None:
        """Earlier bodies of the task have ended; judged once both start and event are known."""
        bodies = self._bodies.get(task_id, {})
        body = bodies.get(attempt)
        if body is None or body.agent_id not in self._running:
            return
        for other in bodies.values():
            if other is body or other.start > body.start or (other.lost and self.lost_limit):
                continue
            if other.is_alive() or (other.end or 0) > body.start + TOLERANCE:
                what = f"its body started while that of {other.agent_id} ran"
                self._break(9, body.agent_id, what, f"{body}, {other}")

    def _settle(self, event: Event, agent_id: str) -> None:
        body = self._bodies.get(event.task_id, {}).get(event.attempt)
        began = self._running.pop(agent_id, None)
        if body is None:
            if event.type == "agent.completed":
                self._break(3, agent_id, "is completed, and its body never started", str(event))
            if event.reason == "lost" and self.lost_limit:
                self._lost_unborn[agent_id] = (_nanoseconds(event), began)
            return
        body.told, body.lost = _nanoseconds(event), event.reason == "lost"
        self._check_began(body, began)
        if body.lost and self.lost_limit:
            if self.lost_limit != math.inf:
                self._lost.append(body)
        elif event.type == "agent.completed" and body.end is None:
            self._break(3, agent_id, "is completed, and its body has not ended", str(body))
        else:
            self._check_outlived(body, event.type)

    def _check_began(self, body: Body, began: int | None) -> None:
        if began is None:
            self._break(2, body.agent_id, "its body ran, and no agent.running came", str(body))
        elif body.start < began - TOLERANCE and not self._is_told_again(body):
            self._break(2, body.agent_id, f"its body ran before agent.running ({began})", str(body))

    def _is_told_again(self, body: Body) -> bool:
        return self.told_again is not None and self.told_again(body.start / 1e9)

    def _check_outlived(self, body: Body, what: str) -> None:
        allowed = TOLERANCE + int(self.lost_limit * 1e9) if body.lost else TOLERANCE
        if body.is_alive():  # now, after the event was read: no clock is needed to say "after"
            outlived = not body.lost or time.time_ns() > (body.told or 0) + allowed
        else:
            outlived = (body.end or 0) > (body.told or 0) + allowed
        if outlived:
            promise = 6 if what == "agent.killed" else 4 if body.lost else 3
            self._break(promise, body.agent_id, f"its body outlived {what}", str(body))

    def _break(self, promise: int, agent_id: str, what: str, evidence: str) -> None:
        task_id = agent_id.rpartition(".")[0]
        self.breaks.append(Break(promise, f"{agent_id}: {what}", task_id, (evidence,)))


def _nanoseconds(event: Event) -> int:
    return milliseconds(event.time) * 1_000_000
