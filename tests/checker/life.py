"""What the events so far say of one task."""

from collections import deque
from dataclasses import dataclass, field

from tests.checker.event import Event

_REMEMBERED = 12


@dataclass(slots=True)
class Life:
    """A task that has not ended.

    Attributes:
        status: the task's.
        kind: fixed by the first event.
        attempt: the latest; 0 before the first.
        agent: status of the latest agent; None once it has ended.
        node: the owner of the latest agent.
        endings: how each attempt ended: `c`ompleted, `f`ailed, `l`ost, `k`illed, a letter each.
        owed: what must come next, in the same script; empty if anything legal may.
        last: the latest events, for evidence.
    """

    kind: str
    status: str = "pending"
    attempt: int = 0
    agent: str | None = None
    node: str | None = None
    endings: str = ""
    owed: str = ""
    last: deque[Event] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    @property
    def evidence(self) -> tuple[str, ...]:
        """The latest events as text."""
        return tuple(map(str, self.last))


def ending(event: Event) -> str:
    """The letter for how an attempt ended."""
    if event.type == "agent.failed":
        return "l" if event.reason == "lost" else "f"
    return {"agent.completed": "c", "agent.killed": "k"}[event.type]


def digest(life: Life, event: Event) -> str:
    """A history in letters: the attempts' endings, then `C`ompleted, `F`ailed or `K`illed."""
    if event.type == "task.completed":
        return f"{life.endings}C"
    return f"{life.endings}{'K' if event.reason == 'killed' else 'F'}"


AGENT_STATUS = {"c": "completed", "f": "failed", "l": "failed", "k": "killed"}
TASK_STATUS = {"C": "completed", "F": "failed", "K": "failed"}
