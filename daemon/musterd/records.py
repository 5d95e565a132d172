"""Tasks, agents and what is told of them, as typed values read from their hashes and events."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from musterd import jsons
from musterd.jsons import Json


def _json(fields: Mapping[str, str], name: str) -> Json:
    text = fields.get(name)
    if text is None:
        return None
    try:
        value: Json = jsons.loads(text)
    except jsons.JsonError:
        return text  # somebody changed the record by hand; show what is there
    return value


def _number(fields: Mapping[str, str], name: str) -> float | None:
    try:
        number = float(fields[name])
    except (KeyError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _integer(fields: Mapping[str, str], name: str) -> int | None:
    try:
        return int(fields[name])
    except (KeyError, ValueError):
        return None


def _texts(fields: Mapping[str, str], name: str) -> list[str] | None:
    value = _json(fields, name)
    return [str(text) for text in value] if value and isinstance(value, list) else None


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskRecord:
    """A task as it stands in `{P}:task:{taskId}`. Times are ISO 8601 texts, `timeout` is in s."""

    task_id: str
    status: str
    kind: str
    attempt: int
    max_attempts: int | None
    agent_id: str | None
    context: Json
    priority: int
    timeout: float | None
    created_at: str | None
    updated_at: str | None
    metadata: Json
    checkpoint: Json
    result: Json
    error: str | None
    reason: str | None

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> Self:
        """From the fields of the hash."""
        return cls(
            task_id=fields.get("taskId", ""),
            status=fields.get("status", ""),
            kind=fields.get("kind", ""),
            attempt=_integer(fields, "attempt") or 0,
            max_attempts=_integer(fields, "maxAttempts"),
            agent_id=fields.get("agentId"),
            context=_json(fields, "context"),
            priority=_integer(fields, "priority") or 0,
            timeout=_number(fields, "timeout"),
            created_at=fields.get("createdAt"),
            updated_at=fields.get("updatedAt"),
            metadata=_json(fields, "metadata"),
            checkpoint=_json(fields, "checkpoint"),
            result=_json(fields, "result"),
            error=fields.get("error"),
            reason=fields.get("reason"),
        )

    def as_json(self) -> dict[str, Json]:
        """With the names of the contract; what has no value is left out."""
        return _as_json(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentRecord:
    """An agent as it stands in `{P}:agent:{agentId}`. Times are ISO 8601 texts.

    `cpu_seconds` is the processor time that a command has taken, known at its end.
    """

    agent_id: str
    task_id: str
    status: str
    kind: str
    attempt: int
    node: str | None
    created_at: str | None
    started_at: str | None
    completed_at: str | None
    updated_at: str | None
    progress: float | None
    note: str | None
    cpu_seconds: float | None
    result: Json
    error: str | None
    reason: str | None
    metadata: Json

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> Self:
        """From the fields of the hash."""
        return cls(
            agent_id=fields.get("agentId", ""),
            task_id=fields.get("taskId", ""),
            status=fields.get("status", ""),
            kind=fields.get("kind", ""),
            attempt=_integer(fields, "attempt") or 0,
            node=fields.get("node"),
            created_at=fields.get("createdAt"),
            started_at=fields.get("startedAt"),
            completed_at=fields.get("completedAt"),
            updated_at=fields.get("updatedAt"),
            progress=_number(fields, "progress"),
            note=fields.get("note"),
            cpu_seconds=_number(fields, "cpuSeconds"),
            result=_json(fields, "result"),
            error=fields.get("error"),
            reason=fields.get("reason"),
            metadata=_json(fields, "metadata"),
        )

    def as_json(self) -> dict[str, Json]:
        """With the names of the contract; what has no value is left out."""
        return _as_json(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line that an agent wrote, as it is kept in `{P}:output:{agentId}`.

    `stream` is `stdout`, `stderr` or `log`, `at` is when it was kept.
    """

    place: str
    at: str
    stream: str
    line: str

    @classmethod
    def read(cls, place: str, fields: Mapping[str, str]) -> Self:
        """From an entry of the stream."""
        return cls(
            place=place,
            at=fields.get("at", ""),
            stream=fields.get("stream", ""),
            line=fields.get("line", ""),
        )

    def as_json(self) -> dict[str, Json]:
        """With the names of the contract."""
        return _as_json(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeRecord:
    """A daemon as it stands in `{P}:node:{node}`."""

    node: str
    state: str
    epoch: str
    host: str | None
    pid: int | None
    version: str | None
    started_at: str | None
    capacity: int | None
    agents: int | None
    paused_kinds: list[str] | None

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> Self:
        """From the fields of the hash."""
        return cls(
            node=fields.get("node", ""),
            state=fields.get("state", ""),
            epoch=fields.get("epoch", ""),
            host=fields.get("host"),
            pid=_integer(fields, "pid"),
            version=fields.get("version"),
            started_at=fields.get("startedAt"),
            capacity=_integer(fields, "capacity"),
            agents=_integer(fields, "agents"),
            paused_kinds=_texts(fields, "pausedKinds"),
        )

    def as_json(self) -> dict[str, Json]:
        """With the names of the contract; what has no value is left out."""
        return _as_json(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One event and its place in the log, from which a reader resumes."""

    place: str
    type: str
    fields: dict[str, Json]

    @classmethod
    def read(cls, place: str, text: str) -> Self:
        """From an entry of the stream.

        Raises:
            JsonError: the entry is not ours.
        """
        try:
            # Not `jsons.loads`: around a result of the largest kind that is accepted, an event is
            # larger, and one level deeper.
            fields: Any = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise jsons.JsonError(f"not JSON: {error}") from None
        if not isinstance(fields, dict):
            raise jsons.JsonError("not an object")
        return cls(place=place, type=str(fields.get("type", "")), fields=fields)

    @property
    def task_id(self) -> str:
        """The task that it tells of."""
        return str(self.fields.get("taskId", ""))

    @property
    def agent_id(self) -> str | None:
        """The agent that it tells of, if there is one."""
        agent_id = self.fields.get("agentId")
        return None if agent_id is None else str(agent_id)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _as_json(record: TaskRecord | AgentRecord | NodeRecord | Line) -> dict[str, Json]:
    values = ((name, getattr(record, name)) for name in type(record).__slots__)
    return {_camel(name): value for name, value in values if value is not None}
