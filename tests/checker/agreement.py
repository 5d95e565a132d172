"""Holds one snapshot to the events that were told up to it."""

from collections.abc import Iterator

from tests.checker.event_checker import EventChecker
from tests.checker.life import AGENT_STATUS, TASK_STATUS, Life
from tests.checker.promises import Break
from tests.checker.snapshot import Snapshot


def check_agreement(events: EventChecker, snapshot: Snapshot) -> Iterator[Break]:
    """Where records and events tell of different things; the events must reach to the snapshot."""
    for task_id, life in events.lives.items():
        if not events.is_broken(task_id):
            yield from _live_task(task_id, life, snapshot)
    for task_id, task in snapshot.tasks.items():
        went = events.ended(task_id)
        if events.is_broken(task_id) or task_id in events.lives:
            continue
        if went is None:
            yield Break(2, f"{task_id} has a record, and no event told of it ({task})", task_id)
        else:
            yield from _ended_task(task_id, went, snapshot)
    for agent_id, agent in snapshot.agents.items():
        task_id, _, attempt = agent_id.rpartition(".")
        told = attempt.isdecimal() and int(attempt) <= events.attempts(task_id)
        if not (told or events.records_expire or events.is_broken(task_id)):
            yield Break(2, f"{agent_id} has a record, and no event told of it ({agent})", task_id)
    kept = sum(events.ended(task_id) is not None for task_id in snapshot.tasks)
    if not events.records_expire and kept < events.ended_count:
        what = f"{events.ended_count} tasks have ended, and {kept} of them have a record"
        yield Break(3, what)


def _live_task(task_id: str, life: Life, snapshot: Snapshot) -> Iterator[Break]:
    task = snapshot.tasks.get(task_id)
    if task is None:
        what = f"{task_id} is {life.status} by its events, and has no record"
        yield Break(9, what, task_id, life.evidence)
        return
    told = (life.status, str(life.attempt), life.kind)
    if told != (task.get("status"), task.get("attempt"), task.get("kind")):
        what = f"{task_id} is {told} by its events; its record: {task}"
        yield Break(2, what, task_id, life.evidence)
    statuses = [AGENT_STATUS[letter] for letter in life.endings]
    yield from _attempts(task_id, [*statuses, life.agent] if life.agent else statuses, snapshot)


def _ended_task(task_id: str, went: str, snapshot: Snapshot) -> Iterator[Break]:
    task = snapshot.tasks[task_id]
    wanted = (TASK_STATUS[went[-1]], str(len(went) - 1))
    found = (task.get("status"), task.get("attempt"))
    if found != wanted or (went[-1] == "K") != (task.get("reason") == "killed"):
        what = f"{task_id}: its attempts went {went} by the events; its record: {task}"
        yield Break(2, what, task_id)
    yield from _attempts(task_id, [AGENT_STATUS[letter] for letter in went[:-1]], snapshot)


def _attempts(task_id: str, statuses: list[str], snapshot: Snapshot) -> Iterator[Break]:
    """Each attempt's record, if it has not expired, has the status that was told."""
    for attempt, status in enumerate(statuses, 1):
        agent = snapshot.agents.get(f"{task_id}.{attempt}")
        if agent is not None and agent.get("status") != status:
            what = f"{task_id}.{attempt} is {status} by its events; its record: {agent}"
            yield Break(2, what, task_id)
