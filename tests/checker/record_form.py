"""Holds each record to its form: names, values, and what a record of its status must hold."""

import json
from collections.abc import Iterator, Mapping

from tests.checker.contract import (
    AGENT_ENDED,
    AGENT_FIELDS,
    AGENT_LIVE,
    JSON_FIELDS,
    KILL_FIELDS,
    NEVER_RETRIED,
    NODE_FIELDS,
    NODE_STATES,
    REASONS,
    TASK_FIELDS,
    TASK_LIVE,
    Fields,
    is_time,
    misfit,
)
from tests.checker.promises import Break
from tests.checker.snapshot import Record, Snapshot

_TIMES = ("createdAt", "startedAt", "completedAt", "updatedAt")


def check_form(prefix: str, snapshot: Snapshot) -> Iterator[Break]:
    """What in the records is not as the contract says, each looked at by itself."""
    yield from _fields(prefix, snapshot)
    yield from _tasks(prefix, snapshot)
    yield from _agents(prefix, snapshot)
    yield from _nodes(prefix, snapshot)
    yield from _kills(prefix, snapshot)


def _fields(prefix: str, snapshot: Snapshot) -> Iterator[Break]:
    for key in snapshot.strange:
        if snapshot.ttl[key.rpartition(" (")[0]] < 0:
            yield Break(0, f"{key}: the contract does not name it, and it never expires")
    families: tuple[tuple[str, Mapping[str, Record], Fields], ...] = (
        ("task", snapshot.tasks, TASK_FIELDS),
        ("agent", snapshot.agents, AGENT_FIELDS),
        ("node", snapshot.nodes, NODE_FIELDS),
    )
    for family, records, fields in families:
        for record_id, record in records.items():
            for problem in _problems(record, fields):
                yield Break(0, f"{prefix}:{family}:{record_id}: {problem}", _owner(family, record))


def _owner(family: str, record: Record) -> str:
    return "" if family == "node" else record.get("taskId", "")


def _problems(record: Record, fields: Fields) -> Iterator[str]:
    if problem := misfit(record.keys() | set(), fields):
        yield problem
    yield from (f"{name} is empty" for name, value in record.items() if not value)
    for name in _TIMES:
        if name in record and not is_time(record[name]):
            yield f"{name} is {record[name]!r}"
    for name in JSON_FIELDS & record.keys():
        if not _is_json(record[name]):
            yield f"{name} is not JSON: {record[name][:80]!r}"
    if record.get("reason", "error") not in REASONS:
        yield f"reason is {record['reason']!r}"
    if not record.get("attempt", "0").isdecimal():
        yield f"attempt is {record['attempt']!r}"


def _tasks(prefix: str, snapshot: Snapshot) -> Iterator[Break]:
    for task_id, task in snapshot.tasks.items():
        attempt, status = task.get("attempt", ""), task.get("status", "")
        wanted = f"{task_id}.{attempt}" if attempt != "0" else None
        if task.get("taskId") != task_id or task.get("agentId") != wanted:
            what = f"{task_id}: taskId or agentId is not its own ({task})"
            yield Break(0, what, task_id)
        yield from _outcome(task_id, task, status, TASK_LIVE)
        yield from _lasting(prefix, snapshot, "task", task_id, status)
        if status == "failed" and _has_attempts_left(task):
            what = f"{task_id} failed for good after {attempt} of {task['maxAttempts']} attempts"
            yield Break(7, what, task_id)


def _has_attempts_left(task: Record) -> bool:
    attempt, most = task.get("attempt", ""), task.get("maxAttempts", "")
    if task.get("reason") in NEVER_RETRIED or not (attempt.isdecimal() and most.isdecimal()):
        return False
    return int(attempt) < int(most)


def _agents(prefix: str, snapshot: Snapshot) -> Iterator[Break]:
    for agent_id, agent in snapshot.agents.items():
        task_id, status = agent.get("taskId", ""), agent.get("status", "")
        if agent.get("agentId") != agent_id or f"{task_id}.{agent.get('attempt')}" != agent_id:
            yield Break(0, f"{agent_id}: its ids are not its own ({agent})", task_id)
        if ("completedAt" in agent) != (status in AGENT_ENDED):
            yield Break(
                0, f"{agent_id} is {status}, completedAt {agent.get('completedAt')}", task_id
            )
        if status in {"running", "completed"} and "startedAt" not in agent:
            yield Break(0, f"{agent_id} is {status} and has no startedAt", task_id)
        yield from _outcome(agent_id, agent, status, AGENT_LIVE)
        yield from _lasting(prefix, snapshot, "agent", agent_id, status)


def _outcome(record_id: str, record: Record, status: str, live: frozenset[str]) -> Iterator[Break]:
    """Result, error and reason are there where they belong, and nowhere else."""
    task_id = record.get("taskId", "")
    if status in live and record.keys() & {"result", "error", "reason"}:
        yield Break(2, f"{record_id} is {status} and has an outcome already ({record})", task_id)
    if status == "completed" and record.keys() & {"error", "reason"}:
        yield Break(2, f"{record_id} is {status} and has an error or reason ({record})", task_id)
    if status not in live | {"completed"} and "reason" not in record:
        yield Break(0, f"{record_id} is {status} and has no reason", task_id)
    if status == "killed" and record.get("reason") != "killed":
        yield Break(0, f"{record_id} was killed for {record.get('reason')}", task_id)


def _lasting(
    prefix: str, snapshot: Snapshot, family: str, record_id: str, status: str
) -> Iterator[Break]:
    """Ended records expire, live ones do not."""
    expires = snapshot.ttl[f"{prefix}:{family}:{record_id}"] >= 0
    is_live = status in TASK_LIVE | AGENT_LIVE
    task_id = record_id if family == "task" else record_id.rpartition(".")[0]
    if is_live and expires:
        yield Break(9, f"{record_id} is {status}, and its record expires", task_id)
    if not is_live and not expires:
        yield Break(0, f"{record_id} is {status}, and its record never expires", task_id)


def _nodes(prefix: str, snapshot: Snapshot) -> Iterator[Break]:
    for name, node in snapshot.nodes.items():
        if node.get("node") != name or node.get("state") not in NODE_STATES:
            yield Break(0, f"{prefix}:node:{name}: node or state is wrong ({node})")
    for family, ids in (("node", snapshot.nodes), ("heartbeat", snapshot.heartbeats)):
        for record_id in ids:
            if snapshot.ttl[f"{prefix}:{family}:{record_id}"] < 0:
                yield Break(7, f"{prefix}:{family}:{record_id} never expires")


def _kills(prefix: str, snapshot: Snapshot) -> Iterator[Break]:
    for agent_id, text in snapshot.kills.items():
        request = json.loads(text) if _is_json(text) else None
        if (
            not isinstance(request, dict)
            or misfit(request.keys() | set(), KILL_FIELDS)
            or not is_time(request["at"])
        ):
            yield Break(0, f"{prefix}:kills: {agent_id}: {text}", agent_id.rpartition(".")[0])


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
