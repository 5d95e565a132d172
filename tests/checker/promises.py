"""What a break of a promise is, and how it is told."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PROMISES = {
    0: "events, keys and fields have the form that the contract gives them",
    1: "every status written is a legal step",
    2: "what was not accepted did not happen; what was accepted is told",
    3: "one terminal state and event an attempt, one final ending a task",
    4: "only the owner writes for an agent, and a superseded one stops it",
    5: "an accepted kill is carried out, and the task not retried",
    6: "killed is told only once the work has ended",
    7: "a dead daemon's agents are found, and retried while attempts are left",
    8: "heartbeats outlive the agents of a draining daemon",
    9: "an accepted task is pending, on exactly one live owner, or ended",
    10: "nothing that arrives from outside stops the daemon",
}
"""The ten of the contract, shortened. Number 0 is the form of all that the others speak of."""


@dataclass(frozen=True, slots=True)
class Break:
    """One proof that a promise does not hold.

    Attributes:
        promise: its number in `PROMISES`.
        what: what was seen, with the ids and values.
        task_id: the task it is about; empty if it is about none.
        evidence: events around it, oldest first, as text.
    """

    promise: int
    what: str
    task_id: str = ""
    evidence: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"promise {self.promise} is broken: {PROMISES[self.promise]}", f"  {self.what}"]
        return "\n".join([*lines, *(f"    {line}" for line in self.evidence)])


class BrokenError(AssertionError):
    """At least one promise is broken; the message is the report."""

    def __init__(self, breaks: Sequence[Break]) -> None:
        self.breaks = tuple(breaks)
        super().__init__(report(breaks))


class VoidError(AssertionError):
    """The check proves nothing, neither that all is well nor that it is not; says why."""


def report(breaks: Iterable[Break]) -> str:
    """The first break in full, and how many follow it."""
    first, *more = breaks
    return f"{first}\n({len(more)} more)" if more else str(first)
