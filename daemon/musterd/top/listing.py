"""What one wants to see: which agents, in which order, only those that match. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from musterd.states import AgentState

STATES: Final[Mapping[bool, tuple[AgentState, ...]]] = {
    False: (AgentState.RUNNING, AgentState.SPAWNING),
    True: (AgentState.FAILED, AgentState.KILLED, AgentState.COMPLETED),
}
"""By whether they have ended: the states that are listed, the most telling one first."""


class Sort(StrEnum):
    """What the agents are sorted by."""

    AGE = "age"
    AGENT = "agent"
    KIND = "kind"
    NODE = "node"
    ATTEMPT = "attempt"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """An agent in the list. `since` is when its status began, ms by the server's clock.

    What is read from the record is empty for one whose record is gone, or not read yet. `progress`
    and `line`, the last one that it wrote, are those of a live agent on a page.
    """

    agent_id: str
    status: str
    since: float
    kind: str = ""
    node: str = ""
    attempt: int = 0
    reason: str = ""
    error: str = ""
    progress: str = ""
    line: str = ""
    stopping: bool = False


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the index of one status."""

    status: AgentState
    first: int
    count: int
    newest_first: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """Which agents, and in which order.

    Attributes:
        ended: those that have ended rather than those that live.
        sort: by what. By age means state by state, and within one the longest running first, or
            the last ended first.
        reverse: the other way round.
        words: only those in which each of these occurs, in lower case.
    """

    ended: bool = False
    sort: Sort = Sort.AGE
    reverse: bool = False
    words: tuple[str, ...] = ()

    @property
    def follows_index(self) -> bool:
        """Whether the server's indexes have this order, so that a part of them is enough."""
        return self.sort is Sort.AGE and not self.words

    @property
    def states(self) -> tuple[AgentState, ...]:
        """The states that are listed, in order."""
        states = STATES[self.ended]
        return states[::-1] if self.reverse else states

    @property
    def newest_first(self) -> bool:
        """Whether within a state the last changed one comes first."""
        return self.ended != self.reverse

    def slices(self, sizes: Mapping[str, int], first: int, count: int) -> list[Slice]:
        """Which parts of the indexes hold the rows from `first` on.

        Args:
            sizes: how many agents of each state there are.
            first: the first row, from 0.
            count: of rows.
        """
        found = []
        for status in self.states:
            part = min(sizes[status] - first, count)
            if part > 0:
                found.append(Slice(status, first, part, self.newest_first))
                count -= part
            first = max(0, first - sizes[status])
        return found

    def arrange(self, rows: Iterable[Row]) -> list[Row]:
        """Those of the rows that match, in order; where the key is the same, by age."""
        order: dict[str, int] = {s: place for place, s in enumerate(STATES[self.ended])}
        sign = -1 if self.ended else 1
        found = sorted(
            filter(self._matches, rows),
            key=lambda row: (order[row.status], sign * row.since, row.agent_id),
        )
        if self.sort is Sort.AGE:
            return found[::-1] if self.reverse else found
        return sorted(found, key=self._key, reverse=self.reverse)

    def _matches(self, row: Row) -> bool:
        text = f"{row.agent_id} {row.kind} {row.node} {row.status} {row.reason} {row.error}".lower()
        return all(word in text for word in self.words)

    def _key(self, row: Row) -> tuple[str | int, ...]:
        if self.sort is Sort.KIND:
            return (row.kind,)
        if self.sort is Sort.NODE:
            return (row.node,)
        if self.sort is Sort.ATTEMPT:
            return (-row.attempt,)
        task_id, _, attempt = row.agent_id.rpartition(".")
        return (task_id, int(attempt) if attempt.isdecimal() else 0)
