"""How fast things go, from counts."""

import pytest

from musterd.counts import Counts
from musterd.top.rates import KEPT, Meter


def counts(second: float, queued: int, completed: int = 0) -> Counts:
    """What was counted at a second."""
    return Counts(
        now=second * 1000,
        tasks={},
        agents={},
        ended={"completed": completed},
        queues={},
        scheduled=0,
        queued=queued,
    )


def test_queued() -> None:
    """From the second look on, over the last ten seconds."""
    meter = Meter()
    assert meter.take(counts(100, 500)).queued is None
    assert meter.take(counts(101, 520)).queued == pytest.approx(20)
    for second in range(102, 120):
        meter.take(counts(second, 520))
    assert meter.take(counts(120, 530)).queued == pytest.approx(1)


def test_a_counter_that_begins_again() -> None:
    """A server that lost its data makes no negative rate."""
    meter = Meter()
    meter.take(counts(100, 500))
    assert meter.take(counts(101, 3)).queued is None
    assert meter.take(counts(102, 5)).queued == pytest.approx(2)


def test_ended_and_history() -> None:
    """Ended ones are a rate over the window; of looks within one second the last counts."""
    meter = Meter()
    assert meter.take(counts(100.2, 0, 50)).ended == {"completed": 5.0}
    assert meter.take(counts(100.7, 0, 70)).history == (7.0,)
    for second in range(101, 300):
        rates = meter.take(counts(second, 0, 10))
    assert rates.history == (1.0,) * KEPT
