"""One agent's desk: what gathers, what is taken, what is answered."""

import pytest
import structlog.testing

from musterd.desk import LINE, NOTE, Desk
from musterd.desks import Desks
from musterd.errors import BrokenRecordError, MusterdError, NotOwnerError, TooLargeError
from musterd.moves import Claim, Note, Progress
from musterd.notes import Notes
from musterd.settings import load
from tests.support.steps import Unheard


def make_desk(**settings: int) -> Desk:
    """A desk whose agent is `t.1`; nobody writes what is on it."""
    claim = Claim("t.1", "token", "t", "check", 1, 1, None, "")
    return Desks(Notes(Unheard()), load(**settings)).open(claim)


def taken(desk: Desk, now: float = 0.0) -> Note:
    """What is taken, which is something."""
    note = desk.take(now)
    assert note is not None
    return note


def test_last_progress_is_taken() -> None:
    """Fraction and note each for itself: what was not told again stays."""
    desk = make_desk()
    desk.progress(0.1, "begun")
    desk.progress(0.2, None)
    desk.progress(None, "going")
    assert taken(desk).progress == Progress(0.2, "going")
    assert desk.take(100) is None


def test_progress_is_taken_once_a_second() -> None:
    """What comes between waits, and the last of it is not lost."""
    desk = make_desk()
    desk.progress(0.1, None)
    assert taken(desk, 50.0).progress == Progress(0.1, None)
    for step in range(2, 9):
        desk.progress(step / 10, None)
        assert desk.take(50.9) is None
        assert desk.holds_more()
    assert taken(desk, 51.0).progress == Progress(0.8, None)
    assert not desk.holds_more()


def test_lines_are_numbered() -> None:
    """Each has its number, also where some were pushed out before they were taken."""
    desk = make_desk(output_lines=2)
    desk.output("stdout", "a")
    first = taken(desk).output
    assert first is not None
    assert (first.first, list(first.lines)) == (1, [("stdout", "a")])
    for line in "bcde":
        desk.output("stderr", line)
    output = taken(desk).output
    assert output is not None
    assert (output.first, list(output.lines)) == (4, [("stderr", "d"), ("stderr", "e")])


def test_no_more_is_held_than_is_kept() -> None:
    """However long nothing is taken: so many lines, each cut, and one note."""
    desk = make_desk(output_lines=3)
    for _ in range(1000):
        desk.output("stdout", "x" * (LINE + 1))
        desk.progress(None, "y" * (NOTE + 1))
    note = taken(desk)
    assert note.progress == Progress(None, "y" * NOTE)
    assert note.output is not None
    assert [line for _, line in note.output.lines] == ["x" * LINE] * 3


def test_output_may_be_kept_nowhere() -> None:
    """With a limit of 0 no line is held."""
    desk = make_desk(output_lines=0)
    desk.output("stdout", "a")
    assert not desk.holds_more()
    assert desk.take(0) is None


def test_half_of_a_surrogate_pair_is_replaced() -> None:
    """The server's encoding does not know it, and one agent must not stop what all tell."""
    desk = make_desk()
    desk.output("log", "a\ud800é")
    desk.progress(None, "\udfff")
    note = taken(desk)
    assert note.output is not None
    assert list(note.output.lines) == [("log", "a?é")]
    assert note.progress == Progress(None, "?")


def test_last_checkpoint_is_taken_and_answered() -> None:
    """Each answer is given once, after it was written; one that was overtaken gets none."""
    desk, answers = make_desk(), list[tuple[str, MusterdError | None]]()
    desk.checkpoint_soon("1", lambda problem: answers.append(("1", problem)))
    desk.checkpoint_soon("2", lambda problem: answers.append(("2", problem)))
    assert taken(desk).checkpoint == "2"
    assert answers == []
    desk.checkpoint_soon("3", lambda problem: answers.append(("3", problem)))
    desk.settle({})
    assert answers == [("2", None)]
    assert taken(desk).checkpoint == "3"
    refusal = BrokenRecordError("t", "nonsense")
    desk.settle({"checkpoint": refusal})
    assert answers[1:] == [("3", refusal)]


def test_checkpoint_is_kept_though_output_is_refused() -> None:
    """Each part has an answer of its own."""
    desk, answers = make_desk(), list[MusterdError | None]()
    desk.checkpoint_soon("1", answers.append)
    desk.output("stdout", "a")
    assert taken(desk).output is not None
    with structlog.testing.capture_logs():
        desk.settle({"output": BrokenRecordError("t.1", "nonsense")})
    assert answers == [None]


async def test_checkpoint_over_the_limit_is_refused() -> None:
    """In bytes, and before anything is sent."""
    desk = make_desk(max_checkpoint=256)
    value = f'"{"é" * 128}"'
    with pytest.raises(TooLargeError, match=r"checkpoint: 258 bytes .*256 .*MAX_CHECKPOINT"):
        await desk.checkpoint(value)
    with pytest.raises(TooLargeError):
        desk.checkpoint_soon(value, lambda _: None)
    assert not desk.holds_more()


def test_refusal_is_told_once() -> None:
    """With the ids; that the lease is lost others say."""
    desk = make_desk()
    with structlog.testing.capture_logs() as lines:
        desk.settle({"progress": NotOwnerError("t.1")})
        desk.settle({"progress": BrokenRecordError("t.1", "nonsense")})
        desk.settle({"output": BrokenRecordError("t.1", "nonsense")})
    assert [(line["event"], line["task_id"], line["agent_id"]) for line in lines] == [
        ("report not written", "t", "t.1")
    ]
