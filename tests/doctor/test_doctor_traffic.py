"""What the doctor says of clocks and latency."""

import time

import pytest

from musterd.doctor import traffic
from tests.doctor.conftest import Examine, told
from tests.support.server import Server


async def test_round_trips(examined: Examine, durable: Server) -> None:
    """Latency, clock, subscriptions and a message are each told."""
    said = told(await examined(durable), "ok", "traffic")
    assert [what.split()[0] for what in said] == ["there", "its", "6", "a"]


@pytest.mark.parametrize(
    ("shift", "says"), [(-100.0, "100.0 s ahead of ours"), (100.0, "100.0 s behind ours")]
)
async def test_clocks_apart(
    examined: Examine, durable: Server, monkeypatch: pytest.MonkeyPatch, shift: float, says: str
) -> None:
    """A clock of ours that is wrong shows as a difference, with its direction."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + shift)
    report = await examined(durable)
    assert told(report, "warning", "traffic") == [f"its clock is {says}"]
    assert report.exit_code == 0


def test_latency() -> None:
    """The median decides: one slow answer among quick ones is no finding."""
    assert traffic._latency([0.001, 0.001, 1.0]).level == "ok"
    assert traffic._latency([0.001, 0.08, 0.08]).level == "warning"
