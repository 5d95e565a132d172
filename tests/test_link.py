"""The link: said once when it is lost, once when it is back; and for how long it has held."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from musterd.link import CALM, OUTAGE, Link


class Clock:
    """A time that the test sets."""

    now = 100.0

    def read(self) -> float:
        """Now."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """At 100 s."""
    return Clock()


@pytest.fixture
def logged() -> Iterator[list[object]]:
    """What is logged meanwhile."""
    with capture_logs() as lines:
        yield lines  # type: ignore[misc]  # its own kind of mapping


def test_unbroken_counts_from_the_start(clock: Clock) -> None:
    """A new link is up."""
    link = Link("v", clock.read)
    clock.now += 5
    assert (link.up, link.unbroken()) == (True, 5)
    link.answered()
    assert link.unbroken() == 5


def test_outage_is_told_once_and_starts_the_count_again(
    clock: Clock, logged: list[dict[str, object]]
) -> None:
    """However many calls fail in it."""
    link = Link("valkey://v", clock.read)
    for _ in range(3):
        clock.now += 1
        link.failed(ConnectionError("gone"))
        assert (link.up, link.unbroken()) == (False, 0.0)
    clock.now += 2
    link.answered()
    link.answered()
    clock.now += 1
    assert (link.up, link.unbroken()) == (True, 1)
    assert logged == [
        {
            "event": "valkey lost",
            "server": "valkey://v",
            "error": "ConnectionError: gone",
            "log_level": "warning",
        },
        {"event": "valkey back", "server": "valkey://v", "outage": 4.0, "log_level": "info"},
    ]


def test_another_life_of_the_server_starts_the_count_again(
    clock: Clock, logged: list[dict[str, object]]
) -> None:
    """It was away, though no call of ours has failed; nothing is to be said about that."""
    link = Link("v", clock.read)
    link.seen("one")
    clock.now += 5
    link.seen("one")
    assert link.unbroken() == 5
    link.seen("two")
    assert (link.up, link.unbroken()) == (True, 0)
    clock.now += 1
    link.seen("two")
    assert link.unbroken() == 1
    assert logged == []


def test_doubt_starts_the_count_again(clock: Clock) -> None:
    """Another connection was lost, say; during an outage it adds nothing."""
    link = Link("v", clock.read)
    clock.now += 5
    link.interrupted()
    clock.now += 1
    assert (link.up, link.unbroken()) == (True, 1)
    with capture_logs() as lines:
        link.failed(ConnectionError("gone"), after=1)
        clock.now += 1
        link.interrupted()
        link.answered()
    assert lines[1]["outage"] == 2


def test_short_outages_do_not_start_the_count_again(clock: Clock) -> None:
    """Not before they are together as long as leases bear: a slow server would be no judge ever."""
    link = Link("v", clock.read, borne=2.0)
    for unbroken in (5.5, 11.0, 16.5):
        clock.now += 5
        link.failed(ConnectionError("slow"), after=0.5)
        assert link.unbroken() == 0.0
        link.answered()
        clock.now += 0.5
        assert link.unbroken() == unbroken
    link.failed(ConnectionError("slow"), after=0.5)
    link.answered()
    assert link.unbroken() == 0.0
    clock.now += 5
    link.failed(ConnectionError("slow"), after=0.5)
    link.answered()
    assert link.unbroken() == 5


def test_broken_connection_is_no_outage(clock: Clock, logged: list[object]) -> None:
    """Nothing is told of one that was replaced at once."""
    link = Link("v", clock.read)
    link.failed(ConnectionError("reset"))
    assert not link.up
    clock.now += OUTAGE / 2
    link.answered()
    assert (link.up, logged) == (True, [])


def test_steps_that_wait_are_told_once(clock: Clock, logged: list[dict[str, object]]) -> None:
    """The server answers and does not serve: nobody may rely on leases meanwhile."""
    link = Link("v", clock.read)
    clock.now += 5
    for _ in range(3):
        link.refused("OOM no memory")
        link.answered()
        assert (link.up, link.serving, link.unbroken()) == (True, False, 0)
        clock.now += 1
    link.taken()
    clock.now += CALM / 2
    link.refused("OOM no memory")
    link.taken()
    clock.now += CALM / 2
    link.answered()
    assert (len(logged), link.serving) == (1, True)
    clock.now += CALM / 2
    link.answered()
    assert (len(logged), link.unbroken()) == (2, CALM)
    assert logged == [
        {"event": "steps wait", "server": "v", "why": "OOM no memory", "log_level": "warning"},
        {"event": "steps go on", "server": "v", "waited": 3.5, "log_level": "info"},
    ]
