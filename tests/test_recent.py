"""What a server may have lost: the last seconds, counted anew when it was said again."""

from dataclasses import dataclass

from musterd.recent import KEPT, Recent
from musterd.scripts import Step


@dataclass
class Clock:
    """A clock that stands until it is set."""

    now: float = 0.0

    def __call__(self) -> float:
        """The time, s."""
        return self.now


def note(recent: Recent, *steps: Step) -> None:
    """Each was taken."""
    recent.note(steps, [["ok"] for _ in steps])


def test_only_the_last_seconds_are_kept() -> None:
    """Counted from the last call, however long ago that was."""
    clock = Clock()
    recent = Recent(clock)
    note(recent, ("finish", "old"))
    clock.now = KEPT + 0.1
    note(recent, ("finish", "new"), ("renew", "new"))
    clock.now = 1000.0
    assert list(recent.steps()) == [("finish", "new")]


def test_what_is_durable_is_said_again() -> None:
    """All that somebody was told is kept; what is written again by itself, or only read, is not."""
    recent = Recent(Clock())
    durable = ("submit", "start", "finish", "kill", "checkpoint", "output", "send", "settle")
    for name in (*durable, "renew", "register", "offer", "progress", "receive", "trim"):
        note(recent, (name, "t.1", "token"))
    assert [step[0] for step in recent.steps()] == [*durable]


def test_what_was_settled_is_settled_again() -> None:
    """Though its owner is heard of again; but not where there was nothing to settle."""
    recent = Recent(Clock())
    steps = [("settle", f"t{number}.1", "n1", "") for number in range(2)]
    recent.note(steps, [["ok", "failed", "pending"], ["ok", "", ""]])
    assert list(recent.steps()) == [(*steps[0], "again"), steps[1]]


def test_refusals_are_not_said_again() -> None:
    """What was not taken cannot be lost."""
    recent = Recent(Clock())
    recent.note([("finish", "a"), ("finish", "b")], [["not_owner"], ["ok"]])
    assert list(recent.steps()) == [("finish", "b")]


def test_what_was_said_again_counts_anew() -> None:
    """A server that crashes twice in a row loses it twice, and is told it twice."""
    clock = Clock()
    recent = Recent(clock)
    note(recent, ("finish", "a"))
    clock.now = 60.0  # it was away for so long
    recent.said_again()
    clock.now += 1
    note(recent, ("finish", "b"))
    assert list(recent.steps()) == [("finish", "a"), ("finish", "b")]
    clock.now += KEPT
    note(recent, ("finish", "c"))
    assert list(recent.steps()) == [("finish", "b"), ("finish", "c")]
