"""What is paused, and what ends which pause."""

import pytest

from musterd.bell import Bell
from musterd.errors import NotOfferedError
from musterd.pauses import Pauses


@pytest.fixture
def pauses() -> Pauses:
    """Of a daemon that offers two kinds."""
    return Pauses(("check", "review"), Bell())


def test_one_kind(pauses: Pauses) -> None:
    """The other one is not held; again is no error, and one resume ends it."""
    for _ in range(2):
        pauses.pause("check")
    assert (pauses.holds("check"), pauses.holds("review")) == (True, False)
    assert (pauses.kinds, pauses.everything) == (["check"], False)
    for _ in range(2):
        pauses.resume("check")
    assert not pauses.holds("check")


def test_resume_of_one_kind_leaves_the_others_paused(pauses: Pauses) -> None:
    """Each pause of a kind is ended by its own resume."""
    pauses.pause("check")
    pauses.pause("review")
    pauses.resume("check")
    assert pauses.kinds == ["review"]


def test_everything(pauses: Pauses) -> None:
    """It holds each kind, and none by name; to resume one of them changes nothing."""
    pauses.pause()
    pauses.resume("check")
    assert (pauses.holds("check"), pauses.holds("review")) == (True, True)
    assert (pauses.kinds, pauses.everything) == ([], True)


def test_kinds_stay_paused_beneath_everything(pauses: Pauses) -> None:
    """Until a resume without a kind, which ends every pause."""
    pauses.pause("review")
    pauses.pause("check")
    pauses.pause()
    assert pauses.kinds == ["check", "review"]
    pauses.resume()
    assert (pauses.kinds, pauses.everything) == ([], False)


def test_stranger(pauses: Pauses) -> None:
    """A kind that is not offered is refused, and those that are offered are named."""
    for change in (pauses.pause, pauses.resume):
        with pytest.raises(NotOfferedError, match=r"strange: .*it offers: check, review"):
            change("strange")
    assert pauses.kinds == []
    with pytest.raises(NotOfferedError, match="it offers none"):
        Pauses((), Bell()).pause("check")
