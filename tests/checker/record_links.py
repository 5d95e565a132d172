"""Holds what points at records to the records: indexes, queues, owners, heartbeats, kills."""

from collections.abc import Iterator

from tests.checker.contract import (
    AGENT_ENDED,
    AGENT_LIVE,
    TASK_ENDED,
    TASK_LIVE,
    is_time,
    milliseconds,
)
from tests.checker.promises import Break
from tests.checker.snapshot import Record, Snapshot


def check_links(snapshot: Snapshot) -> Iterator[Break]:
    """Where two keys of the snapshot contradict each other."""
    yield from _indexes(snapshot)
    yield from _queues(snapshot)
    yield from _owned(snapshot)
    yield from _live(snapshot)
    yield from _heartbeats(snapshot)
    yield from _kills(snapshot)


def check_quiet(snapshot: Snapshot) -> Iterator[Break]:
    """What is there although no task or agent should be live any more."""
    for task_id, task in snapshot.tasks.items():
        if task.get("status") in TASK_LIVE:
            yield Break(9, f"{task_id} is {task['status']}, and all should have ended", task_id)
    for agent_id, agent in snapshot.agents.items():
        if agent.get("status") in AGENT_LIVE:
            what = f"{agent_id} is {agent['status']}, and all should have ended"
            yield Break(9, what, _task_of(agent_id))
    left = {
        "queue": [*snapshot.queues, *snapshot.scheduled],
        "owned": [*snapshot.owned],
        "kills": [*snapshot.kills],
        "heartbeat": [*snapshot.heartbeats],
    }
    for name, ids in left.items():
        if ids:
            yield Break(2, f"{name} is not empty: {', '.join(ids[:10])}")


def _indexes(snapshot: Snapshot) -> Iterator[Break]:
    families = (
        ("tasks", snapshot.task_index, snapshot.tasks, TASK_LIVE | TASK_ENDED, TASK_ENDED),
        ("agents", snapshot.agent_index, snapshot.agents, AGENT_LIVE | AGENT_ENDED, AGENT_ENDED),
    )
    for family, index, records, statuses, ended in families:
        for status in index.keys() - statuses:
            yield Break(0, f"the index {family}:{status} is of a status that there is not")
        for status, members in index.items():
            for record_id, score in members.items():
                place, record = f"{family}:{status}", records.get(record_id)
                if record is not None:
                    yield from _entry(place, record_id, score, record)
                elif status not in ended:  # an ended one's record may have expired before it
                    task_id = record_id if family == "tasks" else _task_of(record_id)
                    yield Break(2, f"{place} holds {record_id}, which has no record", task_id)
        for record_id, record in records.items():
            status = record.get("status", "")
            if record_id not in index.get(status, {}):
                what = f"{record_id} is {status}, and not in {family}:{status}"
                yield Break(2, what, record.get("taskId", ""))


def _entry(place: str, record_id: str, score: float, record: Record) -> Iterator[Break]:
    task_id, status = record.get("taskId", ""), record.get("status")
    updated = record.get("updatedAt", "")
    if not place.endswith(f":{status}"):
        yield Break(2, f"{place} holds {record_id}, which is {status}", task_id)
    elif is_time(updated) and milliseconds(updated) != score:
        what = f"{place} holds {record_id} at {score:.0f}, updatedAt is {updated}"
        yield Break(2, what, task_id)


def _queues(snapshot: Snapshot) -> Iterator[Break]:
    places: dict[str, list[str]] = {}
    for kind, queue in snapshot.queues.items():
        for task_id in queue:
            places.setdefault(task_id, []).append(f"queue:{kind}")
    for task_id in snapshot.scheduled:
        places.setdefault(task_id, []).append("scheduled")
    for task_id, found in places.items():
        task = snapshot.tasks.get(task_id, {})
        wanted = [f"queue:{task.get('kind')}"], ["scheduled"]
        if task.get("status") != "pending" or found not in wanted:
            what = f"{task_id} waits in {found}; its record: {task or 'none'}"
            yield Break(9, what, task_id)
    for task_id, task in snapshot.tasks.items():
        if task.get("status") == "pending" and task_id not in places:
            yield Break(9, f"{task_id} is pending and waits in no queue", task_id)


def _owned(snapshot: Snapshot) -> Iterator[Break]:
    for node, owned in snapshot.owned.items():
        if node not in snapshot.owners:
            yield Break(7, f"{node} owns agents, and is not in the index of nodes")
        for agent_id in owned:
            agent = snapshot.agents.get(agent_id, {})
            if agent.get("status") not in AGENT_LIVE or agent.get("node") != node:
                what = f"owned:{node} holds {agent_id}; its record: {agent or 'none'}"
                yield Break(4, what, _task_of(agent_id))


def _live(snapshot: Snapshot) -> Iterator[Break]:
    for agent_id, agent in _live_agents(snapshot):
        node = agent.get("node", "")
        if agent_id not in snapshot.owned.get(node, set()):
            what = f"{agent_id} is {agent['status']}, and not in owned:{node}"
            yield Break(7, what, _task_of(agent_id))
        task = snapshot.tasks.get(_task_of(agent_id), {})
        wanted = "assigned" if agent["status"] == "spawning" else "executing"
        if task.get("status") != wanted or task.get("agentId") != agent_id:
            what = f"{agent_id} is {agent['status']}; its task's record: {task or 'none'}"
            yield Break(9, what, _task_of(agent_id))
    for task_id, task in snapshot.tasks.items():
        owner = snapshot.agents.get(task.get("agentId", ""), {})
        if task.get("status") in {"assigned", "executing"} and (
            owner.get("status") not in AGENT_LIVE
        ):
            what = f"{task_id} is {task['status']}; its agent's record: {owner or 'none'}"
            yield Break(9, what, task_id)


def _heartbeats(snapshot: Snapshot) -> Iterator[Break]:
    for agent_id, owner in snapshot.heartbeats.items():
        record = snapshot.agents.get(agent_id, {})
        if record.get("status") not in AGENT_LIVE:
            what = f"{agent_id} has a heartbeat; its record: {record or 'none'}"
            yield Break(3, what, _task_of(agent_id))
        elif owner != f"{record.get('node')}/{record.get('epoch')}":
            what = f"the heartbeat of {agent_id} is {owner}; its record: {record}"
            yield Break(4, what, _task_of(agent_id))
    for agent_id, agent in _live_agents(snapshot):
        # Of a dead or silent owner it is gone until recovery; its node's record is gone as well.
        node = snapshot.nodes.get(agent.get("node", ""), {})
        if agent_id not in snapshot.heartbeats and node.get("epoch") == agent.get("epoch"):
            what = f"{agent_id} is {agent['status']} without a heartbeat; its node is {node}"
            yield Break(8 if node.get("state") == "draining" else 7, what, _task_of(agent_id))


def _kills(snapshot: Snapshot) -> Iterator[Break]:
    for agent_id in snapshot.kills:
        agent = snapshot.agents.get(agent_id, {})
        if agent.get("status") not in AGENT_LIVE:
            what = f"a kill of {agent_id} is asked for; its record: {agent or 'none'}"
            yield Break(5, what, _task_of(agent_id))


def _live_agents(snapshot: Snapshot) -> Iterator[tuple[str, Record]]:
    return (
        (agent_id, agent)
        for agent_id, agent in snapshot.agents.items()
        if agent.get("status") in AGENT_LIVE
    )


def _task_of(agent_id: str) -> str:
    return agent_id.rpartition(".")[0]
