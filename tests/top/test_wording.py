"""What is told beside the list."""

import dataclasses
import json

import pytest
from rich.cells import cell_len

from musterd.records import Event, NodeRecord
from musterd.top import side, wording
from musterd.top.feed import Snapshot
from musterd.top.listing import Listing
from musterd.top.page import Page
from tests.top.pictures import make_snapshot

FULL = make_snapshot(Listing(), 0, 50)
HOSTILE = dataclasses.replace(
    FULL,
    nodes=[
        NodeRecord.read(
            {
                "node": "字\x1b[2J[red]" * 9,
                "state": "\x1b[31mactive",
                "pausedKinds": json.dumps(["\x1b[2J\n", "字" * 40]),
            }
        )
    ]
    * 99,
    counts=dataclasses.replace(FULL.counts, queues={"[/]\x07" * 20: 10**9, "k": 1}),
    events=tuple(
        Event(place="1-0", type="x\x1b.y", fields={"taskId": "[bold]\r", "error": "\x9b字" * 99})
        for _ in range(99)
    ),
)
EMPTY = dataclasses.replace(
    FULL,
    nodes=[],
    events=(),
    counts=dataclasses.replace(FULL.counts, queues={}, tasks=dict.fromkeys(FULL.counts.tasks, 0)),
)


@pytest.mark.parametrize("snapshot", [FULL, HOSTILE, EMPTY], ids=["full", "hostile", "empty"])
@pytest.mark.parametrize("width", [10, 40, 78, 138, 300])
def test_all_fits(snapshot: Snapshot, width: int) -> None:
    """No line is too long, none carries a control character, and no more are there than fit."""
    texts = [
        wording.head("a\x1b" * 200, snapshot.counts, max(width, 20)),
        wording.overview(snapshot, width),
        wording.brief(snapshot, width),
        side.panel(snapshot, width, 12),
    ]
    for text in texts:
        lines = text.plain.split("\n")
        assert max(map(cell_len, lines)) <= max(width, 20)
        assert all(character.isprintable() for line in lines for character in line)
    assert len(texts[-1].plain.split("\n")) <= 12


def test_numbers() -> None:
    """Waiting tasks are those in queues; those not due yet are counted apart."""
    told = " ".join(wording.overview(FULL, 78).plain.split())
    assert "2,141 running 3 spawning" in told
    assert "1,192 queued 12 delayed 2,144 taken" in told
    assert "43.2/s queued 41.2/s completed 0.6/s failed" in told
    assert "killed" not in told
    assert "killed" in wording.overview(FULL, 140).plain


def test_brief_tells_what_it_leaves_out() -> None:
    """The deepest queue comes first; what has no room is counted."""
    queues, daemons = wording.brief(FULL, 50).plain.split("\n")
    assert queues.split() == ["Queues", "check", "890", "review", "201", "+2", "more"]
    assert daemons.split() == ["Daemons", "build1", "active", "988/1,000", "+2", "more"]
    empty = wording.brief(EMPTY, 50).plain
    assert empty.split() == ["Queues", "empty", "Daemons", "none", "is", "running"]


def test_side_keeps_to_its_height() -> None:
    """Daemons and queues leave room for events, and tell how many they leave out."""
    told = side.panel(dataclasses.replace(FULL, nodes=FULL.nodes * 20), 60, 30).plain
    assert told.count("paused: check") == 1
    assert "and 55 more" in told
    alike = dataclasses.replace(FULL, nodes=FULL.nodes[:1] * 20)
    assert "and 14 more" in side.panel(alike, 60, 30).plain
    assert told.index("DAEMONS") < told.index("QUEUES") < told.index("EVENTS")
    assert "mill-5775" in told


@pytest.mark.parametrize(
    ("page", "words", "told"),
    [
        (Page(listing=Listing()), "", "Live agents  oldest first"),
        (Page(listing=Listing(), total=2144), "", "Live agents  1 to 13 of 2,144  oldest first"),
        (Page(listing=Listing(ended=True, reverse=True), total=2), "", "first ended first"),
        (Page(listing=Listing(), total=3, unread=2000), "a\x1bb", "reading 2,000 more  /a b"),
    ],
)
def test_list_title(page: Page, words: str, told: str) -> None:
    """Which agents, how many of them, in what order, and what is still read."""
    assert told in wording.list_title(page, 0, 13, words, 78).plain


def test_paused_kinds_are_named() -> None:
    """Below their daemon on a wide terminal, beside it on a narrow one."""
    wide = side.panel(FULL, 60, 48).plain.split("\n")
    row = next(number for number, line in enumerate(wide) if line.startswith("gpu-east"))
    assert wide[row + 1] == "  paused: check"
    assert "gpu-east active 1,000/1,500 paused: check" in wording.brief(FULL, 138).plain


def test_spark() -> None:
    """Bars against the highest; the last ones where there is no room for all."""
    assert wording.spark([], 5) == ""
    assert wording.spark([0, 0], 5) == "▁▁"
    assert wording.spark([9, 0, 7, 14], 3) == "▁▅█"
