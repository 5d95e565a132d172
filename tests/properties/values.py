"""JSON values and texts as hypothesis draws them, shared by the property tests."""

import json
from typing import Any

from hypothesis import strategies as st

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
"""Whatever JSON knows."""

NOT_JSON = st.sampled_from([
    float("nan"), float("inf"), -float("inf"), object(), {1, 2}, b"x", 1j, "\ud800", 10**5000,
])  # fmt: skip
"""What JSON does not know."""

FRAGMENTS = st.sampled_from([
    b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\\ud800", b"\\u0000", b'"', b"\\", b"{",
    b"}", b"[", b"]", b",", b":", b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"1e-999",
    b"9" * 30, b"9" * 5000, b"[" * 200, b'{"a":' * 200, b'"command":"drain",', b'"node":"n1",',
    b'"all":true,', b'"__proto__":{},', b"\n", b" ", "٣".encode(), "😀".encode(),
])  # fmt: skip
"""What breaks a JSON text, or changes what it says."""


@st.composite
def mutated(draw: st.DrawFn, texts: st.SearchStrategy[bytes]) -> bytes:
    """A text of these with up to three places cut, doubled or written over."""
    text = draw(texts)
    for _ in range(draw(st.integers(1, 3))):
        first = draw(st.integers(0, len(text)))
        last = min(len(text), first + draw(st.integers(0, 12)))
        put = draw(FRAGMENTS | st.binary(max_size=4) | st.just(text[first:last] * 2))
        text = text[:first] + put + text[last:]
    return text


def encoded(value: Any) -> bytes:
    """A value as its sender would write it."""
    return json.dumps(value).encode()
