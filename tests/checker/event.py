"""One event of the log, read and held to its form."""

import json
from dataclasses import dataclass
from typing import Any, Self

from tests.checker.contract import (
    AGENT_EVENTS,
    EVENT_FIELDS,
    REASONS,
    TASK_EVENTS,
    is_task_id,
    is_time,
    misfit,
)

_WITH_REASON = frozenset({"agent.failed", "agent.killed", "task.failed"})
_WITH_RESULT = frozenset({"agent.completed", "task.completed", "agent.killed", "task.failed"})
_MOST_EVIDENCE = 300


class FormError(ValueError):
    """An event is not of the contract's form; says in which way."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a type that the contract names."""

    id: str
    text: str
    type: str
    task_id: str
    agent_id: str | None
    kind: str
    node: str | None
    attempt: int
    time: str
    reason: str | None
    final: bool | None

    @classmethod
    def read(cls, id: str, text: str) -> Self | None:  # noqa: A002, it is what a stream calls it
        """Read an entry of the stream; None if it is of a type of which the contract says nothing.

        Raises:
            FormError: it is not as the contract says.
        """
        fields = _object(text)
        if not isinstance(fields.get("type"), str) or not is_time(fields.get("timestamp")):
            raise FormError("type or timestamp is missing or not of its form")
        if fields["type"] not in AGENT_EVENTS and fields["type"] not in TASK_EVENTS:
            return None
        _check_values(fields)
        _check_outcome(fields)
        return cls(
            id=id,
            text=text,
            type=fields["type"],
            task_id=fields["taskId"],
            agent_id=fields.get("agentId"),
            kind=fields["kind"],
            node=fields.get("node"),
            attempt=fields["attempt"],
            time=fields["timestamp"],
            reason=fields.get("reason"),
            final=fields.get("final"),
        )

    @property
    def tells_of_agent(self) -> bool:
        """Whether it is an `agent.` event."""
        return self.type in AGENT_EVENTS

    def __str__(self) -> str:
        return f"{self.id} {self.text[:_MOST_EVIDENCE]}"


def _check_values(fields: dict[str, Any]) -> None:
    if problem := misfit(fields.keys() | set(), EVENT_FIELDS):
        raise FormError(problem)
    task_id, attempt, agent_id = fields["taskId"], fields["attempt"], fields.get("agentId")
    if not is_task_id(task_id):
        raise FormError(f"{task_id!r} is no task id")
    if type(attempt) is not int or attempt < 0:
        raise FormError(f"attempt is {attempt!r}")
    for name in ("kind", "node", "error"):
        if name in fields and (not isinstance(fields[name], str) or not fields[name]):
            raise FormError(f"{name} is {fields[name]!r}")
    if agent_id != (f"{task_id}.{attempt}" if attempt else None):
        raise FormError(f"agentId is {agent_id!r} at attempt {attempt} of {task_id}")
    if fields["type"] in AGENT_EVENTS and "node" not in fields:
        raise FormError("an agent's event names no node")


def _check_outcome(fields: dict[str, Any]) -> None:
    told, reason = fields["type"], fields.get("reason")
    if told in _WITH_REASON and reason not in REASONS:
        raise FormError(f"reason is {reason!r}")
    if told not in _WITH_REASON and fields.keys() & {"reason", "error"}:
        raise FormError("reason or error on an event that is no failure")
    if reason in {"error", "rejected"} and "error" not in fields:
        raise FormError(f"reason {reason} comes without error")
    if told not in _WITH_RESULT and "result" in fields:
        raise FormError("result on an event that is no ending")
    if isinstance(fields.get("final"), bool) != (told == "task.failed"):
        raise FormError("final belongs on task.failed, and nowhere else, as true or false")
    if told == "agent.killed" and reason != "killed":
        raise FormError(f"an agent was killed with reason {reason}")
    if told == "agent.failed" and reason == "killed":
        raise FormError("an agent failed with reason killed")


def _object(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise FormError("not JSON") from None
    if not isinstance(fields, dict):
        raise FormError("not a JSON object")
    return fields
