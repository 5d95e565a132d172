"""The life of a task and of an agent: every legal step, and nowhere else.

The Lua scripts are handed these tables (`lua`), so that the server refuses what is not in them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias


class TaskState(StrEnum):
    """Where a task stands."""

    PENDING = "pending"
    ASSIGNED = "assigned"
    EXECUTING = "executing"
    COMPLETED = "completed"
    FAILED = "failed"


class AgentState(StrEnum):
    """Where an agent, one attempt at a task, stands."""

    SPAWNING = "spawning"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    KILLED = "killed"


class Reason(StrEnum):
    """Why a task or an agent failed or was killed."""

    ERROR = "error"
    TIMEOUT = "timeout"
    KILLED = "killed"
    LOST = "lost"
    REJECTED = "rejected"
    SHUTDOWN = "shutdown"
    OOM = "oom"


Steps: TypeAlias = Mapping[str, frozenset[str]]

TASK_STEPS: Steps = {
    TaskState.PENDING: frozenset({TaskState.ASSIGNED, TaskState.FAILED}),
    TaskState.ASSIGNED: frozenset({TaskState.EXECUTING, TaskState.FAILED}),
    TaskState.EXECUTING: frozenset({TaskState.COMPLETED, TaskState.FAILED}),
    TaskState.COMPLETED: frozenset(),
    TaskState.FAILED: frozenset({TaskState.PENDING}),
}

AGENT_STEPS: Steps = {
    AgentState.SPAWNING: frozenset({AgentState.RUNNING, AgentState.FAILED, AgentState.KILLED}),
    AgentState.RUNNING: frozenset({AgentState.COMPLETED, AgentState.FAILED, AgentState.KILLED}),
    AgentState.COMPLETED: frozenset(),
    AgentState.FAILED: frozenset(),
    AgentState.KILLED: frozenset(),
}

TASK_LIVE = frozenset({TaskState.PENDING, TaskState.ASSIGNED, TaskState.EXECUTING})
TASK_ENDED = frozenset({TaskState.COMPLETED, TaskState.FAILED})
AGENT_LIVE = frozenset({AgentState.SPAWNING, AgentState.RUNNING})
AGENT_ENDED = frozenset({AgentState.COMPLETED, AgentState.FAILED, AgentState.KILLED})

FINAL_REASONS = frozenset({Reason.KILLED, Reason.REJECTED})
"""Failures that another attempt would not mend, or must not try to."""


def _set(names: frozenset[str]) -> str:
    return "{" + ",".join(f"{name}=true" for name in sorted(names)) + "}"


def _table(steps: Steps) -> str:
    return "{" + ",".join(f"{source}={_set(targets)}" for source, targets in steps.items()) + "}"


def _index(steps: Steps, key: str) -> str:
    return "{" + ",".join(f"{status}={key}..'{status}'" for status in steps) + "}"


def lua() -> str:
    """As Lua source: the tables, and by status the keys that list who has it.

    `TASK_STEPS`, `AGENT_STEPS`, `FINAL_REASONS`, `TASK_INDEX`, `AGENT_INDEX`; behind `keys.lua`.
    """
    return (
        f"local TASK_STEPS = {_table(TASK_STEPS)}\n"
        f"local AGENT_STEPS = {_table(AGENT_STEPS)}\n"
        f"local FINAL_REASONS = {_set(FINAL_REASONS)}\n"
        f"local TASK_INDEX = {_index(TASK_STEPS, 'TASKS')}\n"
        f"local AGENT_INDEX = {_index(AGENT_STEPS, 'AGENTS')}\n"
    )
