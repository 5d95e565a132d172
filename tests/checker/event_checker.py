"""Holds the events of one prefix, in the order of the log, to the promises.

It keeps a task in full only until it has ended, then a few letters, so that long runs fit.
"""

from collections import deque
from sys import intern
from typing import NoReturn

from tests.checker.contract import AGENT_EVENTS, NEVER_RETRIED, TASK_EVENTS
from tests.checker.event import Event, FormError
from tests.checker.life import Life, digest, ending
from tests.checker.promises import Break

_MOST_BREAKS = 100
_REMEMBERED = 12


class _BreakError(Exception):
    """Ends the look at one event; what it breaks."""

    def __init__(self, promise: int, what: str) -> None:
        self.promise = promise
        self.what = what


class EventChecker:
    """Fed each event in order; collects breaks, the first hundred.

    Args:
        records_expire: ended records may be gone, and their ids be submitted anew.
    """

    def __init__(self, *, records_expire: bool = False) -> None:
        self.records_expire = records_expire
        self.breaks: list[Break] = []
        self.count = 0
        self.lives: dict[str, Life] = {}
        """The tasks that have not ended, by id."""
        self._ended: dict[int, str] = {}
        self._broken: set[str] = set()
        self._to_be_killed: set[str] = set()
        self._time = ""
        self._last: deque[str] = deque(maxlen=_REMEMBERED)

    @property
    def ended_count(self) -> int:
        """How many tasks have ended."""
        return len(self._ended)

    def ended(self, task_id: str) -> str | None:
        """How an ended task went, see `life.digest`; None if it has not ended."""
        return self._ended.get(hash(task_id))

    def attempts(self, task_id: str) -> int:
        """How many attempts at the task were told of."""
        life = self.lives.get(task_id)
        return life.attempt if life else max(len(self.ended(task_id) or "") - 1, 0)

    def is_broken(self, task_id: str) -> bool:
        """Whether a break of this task was found: what follows from it is not looked at."""
        return task_id in self._broken

    def feed(self, event_id: str, text: str) -> Event | None:
        """Take the next entry of the log; returns it if it could be read and is one of ours."""
        self.count += 1
        self._last.append(f"{event_id} {text[:300]}")
        try:
            event = Event.read(event_id, text)
        except FormError as error:
            self.add(Break(0, f"event {event_id}: {error}", evidence=tuple(self._last)))
            return None
        if event is None:
            return None
        if event.time < self._time:
            what = f"event {event_id} is of {event.time}, after one of {self._time}"
            self.add(Break(0, what, evidence=tuple(self._last)))
        self._time = event.time
        if event.task_id not in self._broken:
            self._follow(event)
        return event

    def expect_killed(self, agent_id: str) -> None:
        """A kill of this live agent was accepted: it must end as killed, its task for good."""
        task_id, _, attempt = agent_id.rpartition(".")
        life = self.lives.get(task_id)
        went = life.endings if life else self.ended(task_id) or ""
        letter = went[int(attempt) - 1 : int(attempt)]
        if not letter:
            self._to_be_killed.add(agent_id)
        elif letter != "k" and (letter, went[-1]) != ("l", "K"):
            what = f"{agent_id}: a kill was accepted, but the attempts went {went}"
            self.add(Break(5, what, task_id, life.evidence if life else ()))

    def forget_kill(self, agent_id: str) -> None:
        """It is not certain any more that a kill of this agent was accepted."""
        self._to_be_killed.discard(agent_id)

    def finish(self) -> None:
        """The log has been read to where a script ended: nothing may be owed."""
        for task_id, life in self.lives.items():
            if life.owed and task_id not in self._broken:
                what = f"{task_id}: {life.last[-1].type} came without its {life.owed}"
                self.add(Break(2, what, task_id, life.evidence))

    def add(self, *found: Break) -> None:
        """Note breaks seen at one moment, but none of a task that was broken before."""
        fresh = [one for one in found if one.task_id not in self._broken]
        self.breaks += fresh[: _MOST_BREAKS - len(self.breaks)]
        self._broken.update(one.task_id for one in fresh if one.task_id)

    def _follow(self, event: Event) -> None:
        life = self.lives.get(event.task_id)
        try:
            if life is None:
                self._begin(event)
            else:
                life.last.append(event)
                self._check_same(event, life)
                self._go_on(event, life)
        except _BreakError as error:
            evidence = life.evidence if life else tuple(self._last)
            what = f"{event.agent_id or event.task_id}: {error.what}"
            self.add(Break(error.promise, what, event.task_id, evidence))

    def _begin(self, event: Event) -> None:
        went = self.ended(event.task_id)
        first = event.type == "task.pending" and event.attempt == 0
        if went is not None and not (first and self.records_expire):
            raise _BreakError(3, f"{event.type} after the task's final ending (attempts {went})")
        if not first:
            raise _BreakError(9, f"{event.type}, but no task.pending came before")
        self._ended.pop(hash(event.task_id), None)
        self.lives[event.task_id] = life = Life(intern(event.kind))
        life.last.append(event)

    def _check_same(self, event: Event, life: Life) -> None:
        if event.kind != life.kind:
            raise _BreakError(0, f"{event.type} has kind {event.kind}, the task is {life.kind}")
        if life.owed and event.type != life.owed:
            before = life.last[-2].type
            raise _BreakError(2, f"{event.type} after {before}, which {life.owed} must follow")
        if life.owed and event.time != life.last[-2].time:
            raise _BreakError(2, f"{event.type} is of another time than the event it belongs to")

    def _go_on(self, event: Event, life: Life) -> None:
        if event.tells_of_agent:
            self._step_agent(event, life)
        elif life.owed:
            self._step_task(event, life)
        elif event.type == "task.failed" and life.status == "pending":
            self._kill_waiting(event, life)
        else:
            _refuse_task_event(event, life)

    def _step_agent(self, event: Event, life: Life) -> None:
        opener = AGENT_EVENTS[event.type]
        if event.type == "agent.spawned":
            _check_spawn(event, life)
            life.attempt, life.node = event.attempt, event.node and intern(event.node)
        elif event.attempt != life.attempt:
            raise _BreakError(4, f"{event.type}, while the latest attempt is {life.attempt}")
        elif life.agent is None:
            raise _BreakError(3, f"{event.type}, but the attempt has ended already")
        elif event.node != life.node and event.reason != "lost":
            raise _BreakError(4, f"{event.type} by {event.node}, the owner is {life.node}")
        if life.agent not in opener.agent or life.status not in opener.task:
            raise _BreakError(
                1, f"{event.type} while the agent is {life.agent} and the task {life.status}"
            )
        life.agent, life.owed = opener.agent_after, opener.follows
        if opener.follows in ("task.completed", "task.failed"):
            life.agent = None
            life.endings += ending(event)

    def _step_task(self, event: Event, life: Life) -> None:
        if event.attempt != life.attempt:
            raise _BreakError(2, f"{event.type} is of attempt {event.attempt}, not {life.attempt}")
        life.status, life.owed = TASK_EVENTS[event.type], ""
        if event.agent_id in self._to_be_killed and life.agent is None:
            self._check_kill(event, life)
        if event.type == "task.failed":
            _check_failure(event, life)
        if event.type == "task.completed" or event.final is True:
            self._end(event, life)
        elif event.final is False:
            life.owed = "task.pending"

    def _check_kill(self, event: Event, life: Life) -> None:
        self._to_be_killed.discard(f"{event.task_id}.{life.attempt}")
        if event.reason != "killed":
            raise _BreakError(5, f"{event.type} ({event.reason}), though a kill was accepted")

    def _kill_waiting(self, event: Event, life: Life) -> None:
        if event.reason != "killed" or not event.final:
            raise _BreakError(1, "a waiting task can only fail for good, as killed")
        if event.attempt != life.attempt:
            raise _BreakError(2, f"{event.type} is of attempt {event.attempt}, not {life.attempt}")
        self._end(event, life)

    def _end(self, event: Event, life: Life) -> None:
        went = digest(life, event)
        self._ended[hash(event.task_id)] = intern(went)
        del self.lives[event.task_id]


def _check_failure(event: Event, life: Life) -> None:
    told = life.last[-2]
    if event.reason != told.reason and not (told.reason == "lost" and event.reason == "killed"):
        raise _BreakError(2, f"failed for {event.reason}, its agent for {told.reason}")
    if event.reason in NEVER_RETRIED and not event.final:
        raise _BreakError(5, f"failed for {event.reason}, and is to be retried")


def _check_spawn(event: Event, life: Life) -> None:
    if life.agent is not None:
        raise _BreakError(9, f"attempt {event.attempt} spawned, {life.attempt} is {life.agent}")
    if event.attempt != life.attempt + 1:
        raise _BreakError(3, f"attempt {event.attempt} after attempt {life.attempt}")


def _refuse_task_event(event: Event, life: Life) -> NoReturn:
    if event.type == "task.pending" and event.attempt == 0:
        raise _BreakError(3, f"submitted a second time, while it is {life.status}")
    raise _BreakError(1, f"{event.type} by itself, while the task is {life.status}")
