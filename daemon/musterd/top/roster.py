"""All agents of a listing that the server's indexes do not have in order, read bit by bit.

A record is read once: its kind, node and attempt do not change while its status does not.
"""

from collections.abc import Sequence
from typing import Final

from musterd.display import progress
from musterd.reads import Entry, Reads
from musterd.records import AgentRecord
from musterd.top.listing import Row

LIMIT: Final = 10_000
"""Agents of one state that are looked at, the first of its index."""

PORTION: Final = 1000
"""Records read at a time; it takes the server about two milliseconds."""


class Roster:
    """What is known of the agents of some states.

    Attributes:
        unread: how many of them have not been read yet.
    """

    def __init__(self) -> None:
        self.unread = 0
        self._known: dict[str, Row] = {}

    async def read(self, reads: Reads, states: Sequence[str], *, newest_first: bool) -> list[Row]:
        """Those whose records are known by now, in no order; each call reads one more portion."""
        listed: dict[str, tuple[Entry, str]] = {}
        for status in states:
            entries = await reads.entries(status, 0, LIMIT, newest_first=newest_first)
            listed |= {entry.agent_id: (entry, status) for entry in entries}
        self._known = {
            agent_id: row
            for agent_id, row in self._known.items()
            if agent_id in listed and listed[agent_id][1] == row.status
        }
        unread = [agent_id for agent_id in listed if agent_id not in self._known]
        portion = unread[:PORTION]
        records = await reads.outlines(portion)
        self._known |= {
            agent_id: as_row(*listed[agent_id], records.get(agent_id)) for agent_id in portion
        }
        self.unread = len(unread) - len(portion)
        return list(self._known.values())


def as_row(entry: Entry, status: str, record: AgentRecord | None) -> Row:
    """An agent as its index and its record have it. The index decides the status."""
    if record is None:
        return Row(agent_id=entry.agent_id, status=status, since=entry.since)
    return Row(
        agent_id=entry.agent_id,
        status=status,
        since=entry.since,
        kind=record.kind,
        node=record.node or "",
        attempt=record.attempt,
        reason=record.reason or "",
        error=record.error or "",
        progress=progress(record.progress, record.note),
    )
