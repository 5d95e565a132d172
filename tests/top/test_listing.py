"""What is listed, and in which order."""

import pytest

from musterd.states import AgentState
from musterd.top.listing import Listing, Row, Slice, Sort

SIZES = {"running": 5, "spawning": 3, "failed": 2, "killed": 0, "completed": 4}


def row(agent_id: str, since: float = 0, status: str = "running", **fields: str) -> Row:
    """An agent."""
    given: dict[str, str] = {"kind": "check", "node": "n1"} | fields
    return Row(agent_id=agent_id, status=status, since=since, **given)  # type: ignore[arg-type]  # all are texts


@pytest.mark.parametrize(
    ("listing", "first", "count", "parts"),
    [
        (Listing(), 0, 4, [("running", 0, 4, False)]),
        (Listing(), 3, 4, [("running", 3, 2, False), ("spawning", 0, 2, False)]),
        (Listing(), 6, 9, [("spawning", 1, 2, False)]),
        (Listing(reverse=True), 2, 3, [("spawning", 2, 1, True), ("running", 0, 2, True)]),
        (Listing(ended=True), 0, 3, [("failed", 0, 2, True), ("completed", 0, 1, True)]),
        (Listing(), 8, 5, []),
        (Listing(), 0, 0, []),
    ],
)
def test_slices(
    listing: Listing, first: int, count: int, parts: list[tuple[str, int, int, bool]]
) -> None:
    """Rows are found in the indexes, state after state; never more than are asked for."""
    found = listing.slices(SIZES, first, count)
    assert found == [Slice(AgentState(part[0]), *part[1:]) for part in parts]


def test_only_age_without_filter_follows_the_index() -> None:
    """Any other order, and any filter, needs all agents."""
    assert Listing(ended=True, reverse=True).follows_index
    assert not Listing(sort=Sort.KIND).follows_index
    assert not Listing(words=("x",)).follows_index


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        (Sort.AGE, ["b2.1", "b10.2", "a.10", "s.1"]),
        (Sort.AGENT, ["a.10", "b10.2", "b2.1", "s.1"]),
        (Sort.KIND, ["a.10", "b2.1", "s.1", "b10.2"]),
        (Sort.NODE, ["b10.2", "s.1", "b2.1", "a.10"]),
    ],
)
def test_arrange(sort: Sort, order: list[str]) -> None:
    """Sorted by what was asked for, then by state and age; reversed is the other way round."""
    rows = [
        row("s.1", 1, "spawning", node="n1"),
        row("a.10", 4, kind="a", node="n3"),
        row("b2.1", 2, node="n2"),
        row("b10.2", 3, kind="z", node="n1"),
    ]
    assert [found.agent_id for found in Listing(sort=sort).arrange(rows)] == order


def test_arrange_attempts() -> None:
    """By attempt means the most tried first; reversed, the least."""
    rows = [Row(agent_id=f"t.{n}", status="running", since=0, attempt=n) for n in (1, 3, 2)]
    assert [found.attempt for found in Listing(sort=Sort.ATTEMPT).arrange(rows)] == [3, 2, 1]
    reverse = Listing(sort=Sort.ATTEMPT, reverse=True)
    assert [found.attempt for found in reverse.arrange(rows)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("words", "found"),
    [("t1", ["t1.1"]), ("gpu", ["t2.1"]), ("LOST", []), ("lost n1", ["t1.1"]), ("spawn", ["t2.1"])],
)
def test_filter(words: str, found: list[str]) -> None:
    """Each word must occur somewhere in what is known of the agent."""
    rows = [row("t1.1", reason="lost"), row("t2.1", status="spawning", node="gpu-east")]
    listing = Listing(words=tuple(words.split()))
    assert [kept.agent_id for kept in listing.arrange(rows)] == found
