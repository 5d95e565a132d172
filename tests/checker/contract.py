"""The contract as tables, written from its text alone, so that it can contradict the code.

To allow a field that the product adds, name it in one of the `MORE_*` sets.
"""

import re
from datetime import datetime
from typing import NamedTuple

TASK_LIVE = frozenset({"pending", "assigned", "executing"})
TASK_ENDED = frozenset({"completed", "failed"})
AGENT_LIVE = frozenset({"spawning", "running"})
AGENT_ENDED = frozenset({"completed", "failed", "killed"})
NODE_STATES = frozenset({"starting", "active", "paused", "draining"})

REASONS = frozenset({"error", "timeout", "killed", "lost", "rejected", "shutdown", "oom"})
NEVER_RETRIED = frozenset({"killed", "rejected"})


class Fields(NamedTuple):
    """The names a hash or an event must have, and those it may have."""

    must: frozenset[str]
    may: frozenset[str]


def _fields(must: str, may: str, more: frozenset[str]) -> Fields:
    return Fields(frozenset(must.split()), frozenset(may.split()) | more)


MORE_TASK_FIELDS = frozenset({"killedBy", "checkpoint"})
MORE_AGENT_FIELDS = frozenset({"killedBy", "progress", "note", "taken", "mail", "cpuSeconds"})
MORE_NODE_FIELDS = frozenset({"process", "claim", "claimed", "pausedKinds"})
MORE_EVENT_FIELDS = frozenset({"progress", "note"})

TASK_FIELDS = _fields(
    "taskId status kind attempt createdAt updatedAt",
    "agentId context priority maxAttempts timeout metadata result error reason",
    MORE_TASK_FIELDS,
)
AGENT_FIELDS = _fields(
    "agentId taskId status kind node epoch attempt createdAt updatedAt",
    "token startedAt completedAt result error reason metadata",
    MORE_AGENT_FIELDS,
)
NODE_FIELDS = _fields(
    "node epoch host pid version startedAt capacity agents state", "", MORE_NODE_FIELDS
)
KILL_FIELDS = _fields("at", "reason by grace", frozenset())
EVENT_FIELDS = _fields(
    "type taskId kind attempt timestamp",
    "agentId node error reason result final",
    MORE_EVENT_FIELDS,
)
JSON_FIELDS = frozenset({"context", "metadata", "result"})


class Opener(NamedTuple):
    """A change of an agent: which event tells it, and the task's event that must follow.

    Attributes:
        agent: statuses of the agent before; None is no live agent.
        task: statuses of the task before.
        agent_after: the agent's status after.
        follows: the task's event of the same script.
    """

    agent: frozenset[str | None]
    task: frozenset[str]
    agent_after: str
    follows: str


_LIVE = frozenset({"assigned", "executing"})
AGENT_EVENTS = {
    "agent.spawned": Opener(frozenset({None}), frozenset({"pending"}), "spawning", "task.assigned"),
    "agent.running": Opener(
        frozenset({"spawning"}), frozenset({"assigned"}), "running", "task.executing"
    ),
    "agent.completed": Opener(
        frozenset({"running"}), frozenset({"executing"}), "completed", "task.completed"
    ),
    "agent.failed": Opener(frozenset(AGENT_LIVE), _LIVE, "failed", "task.failed"),
    "agent.killed": Opener(frozenset(AGENT_LIVE), _LIVE, "killed", "task.failed"),
}
TASK_EVENTS = {
    "task.pending": "pending",
    "task.assigned": "assigned",
    "task.executing": "executing",
    "task.completed": "completed",
    "task.failed": "failed",
}

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_TASK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
_NUMBERED = re.compile(r"\.\d+$")


def is_time(text: object) -> bool:
    """Whether it is ISO 8601 in UTC with milliseconds, as the contract writes it."""
    return isinstance(text, str) and _TIME.fullmatch(text) is not None


def milliseconds(time: str) -> int:
    """A time of the contract as Unix milliseconds."""
    seconds = datetime.fromisoformat(time[:19] + "+00:00").timestamp()
    return int(seconds) * 1000 + int(time[20:23])


def is_task_id(text: object) -> bool:
    """Whether it may name a task."""
    return (
        isinstance(text, str)
        and _TASK_ID.fullmatch(text) is not None
        and _NUMBERED.search(text) is None
    )


def misfit(found: frozenset[str] | set[str], fields: Fields) -> str:
    """Which names are missing or not the contract's; empty if none."""
    missing = sorted(fields.must - found)
    unknown = sorted(found - fields.must - fields.may)
    parts = [f"lacks {', '.join(missing)}"] if missing else []
    parts += [f"has {', '.join(unknown)}, unknown to the contract"] if unknown else []
    return " and ".join(parts)
