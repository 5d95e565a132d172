"""What may be submitted, and the step that it becomes."""

from typing import Any

import pytest

from musterd.errors import MalformedError
from musterd.functions import LONGEST
from musterd.submission import Submission, seconds_text


def test_step_of_the_least() -> None:
    """What is not given is no value: an empty argument."""
    step = Submission(kind="k", task_id="t").step()
    assert step == ("submit", "t", "k", "", 0, 0, "", "", "")


def test_step_of_the_most() -> None:
    """Delay in whole ms, never less than asked; JSON in its one form."""
    step = Submission(
        kind="k",
        task_id="t",
        context={"b": 1, "a": 2},
        priority=9,
        delay=0.0011,
        timeout=2.0,
        max_attempts=10_000,
        metadata=[],
    ).step()
    assert step == ("submit", "t", "k", '{"a":2,"b":1}', 9, 2, "2", 10_000, "[]")


def test_id_is_made_unless_given() -> None:
    """A new one each time."""
    assert Submission(kind="k").task_id != Submission(kind="k").task_id


@pytest.mark.parametrize(
    "bad",
    [
        {"kind": ""},
        {"kind": "a b"},
        {"task_id": "t.1"},
        {"task_id": ""},
        {"priority": -1},
        {"priority": 10},
        {"priority": 1.0},
        {"priority": True},
        {"priority": "1"},
        {"delay": -0.001},
        {"delay": float("nan")},
        {"delay": float("inf")},
        {"delay": LONGEST + 1},
        {"delay": True},
        {"delay": "1"},
        {"delay": 10**400},
        pytest.param({"delay": 10**5000}, id="huge-delay"),
        pytest.param({"priority": 10**5000}, id="huge-priority"),
        pytest.param({"max_attempts": 10**5000}, id="huge-attempts"),
        {"priority": "x" * 100_000},
        {"kind": 7},
        {"task_id": None},
        {"timeout": 0},
        {"timeout": 0.0001},
        {"timeout": float("nan")},
        {"timeout": LONGEST * 2},
        {"max_attempts": 0},
        {"max_attempts": 10_001},
        {"max_attempts": 1.5},
        {"max_attempts": True},
    ],
)
def test_value_that_is_not_accepted(bad: dict[str, Any]) -> None:
    """Is named, with the range that is."""
    with pytest.raises(MalformedError, match="is not accepted") as caught:
        Submission(**({"kind": "k", "task_id": "t"} | bad))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("name", ["context", "metadata"])
@pytest.mark.parametrize(
    "value",
    [float("nan"), object(), {"a": "\ud800"}, "x" * 2**20, "€" * 400_000, {1: 2, "a": 3}],
)
def test_value_that_is_no_json(name: str, value: Any) -> None:
    """Or is larger than a mebibyte: refused when the step is made, by the field's name."""
    with pytest.raises(MalformedError, match=f"^{name}: "):
        Submission(kind="k", **{name: value}).step()


@pytest.mark.parametrize("context", [None, False, 0, "", [], {}])
def test_only_null_is_no_context(context: Any) -> None:
    """An empty value is a value."""
    text = Submission(kind="k", context=context).step()[3]
    assert (text == "") == (context is None)


@pytest.mark.parametrize(
    ("value", "text"),
    [(600, "600"), (600.0, "600"), (0.5, "0.5"), (0.001, "0.001"), (LONGEST, "315360000")],
)
def test_durations_as_records_hold_them(value: float, text: str) -> None:
    """Whole numbers without a point, and never an exponent."""
    assert seconds_text(value) == text
