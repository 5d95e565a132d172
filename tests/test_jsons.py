"""JSON: what is taken from outside, and the one form in which ours is written."""

from collections import OrderedDict
from typing import Any

import pytest

from musterd import jsons
from musterd.jsons import MAX_BYTES, MAX_DEPTH, JsonError, dumps, loads


def nested(depth: int) -> str:
    """So many arrays in each other."""
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("7", 7),
        ('"ü😀"', "ü😀"),
        ('"\\ud83d\\ude00"', "😀"),
        (b'{"a":[1,2.5,true]}', {"a": [1, 2.5, True]}),
        (" [] ", []),
        ("-0.0", 0.0),
        ("1e308", 1e308),
        ("-" + "9" * 4300, -int("9" * 4300)),
        (nested(MAX_DEPTH), None),
    ],
)
def test_json_is_read(text: str | bytes, value: Any) -> None:
    """Text or UTF-8 bytes, any kind of value, up to the depth that is accepted."""
    found = loads(text)
    assert found == value or value is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("{'a':1}", "Expecting property name"),
        ("[1,]", "not JSON"),
        ("1 2", "Extra data"),
        ("NaN", "NaN is not a JSON number"),
        ("[Infinity]", "Infinity is not a JSON number"),
        ("-Infinity", "-Infinity is not a JSON number"),
        ("1e999", "1e999 is too large a number"),
        ("[-1e400]", "-1e400 is too large a number"),
        ("9" * 4301, "a number of 4301 digits, at most 4300"),
        ('{"a":1,"a":1}', "names a key twice"),
        ('[{"b":{"a":1,"a":2}}]', "names a key twice"),
        ('"\\ud800"', "not valid UTF-8"),
        ('{"\\udfff":1}', "not valid UTF-8"),
        (b'"\xff"', "not valid UTF-8"),
        (b'"\xed\xa0\x80"', "not valid UTF-8"),
        (b"\xef\xbb\xbf1", "not JSON"),
        ('"\n"', "Invalid control character"),
        (nested(MAX_DEPTH + 1), "nested over 100 deep"),
        (nested(100_000), "nested over 100 deep"),
        ('{"a":' * 50_000, "nested over 100 deep"),
        (b'"' + b"x" * MAX_BYTES + b'"', "1048578 bytes, at most 1048576"),
    ],
)
def test_what_is_not_json_is_refused(text: str | bytes, problem: str) -> None:
    """With a sentence that says what is wrong, and nothing but a JsonError."""
    with pytest.raises(JsonError, match=problem.replace("[", r"\[")):
        loads(text)


def test_largest_document_is_accepted() -> None:
    """To the byte."""
    text = b'"' + b"x" * (MAX_BYTES - 2) + b'"'
    assert len(loads(text)) == MAX_BYTES - 2


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [1, 2]}, '{"a":[1,2],"b":1}'),
        (OrderedDict(b=1, a=2), '{"a":2,"b":1}'),
        ((1, "ü"), '[1,"ü"]'),
        (None, "null"),
        ("\x00/", '"\\u0000/"'),
    ],
)
def test_equal_values_are_equal_texts(value: object, text: str) -> None:
    """Compact, keys sorted, characters as they are; and it can be read again."""
    assert dumps(value) == text
    assert dumps(loads(text)) == text


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        [float("inf")],
        {1, 2},
        b"bytes",
        object(),
        {"a": "\ud800"},
        {"\udfff": 1},
        {(1, 2): 3},
        {1: 1, "a": 2},
        pytest.param(10**5000, id="huge"),
    ],
)
def test_what_json_does_not_know_is_refused(value: object) -> None:
    """With a JsonError, whatever kind of value it is."""
    with pytest.raises(JsonError, match="not a JSON value"):
        dumps(value)


def test_depth_is_the_same_both_ways() -> None:
    """What can be written can be read."""
    deepest = loads(nested(MAX_DEPTH))
    assert loads(dumps(deepest)) == deepest
    with pytest.raises(JsonError, match="nested over 100 deep"):
        dumps([deepest])
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(JsonError, match="Circular"):
        dumps(endless)
    for _ in range(100_000):
        deepest = [deepest]
    with pytest.raises(JsonError, match="nested over 100 deep"):
        dumps(deepest)


def test_error_is_a_value_error() -> None:
    """So that whoever validates with pydantic may raise it through."""
    assert issubclass(jsons.JsonError, ValueError)
