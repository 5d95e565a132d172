"""The link: said once when it is lost, once when it is back."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from musterd.link import Link


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
