"""The form of ids and names."""

import pytest

from musterd import ids
from musterd.errors import MalformedError

GOOD = ["a", "0", "A-z_0.x", "a" * 120, "t.1x", "a.", "1.2.x"]
BAD = ["", ".a", "-a", "_a", "a b", "a/b", "a:b", "a\n", "ü", "a{b}", "a*", "a\x00", "a" * 121]
NUMBERED = ["t.1", "t.0", "1.2", "a.b.10", "t..5"]


@pytest.mark.parametrize("text", [*GOOD, *NUMBERED])
def test_name_of_a_kind_or_node(text: str) -> None:
    """May end in a number."""
    assert ids.is_name(text)
    ids.check_name(text, "kind")


@pytest.mark.parametrize("text", GOOD)
def test_task_id(text: str) -> None:
    """As the contract writes it."""
    ids.check_task_id(text)
    assert not ids.is_agent_id(text)


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_name(text: str) -> None:
    """Is refused everywhere, with the form that is accepted."""
    assert not ids.is_name(text)
    with pytest.raises(MalformedError, match=r"kind .* is not accepted: letters, digits"):
        ids.check_name(text, "kind")
    with pytest.raises(MalformedError, match="taskId"):
        ids.check_task_id(text)
    with pytest.raises(MalformedError, match="taskId"):
        ids.check_agent_id(f"{text}.1")


@pytest.mark.parametrize("text", NUMBERED)
def test_id_that_ends_in_a_number_is_an_agents(text: str) -> None:
    """Never a task's, so that an id alone says which of the two is meant."""
    assert ids.is_agent_id(text)
    with pytest.raises(MalformedError, match="is an agent's"):
        ids.check_task_id(text)


@pytest.mark.parametrize("text", ["t.1", "a.b.10", f"{'a' * 120}.10000"])
def test_agent_id(text: str) -> None:
    """A task's id, a dot, a number."""
    ids.check_agent_id(text)


@pytest.mark.parametrize("text", ["t", "t.", "t.x", "t.1.2", "t.-1", "t.+1", "t.١", "t.1\n", ".1"])  # noqa: RUF001 - an Arabic digit is what must not pass
def test_what_is_no_agent_id(text: str) -> None:
    """Other digits, signs, and agents of agents."""
    with pytest.raises(MalformedError):
        ids.check_agent_id(text)


def test_long_text_is_cut_in_the_message() -> None:
    """A megabyte that is no name does not become a megabyte of log."""
    with pytest.raises(MalformedError) as caught:
        ids.check_name("x" * 1_000_000, "kind")
    assert len(str(caught.value)) < 400


def test_new_ones_are_random_and_well_formed() -> None:
    """A task's id, an epoch of 128 bits, the stem of tokens."""
    assert ids.is_random(ids.new_task_id())
    assert not any(map(ids.is_random, ("backup-2026", ids.new_epoch(), "A" * 20)))
    for make, length in ((ids.new_task_id, 20), (ids.new_epoch, 32), (ids.new_token, 24)):
        made = {make() for _ in range(100)}
        assert len(made) == 100
        assert {len(text) for text in made} == {length}
        for text in made:
            ids.check_task_id(text)
