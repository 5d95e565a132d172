"""How durations and foreign text look to a person."""

from datetime import UTC, datetime

import pytest

from musterd import display
from musterd.states import AgentState, TaskState


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0.9, "0s"),
        (59.9, "59s"),
        (60, "1m00s"),
        (192, "3m12s"),
        (3_600, "1h00m"),
        (86_399, "23h59m"),
        (86_400, "1d0h"),
        (100 * 86_400, "100d0h"),
    ],
)
def test_age(seconds: float, text: str) -> None:
    """A duration has two units at most; a clock that runs behind shows none."""
    assert display.age(seconds) == text


def test_age_since() -> None:
    """The age of a record's time; a time that is absent or nonsense has none."""
    now = datetime(2026, 11, 22, 3, 1, 0, tzinfo=UTC)
    assert display.age_since("2026-11-22T03:00:00.123Z", now) == "59s"
    assert display.age_since("2026-11-22T03:00:00", now) == "1m00s"
    assert display.age_since(None, now) == ""
    assert display.age_since("soon", now) == ""


def test_seconds_between() -> None:
    """The seconds from one time to another, if both are there."""
    begin, end = "2026-11-22T03:00:00.000Z", "2026-11-22T03:00:01.250Z"
    assert display.seconds_between(begin, end) == 1.25
    assert display.seconds_between(begin, None) is None
    assert display.seconds_between(None, end) is None


def test_foreign_text_is_harmless() -> None:
    """No control character reaches a terminal, and one line stays one line."""
    text = "a\x1b[2Jb\x07\r\nc\x9b1md\u2028e"
    assert display.one_line(text) == "a [2Jb c 1md e"
    assert display.lines("one\x1b\ntwo\tthree\n") == ["one ", "two three"]


@pytest.mark.parametrize(
    ("fraction", "note", "text"),
    [
        (0.4, "cloned", "40 % cloned"),
        (0.0, None, "0 %"),
        (0.29, "", "29 %"),
        (0.9999, None, "99 %"),
        (1.0, "all\nof\x1b it", "100 % all of it"),
        (None, "cloned", "cloned"),
        (None, None, ""),
        (-1e300, None, "0 %"),
        (1e300, None, "100 %"),
    ],
)
def test_progress(fraction: float | None, note: str | None, text: str) -> None:
    """Whole percents and the note; never 100 before the end, and nonsense is kept in bounds."""
    assert display.progress(fraction, note) == text


def test_why() -> None:
    """A cause on one line; of a traceback how it begins, and its last line."""
    assert display.why("timeout", None) == "timeout"
    assert display.why("error", "exit code 3") == "error: exit code 3"
    assert display.why("error", "exit code 1: Trace\n  x\nE: y\n") == "error: exit code 1: … E: y"
    assert display.why(None, None) == ""


def test_every_state_has_a_colour() -> None:
    """No state of a task or an agent was forgotten."""
    assert set(display.STYLES) == {*TaskState, *AgentState}
