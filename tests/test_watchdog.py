"""The watchdog: fed while all moves, silent while something is stuck, patient with Valkey."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from musterd.environment import watchdog_seconds
from musterd.link import Link
from musterd.pulse import STALL, Pulse
from musterd.watchdog import Watchdog


class Clock:
    """A time that the test sets."""

    now = 100.0

    def read(self) -> float:
        """Now."""
        return self.now


class Watched:
    """A watchdog of a lane and of a loop that asks Valkey, and what systemd hears of it."""

    def __init__(self, heard: socket.socket) -> None:
        self.clock = Clock()
        self.link = Link("v", self.clock.read)
        self.lane = Pulse("lane", self.clock.read)
        self.loop = Pulse("loop", self.clock.read)
        self.watchdog = Watchdog(
            self.link, lanes=[self.lane], asking=[self.loop], clock=self.clock.read
        )
        self._heard = heard

    def after(self, seconds: float) -> bool:
        """Whether it is fed when it looks so much later."""
        self.clock.now += seconds
        assert self.watchdog.look() is self._is_fed()
        return self.watchdog.look() and self._is_fed()

    def round_after(self, seconds: float) -> bool:
        """Whether it is fed when its own loop, which is due each 5 s, comes round so much later."""
        self.clock.now += seconds
        self.watchdog.come_round(5)
        return self._is_fed()

    def _is_fed(self) -> bool:
        try:
            return self._heard.recv(100) == b"WATCHDOG=1"
        except BlockingIOError:
            return False


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Watched]:
    """One, and a service manager that listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield Watched(heard)


def test_fed_while_all_moves_or_rests(watched: Watched) -> None:
    """A loop that waits for work may do so for days."""
    watched.loop.beat(5)
    assert watched.after(STALL)
    watched.loop.rest()
    watched.lane.rest()
    assert watched.after(1_000_000)


@pytest.mark.parametrize("stuck", ["lane", "loop"])
def test_starved_by_a_loop_that_stands_still(watched: Watched, stuck: str) -> None:
    """It is not fed from the stall on, which is said once, and is fed again when it moves."""
    pulse: Pulse = getattr(watched, stuck)
    pulse.beat(5)
    with capture_logs() as lines:
        assert watched.after(STALL + 4)
        assert not watched.after(2)
        assert not watched.after(10)
        pulse.beat()
        assert watched.after(0)
    told = [(line["event"], line["part"]) for line in lines if "part" in line]
    assert told == [
        ("a core task does not move", stuck),
        ("a core task moves again", stuck),
    ]


def test_nobody_is_judged_just_after_all_stood_still(watched: Watched) -> None:
    """A process that was stopped wakes up: the watchdog may be the first of its loops to move."""
    assert watched.round_after(0)
    watched.lane.beat(5)
    with capture_logs() as lines:
        assert watched.round_after(STALL * 10)
        assert lines == []
        assert not watched.round_after(5)
    assert [line["part"] for line in lines] == ["lane"]


def test_lost_valkey_starves_nothing(watched: Watched) -> None:
    """Who waits for its answer is not judged while it is away, nor for a stall after that."""
    watched.loop.beat()
    watched.link.failed(OSError("away"))
    with capture_logs():
        assert watched.after(STALL * 100)
        watched.link.answered()
        assert watched.after(STALL)
        assert not watched.after(1)


def test_lane_is_judged_though_valkey_is_lost(watched: Watched) -> None:
    """Each of its calls ends by itself, answered or not."""
    watched.lane.beat()
    with capture_logs():
        watched.link.failed(OSError("away"))
        assert not watched.after(STALL + 1)


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("30000000", "", 30.0),
        ("500000", "ours", 0.5),
        ("500000", "1", None),
        ("", "", None),
        ("x", "", None),
    ],
)
def test_what_systemd_wants(
    monkeypatch: pytest.MonkeyPatch, usec: str, pid: str, seconds: float | None
) -> None:
    """The interval is read from the environment, if it is meant for this process."""
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "ours" else pid)
    assert watchdog_seconds() == seconds
