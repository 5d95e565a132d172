"""Pictures of `musterd top` from a state that never changes: `python -m tests.top.pictures FOLDER`.

They are drawn by the program itself; only what it looks at is made up.
"""

import asyncio
import json
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from musterd.client import Client
from musterd.counts import Counts
from musterd.display import progress
from musterd.records import Event, NodeRecord
from musterd.settings import load
from musterd.states import AgentState
from musterd.top.app import TopApp
from musterd.top.feed import Feed, Show, Snapshot
from musterd.top.listing import Listing, Row
from musterd.top.page import Page
from musterd.top.rates import Rates

SIZES: Final[Mapping[str, tuple[int, int]]] = {"top-80.svg": (80, 24), "top-200.svg": (200, 50)}

CELL: Final = 12.2
"""The width of a character in a picture."""

_NOW: Final = 1_795_316_412_000.0  # 2026-11-22T03:00:12Z
_RUNNING, _SPAWNING = 2_141, 3
_KINDS: Final = ("review", "check", "summarise", "publish", "index-pages")
_NODES: Final = ("build1", "build2", "gpu-east")
_TOLD: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "review": (("reading", "+ def test_moves(board):"), ("tests", "42 passed in 3.1s")),
    "check": (("", "GET /imprint 200 in 0.041 s"), ("", "GET /index 301, followed")),
    "summarise": (("chapter 3", "1,204 words, 9 sentences left"), ("outline", "asking the model")),
    "publish": (("uploading", "sent parts/0017.tar"), ("verifying", "checksums agree so far")),
    "index-pages": (("", "page 6,120: title, 3 links"), ("", "page 88: no text, left out")),
}
"""What agents of each kind say of themselves: a note and a last line."""

_WORDS: Final = ("orchard", "lighthouse", "harbour", "meadow", "quarry", "mill", "ferry", "tower")
_EVENTS: Final = (
    "agent.completed",
    "agent.running",
    "agent.completed",
    "agent.failed",
    "task.pending",
)


class _Still(Feed):
    """Sees the same each time."""

    def __init__(self) -> None:
        super().__init__(Client(load(url="redis://localhost:6379", prefix="orchestrator")))

    async def run(self, show: Show) -> None:
        """Show it once for each part of the list that is asked for."""
        while True:
            show(make_snapshot(self._listing, self._first, self._count))
            await self._asked.wait()
            self._asked = asyncio.Event()  # type: ignore[assignment]


def make_snapshot(listing: Listing, first: int, count: int) -> Snapshot:
    """A busy state, always the same."""
    states = [AgentState.RUNNING] * _RUNNING + [AgentState.SPAWNING] * _SPAWNING
    places = range(first, min(first + count, len(states)))
    return Snapshot(
        counts=Counts(
            now=_NOW,
            tasks={
                "pending": 1_204,
                "assigned": 3,
                "executing": 2_141,
                "completed": 88_102,
                "failed": 311,
            },
            agents={
                "running": _RUNNING,
                "spawning": _SPAWNING,
                "completed": 88_102,
                "failed": 297,
                "killed": 14,
            },
            ended={"completed": 412, "failed": 6, "killed": 0},
            queues={"check": 890, "review": 201, "summarise": 96, "publish": 5, "index-pages": 0},
            scheduled=12,
            queued=91_757,
        ),
        rates=Rates(
            43.2,
            {"completed": 41.2, "failed": 0.6, "killed": 0.0},
            tuple(30 + (second * 7 % 13) + (second % 17) for second in range(60)),
        ),
        nodes=[
            _node("build1", "active", 988, 1000),
            _node("build2", "draining", 156, 1000),
            _node("gpu-east", "active", 1000, 1500, "check"),
        ],
        page=Page(
            listing=listing,
            rows=tuple(_row(place, states[place]) for place in places),
            first=first,
            total=len(states),
        ),
        events=tuple(map(_event, range(40))),
    )


def _row(place: int, status: AgentState) -> Row:
    name = f"{_WORDS[place * 5 % 8]}-{4000 + place * 37 % 997}"
    attempt = 2 if place % 6 == 4 else 1
    is_running = status is AgentState.RUNNING
    age = 7_412 * 0.86**place + 61 if is_running else 0
    kind = _KINDS[place * 3 % 5]
    note, line = _TOLD[kind][place % 2]
    return Row(
        agent_id=f"{name}.{attempt}",
        status=status,
        since=_NOW - age * 1000,
        kind=kind,
        node=_NODES[place * 2 % 3],
        attempt=attempt,
        progress=progress((97 - place * 31 % 89) / 100, note) if is_running else "",
        line=line if is_running else "",
        stopping=place == 3,
    )


def _node(name: str, state: str, agents: int, capacity: int, *paused: str) -> NodeRecord:
    return NodeRecord.read(
        {
            "node": name,
            "state": state,
            "agents": str(agents),
            "capacity": str(capacity),
            "pausedKinds": json.dumps(paused),
        }
    )


def _event(number: int) -> Event:
    what = _EVENTS[number % 5]
    name = f"{_WORDS[number * 3 % 8]}-{5000 + number * 71 % 997}"
    why = {"reason": "error", "error": "exit code 3"} if what == "agent.failed" else {}
    fields = {
        "type": what,
        "taskId": name,
        "timestamp": f"2026-11-22T03:00:{number * 12 // 40:02}.000Z",
    } | ({} if what == "task.pending" else {"agentId": f"{name}.1"})
    return Event(place=f"{number}-0", type=what, fields={**fields, **why})


async def draw(size: tuple[int, int], *keys: str) -> str:
    """A picture of the screen after some keys, as SVG that asks no other host for anything."""
    app = TopApp(_Still())
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await pilot.press(*keys)
        await pilot.pause()
        picture = app.export_screenshot()
    picture = re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    picture = re.sub(r"<text [^>]*terminal-\d+-r.*?</text>", _place_words, picture, flags=re.DOTALL)
    return re.sub(r"terminal-\d+-", "top-", picture) + "\n"


def _place_words(found: re.Match[str]) -> str:
    """A run of text as one element for each part that gaps set apart, so that columns stay so.

    Without the font that the picture asks for, and in viewers that drop blanks, they would not.
    """
    element = ET.fromstring(found[0])  # noqa: S314 - our own
    text, left = element.text or "", float(element.attrib["x"])
    parts = []
    for part in re.finditer(r"[^\xa0\n]+(\xa0[^\xa0\n]+)*", text):
        element.attrib["x"] = f"{left + part.start() * CELL:.1f}"
        element.attrib["textLength"] = f"{len(part[0]) * CELL:.1f}"
        element.text = part[0]
        parts.append(ET.tostring(element, encoding="unicode"))
    return "".join(parts)


def write(folder: Path) -> None:
    """Write all of them."""
    folder.mkdir(exist_ok=True)
    for name, size in SIZES.items():
        (folder / name).write_text(asyncio.run(draw(size)))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
