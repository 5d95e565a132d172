"""Which columns the list of agents has at a given width, and what stands in them. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from rich.cells import cell_len, set_cell_size

from musterd.display import age, one_line, why
from musterd.top.listing import Listing, Row, Sort
from musterd.top.page import Page
from musterd.top.palette import STOPPING

GAP: Final = 2
"""Cells between two columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list.

    Attributes:
        title: above it.
        text: of a row, at a time of the server's clock, ms.
        least: cells that it needs.
        most: cells that it can use.
        rank: the higher, the sooner it is left out where there is no room.
        sort: what it shows if one can sort by it.
        right: aligned to the right.
        optional: left out where no row has anything in it.
    """

    title: str
    text: Callable[[Row, float], str]
    least: int
    most: int
    rank: int
    sort: Sort | None = None
    right: bool = False
    optional: bool = False


class Fitted(NamedTuple):
    """A column and its width in cells."""

    column: Column
    width: int


def _state(row: Row, _now: float) -> str:
    return STOPPING if row.stopping else row.status


_AGENT: Final = Column("AGENT", lambda row, _: one_line(row.agent_id), 24, 32, 0, Sort.AGENT)
_KIND: Final = Column("KIND", lambda row, _: one_line(row.kind), 14, 24, 5, Sort.KIND)
_STATE: Final = Column("STATE", _state, 9, 9, 1)
_TRY: Final = Column(
    "TRY", lambda row, _: f"{row.attempt or ''}", 3, 3, 6, Sort.ATTEMPT, right=True
)
_NODE: Final = Column("NODE", lambda row, _: one_line(row.node), 9, 24, 7, Sort.NODE)
_AGE: Final = Column(
    "AGE", lambda row, now: age((now - row.since) / 1000), 6, 6, 2, Sort.AGE, right=True
)
_PROGRESS: Final = Column("PROGRESS", lambda row, _: row.progress, 12, 20, 3, optional=True)
_LINE: Final = Column("LAST LINE", lambda row, _: one_line(row.line), 16, 200, 4, optional=True)
_WHY: Final = Column("WHY", lambda row, _: why(row.reason, row.error), 28, 200, 3)

STATE: Final = _STATE.title
"""The title of the column that is coloured by its values."""

_COLUMNS: Final[Mapping[bool, tuple[Column, ...]]] = {
    False: (_AGENT, _KIND, _STATE, _TRY, _NODE, _AGE, _PROGRESS, _LINE),
    True: (_AGENT, _KIND, _STATE, _TRY, _NODE, _AGE, _WHY),
}
_TITLES_OF_ENDED: Final = {"AGE": "AGO"}


def fit(page: Page, width: int) -> list[Fitted]:
    """The columns that have room in `width` cells, each as wide as is fair."""
    columns = [column for column in _COLUMNS[page.listing.ended] if _is_wanted(column, page.rows)]
    while _needed(columns) > width and len(columns) > 1:
        columns.remove(max(columns, key=lambda column: column.rank))
    widths = {column.title: min(column.least, width) for column in columns}
    spare = max(0, width - _needed(columns))
    # What matters most gets its room first; an even share would cut all of them.
    for column in sorted(columns, key=lambda column: column.rank):
        more = min(spare, column.most - column.least)
        widths[column.title] += more
        spare -= more
    return [Fitted(column, widths[column.title]) for column in columns]


def title(column: Column, listing: Listing) -> str:
    """What stands above a column; with an arrow above the one that is sorted by."""
    name = _TITLES_OF_ENDED.get(column.title, column.title) if listing.ended else column.title
    arrow = "▼" if listing.reverse else "▲"
    return f"{name}{arrow}" if column.sort is listing.sort else name


def cell(text: str, fitted: Fitted) -> str:
    """A text in exactly its column's width."""
    column, width = fitted
    if cell_len(text) > width:
        text = f"{set_cell_size(text, width - 1)}…"
    padding = " " * (width - cell_len(text))
    return f"{padding}{text}" if column.right else f"{text}{padding}"


def _is_wanted(column: Column, rows: Sequence[Row]) -> bool:
    return not column.optional or any(column.text(row, 0) for row in rows)


def _needed(columns: Sequence[Column]) -> int:
    return sum(column.least for column in columns) + GAP * (len(columns) - 1)
