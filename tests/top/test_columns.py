"""Columns at every width."""

import dataclasses

import pytest
from rich.cells import cell_len

from musterd.top import columns
from musterd.top.listing import Listing, Row, Sort
from musterd.top.page import Page

NOW = 1_795_316_412_000.0
LIVE, ENDED = Page(listing=Listing()), Page(listing=Listing(ended=True))
QUIET = Row(agent_id="q.1", status="running", since=NOW)
TOLD = dataclasses.replace(QUIET, progress="40 % cloned", line="one\x1b[2J\ttwo")
TALKING = dataclasses.replace(LIVE, rows=(QUIET, TOLD))


def titles(page: Page, width: int) -> list[str]:
    """The titles of the columns that have room."""
    return [fitted.column.title for fitted in columns.fit(page, width)]


def test_narrow_and_wide() -> None:
    """A narrow terminal has what matters most; a wide one has it all."""
    assert titles(TALKING, 76) == ["AGENT", "STATE", "AGE", "PROGRESS", "LAST LINE"]
    assert titles(TALKING, 44) == ["AGENT", "STATE", "AGE"]
    assert titles(TALKING, 136)[1:6] == ["KIND", "STATE", "TRY", "NODE", "AGE"]
    assert titles(TALKING, 136)[6:] == ["PROGRESS", "LAST LINE"]
    assert titles(ENDED, 76)[-1] == "WHY"
    assert titles(ENDED, 140)[-3:] == ["NODE", "AGE", "WHY"]


def test_what_nobody_tells_takes_no_room() -> None:
    """Without progress and output there is room for other columns; with one of them for less."""
    assert titles(LIVE, 76) == ["AGENT", "KIND", "STATE", "TRY", "NODE", "AGE"]
    writes = dataclasses.replace(LIVE, rows=(dataclasses.replace(QUIET, line="x"),))
    assert titles(writes, 77) == ["AGENT", "KIND", "STATE", "AGE", "LAST LINE"]


def test_whole_note_and_much_of_the_line_on_a_wide_terminal() -> None:
    """The last line is given what is left, and that is the most."""
    widths = {fitted.column.title: fitted.width for fitted in columns.fit(TALKING, 136)}
    assert widths["PROGRESS"] >= len("40 % cloned")
    assert widths["LAST LINE"] >= 28


@pytest.mark.parametrize("page", [LIVE, TALKING, ENDED], ids=["live", "talking", "ended"])
def test_never_wider_than_there_is_room(page: Page) -> None:
    """Columns and the gaps between them fit, from where any do on."""
    for width in range(5, 300):
        fitted = columns.fit(page, width)
        assert sum(column.width for column in fitted) + columns.GAP * (len(fitted) - 1) <= width


@pytest.mark.parametrize("text", ["", "abc", "x" * 50, "字" * 9, "a" + "字" * 9, "e\u0301" * 30])
def test_cells_are_exact(text: str) -> None:
    """A cell is as wide as its column, with wide characters too."""
    for fitted in columns.fit(ENDED, 90):
        assert cell_len(columns.cell(text, fitted)) == fitted.width


def test_what_stands_in_them() -> None:
    """Ids and errors of others are on one line, and carry no escape sequences."""
    row = Row(
        agent_id="t\x1b[31m.1",
        status="failed",
        since=NOW - 61_000,
        reason="error",
        error="one\x1b]0;\x07\ntwo",
    )
    texts = {
        fitted.column.title: fitted.column.text(row, NOW) for fitted in columns.fit(ENDED, 150)
    }
    assert texts["AGENT"] == "t [31m.1"
    assert texts["AGE"] == "1m01s"
    assert texts["TRY"] == ""
    assert "\x1b" not in texts["WHY"]
    assert "\n" not in texts["WHY"]
    cells = [fitted.column.text(TOLD, NOW) for fitted in columns.fit(TALKING, 76)]
    assert cells[3:] == ["40 % cloned", "one [2J two"]


def test_stopping() -> None:
    """A kill that is under way is told instead of the status."""
    row = Row(agent_id="t.1", status="running", since=NOW, stopping=True)
    state = next(f.column for f in columns.fit(LIVE, 76) if f.column.title == columns.STATE)
    assert state.text(row, NOW) == "stopping"


def test_arrow() -> None:
    """The column that is sorted by has an arrow."""
    column = columns.fit(LIVE, 76)[-1].column
    assert columns.title(column, Listing()) == "AGE▲"
    assert columns.title(column, Listing(reverse=True)) == "AGE▼"
    assert columns.title(column, Listing(ended=True, sort=Sort.KIND)) == "AGO"
