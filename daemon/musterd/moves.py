"""What steps take and what they answer, typed."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

from musterd.errors import MusterdError
from musterd.scripts import Step
from musterd.states import Reason
from musterd.submission import optional_seconds

Look: TypeAlias = Callable[[], None]
"""Looks whether an agent has left something new."""

Answer: TypeAlias = Callable[[MusterdError | None], None]
"""Is told that a checkpoint is kept, or why it is not."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What a claim wants of one kind."""

    kind: str
    room: int
    max_attempts: int
    timeout: float | None


@dataclass(frozen=True, slots=True)
class Claim:
    """A task that has become ours, and its agent."""

    agent_id: str
    token: str
    task_id: str
    kind: str
    attempt: int
    max_attempts: int
    timeout: float | None
    context_json: str
    checkpoint_json: str = ""

    @classmethod
    def read(cls, item: Sequence[str]) -> Self:
        """As the scripts describe an agent that was claimed."""
        agent_id, token, task_id, kind, attempt, max_attempts, timeout, context, checkpoint = item
        return cls(
            agent_id, token, task_id, sys.intern(kind), int(attempt), int(float(max_attempts)),
            float(timeout) if timeout else None, context, checkpoint,
        )  # fmt: skip

    def reclaim(self) -> Step:
        """The step that takes it again from a server that may have lost it."""
        return (
            "reclaim", self.agent_id, self.token, self.task_id, self.kind, self.attempt,
            self.max_attempts, optional_seconds(self.timeout), self.context_json,
        )  # fmt: skip

    def again(self) -> Iterator[Step]:
        """The steps of a claim that starts its agent, for such a server."""
        yield self.reclaim()
        yield ("start", self.agent_id, self.token)


@dataclass(frozen=True, slots=True)
class Claimed:
    """The answer to a claim. `due` is seconds until a scheduled task is, None if there is none."""

    claims: list[Claim]
    due: float | None
    broken: list[str]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an agent is: a fraction from 0 to 1, and a note. What is None stays as it was."""

    fraction: float | None
    note: str | None


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of an agent's output: the number of the first, and pairs of stream and text."""

    first: int
    lines: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Note:
    """What one agent has to tell at one time. `checkpoint` is JSON text."""

    agent_id: str
    token: str
    progress: Progress | None = None
    checkpoint: str | None = None
    output: Lines | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A message for an agent: its place among them, and its JSON text."""

    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How an agent ended. `result` is JSON text."""

    status: str
    reason: Reason | None = None
    error: str | None = None
    result: str | None = None
    retry_delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What the server made of an ending: a kill that came first turns it into `killed`.

    `task` is the task's status afterwards: `pending` for a retry, empty if its record is gone.
    """

    agent: str
    task: str


@dataclass(frozen=True, slots=True)
class Life:
    """An earlier life of a node: its epoch, and the process that lived it (`identity.py`)."""

    epoch: str
    process: str


@dataclass(frozen=True, slots=True)
class KillTarget:
    """What a kill is aimed at; only if it is of this `kind`, where one is given."""

    what: str
    record_id: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class KillOrder:
    """Why, by whom, and how long the agent may take to stop: seconds, None for the daemon's own."""

    reason: str = ""
    by: str = ""
    grace: float | None = None


@dataclass(frozen=True, slots=True)
class KillOutcome:
    """`requested` of a live agent on a node; `failed`, it waited; `ended` before; `other` kind."""

    outcome: str
    record_id: str = ""
    node: str = ""
