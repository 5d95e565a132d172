"""Columns at every width."""

import pytest
from rich.cells import cell_len

from musterd.top import columns
from musterd.top.listing import Listing, Row, Sort

NOW = 1_795_316_412_000.0


def titles(listing: Listing, width: int) -> list[str]:
    """The titles of the columns that have room."""
    return [fitted.column.title for fitted in columns.fit(listing, width)]


def test_narrow_and_wide() -> None:
    """A narrow terminal has what matters most; a wide one has it all."""
    assert titles(Listing(), 76) == ["AGENT", "KIND", "STATE", "TRY", "NODE", "AGE"]
    assert titles(Listing(), 44) == ["AGENT", "STATE", "AGE"]
    assert "SINCE" in titles(Listing(), 140)
    assert titles(Listing(ended=True), 76)[-1] == "WHY"
    assert titles(Listing(ended=True), 140)[-3:] == ["NODE", "AGE", "WHY"]


@pytest.mark.parametrize("ended", [False, True])
def test_never_wider_than_there_is_room(ended: bool) -> None:  # noqa: FBT001 - a parameter
    """Columns and the gaps between them fit, from where any do on."""
    for width in range(5, 300):
        fitted = columns.fit(Listing(ended=ended), width)
        assert sum(column.width for column in fitted) + columns.GAP * (len(fitted) - 1) <= width


@pytest.mark.parametrize("text", ["", "abc", "x" * 50, "字" * 9, "a" + "字" * 9, "e\u0301" * 30])
def test_cells_are_exact(text: str) -> None:
    """A cell is as wide as its column, with wide characters too."""
    for fitted in columns.fit(Listing(ended=True), 90):
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
        fitted.column.title: fitted.column.text(row, NOW)
        for fitted in columns.fit(Listing(ended=True), 150)
    }
    assert texts["AGENT"] == "t [31m.1"
    assert texts["AGE"] == "1m01s"
    assert texts["TRY"] == ""
    assert "\x1b" not in texts["WHY"]
    assert "\n" not in texts["WHY"]


def test_stopping() -> None:
    """A kill that is under way is told instead of the status."""
    row = Row(agent_id="t.1", status="running", since=NOW, stopping=True)
    state = next(f.column for f in columns.fit(Listing(), 76) if f.column.title == columns.STATE)
    assert state.text(row, NOW) == "stopping"


def test_arrow() -> None:
    """The column that is sorted by has an arrow."""
    column = columns.fit(Listing(), 76)[-1].column
    assert columns.title(column, Listing()) == "AGE▲"
    assert columns.title(column, Listing(reverse=True)) == "AGE▼"
    assert columns.title(column, Listing(ended=True, sort=Sort.KIND)) == "AGO"
