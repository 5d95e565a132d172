"""The part of a listing that is on the screen: as little is read as that needs."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from musterd.reads import Entry, Reads
from musterd.top.listing import Listing, Row
from musterd.top.roster import Roster, as_row


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Some rows of a listing.

    Attributes:
        listing: of which.
        rows: those that were asked for.
        first: the number of the first of them, from 0.
        total: how many rows the listing has.
        unread: agents of which it is not known yet whether and where they belong.
    """

    listing: Listing
    rows: tuple[Row, ...] = ()
    first: int = 0
    total: int = 0
    unread: int = 0


class Reader:
    """Reads pages. It keeps what it knows of agents for as long as the listing needs it."""

    def __init__(self) -> None:
        self._roster = Roster()

    async def read(
        self, reads: Reads, listing: Listing, sizes: Mapping[str, int], first: int, count: int
    ) -> Page:
        """The rows from `first` on, or the last ones if there are not so many.

        Args:
            reads: the state.
            listing: which agents, in which order.
            sizes: how many agents of each state there are.
            first: the first row, from 0.
            count: of rows.
        """
        if listing.follows_index:
            self._roster = Roster()
            page = await _read_index(reads, listing, sizes, first, count)
        else:
            page = await self._read_roster(reads, listing, first, count)
        return dataclasses.replace(page, rows=await _complete(reads, page))

    async def _read_roster(self, reads: Reads, listing: Listing, first: int, count: int) -> Page:
        known = await self._roster.read(reads, listing.states, newest_first=listing.newest_first)
        rows = listing.arrange(known)
        first = _clamp(first, count, len(rows))
        shown = rows[first : first + count]
        return Page(
            listing=listing,
            rows=tuple(shown if listing.ended else await _renew(reads, shown)),
            first=first,
            total=len(rows),
            unread=self._roster.unread,
        )


async def _read_index(
    reads: Reads, listing: Listing, sizes: Mapping[str, int], first: int, count: int
) -> Page:
    total = sum(sizes[status] for status in listing.states)
    first = _clamp(first, count, total)
    listed = [
        (entry, part.status)
        for part in listing.slices(sizes, first, count)
        for entry in await reads.entries(
            part.status, part.first, part.count, newest_first=part.newest_first
        )
    ]
    records = await reads.outlines([entry.agent_id for entry, _ in listed])
    rows = (as_row(entry, status, records.get(entry.agent_id)) for entry, status in listed)
    return Page(listing=listing, rows=tuple(rows), first=first, total=total)


async def _renew(reads: Reads, rows: Sequence[Row]) -> list[Row]:
    """The rows, which a roster has kept, as their records are now: progress goes on."""
    records = await reads.outlines([row.agent_id for row in rows])
    return [
        as_row(Entry(row.agent_id, row.since), row.status, records.get(row.agent_id))
        for row in rows
    ]


async def _complete(reads: Reads, page: Page) -> tuple[Row, ...]:
    """The rows with what their records do not tell."""
    agent_ids = [row.agent_id for row in page.rows]
    stopping = await reads.kills_asked(agent_ids)
    lines = {} if page.listing.ended else await reads.newest_lines(agent_ids, 1)
    return tuple(
        dataclasses.replace(
            row,
            stopping=row.agent_id in stopping,
            line=lines[row.agent_id][-1].line if row.agent_id in lines else "",
        )
        for row in page.rows
    )


def _clamp(first: int, count: int, total: int) -> int:
    return max(0, min(first, total - count))
