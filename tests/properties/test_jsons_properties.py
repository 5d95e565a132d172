"""JSON: nothing but JsonError, one form for equal values, and what is read can be written."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musterd.jsons import MAX_BYTES, JsonError, dumps, loads
from tests.properties.values import JSON, NOT_JSON, encoded, mutated


@given(JSON)
def test_round_trip(value: Any) -> None:
    """What is written is read as it was, and written again is the same text."""
    text = dumps(value)
    assert loads(text) == loads(text.encode()) == value
    assert dumps(loads(text)) == text


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), JSON, max_size=6))
def test_order_does_not_matter(value: dict[str, Any]) -> None:
    """Equal objects are equal texts, in whichever order they were made."""
    assert dumps(dict(reversed(value.items()))) == dumps(value)


@given(st.binary() | st.text() | mutated(JSON.map(encoded)))
def test_any_text_is_read_or_refused(data: bytes | str) -> None:
    """With JsonError and nothing else; what is read can be written, and reads the same again."""
    with contextlib.suppress(JsonError):
        value = loads(data)
        assert loads(dumps(value)) == value


@given(st.lists(JSON, max_size=3), NOT_JSON, st.integers(0, 150))
def test_what_json_does_not_know_is_refused(beside: list[Any], bad: Any, depth: int) -> None:
    """However deep it hides."""
    for _ in range(depth):
        bad = [bad] if depth % 2 else {"a": bad}
    with pytest.raises(JsonError):
        dumps([*beside, bad])


@pytest.mark.parametrize("letter", ["x", "é", "€", "😀"])
def test_size_is_in_bytes(letter: str) -> None:
    """As text or as bytes, whatever its letters take."""
    fits = '"' + letter * ((MAX_BYTES - 2) // len(letter.encode())) + '"'
    for text in (fits, fits.encode()):
        assert loads(text)
    for text in (fits[:-1] + letter + '"', (fits[:-1] + letter + '"').encode()):
        with pytest.raises(JsonError, match="at most 1048576 are accepted"):
            loads(text)


@given(st.text(st.characters(categories=["Cs"]), min_size=1))
def test_half_a_character_is_no_text(halves: str) -> None:
    """Lone surrogates, as an argument of a command line that is not UTF-8 brings them."""
    with pytest.raises(JsonError, match="not valid UTF-8"):
        loads(f'"{halves}"')
