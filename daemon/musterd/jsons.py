"""JSON from outside is read strictly; JSON of ours is written in one canonical form."""

import json
import math
from collections.abc import Iterable
from typing import Any, NoReturn, TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 100
MAX_DIGITS = 4300
"""Of a whole number: no Python reads more, unless it is told to."""


class JsonError(ValueError):
    """Text that is not JSON as we accept it; says what is wrong with it."""


def dumps(value: object) -> str:
    """Write compact JSON with sorted keys, so that equal values are equal texts.

    Raises:
        JsonError: the value holds something that JSON does not know, or nests too deep.
    """
    try:
        text = _encode(value)
        _check_depth(value)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise JsonError(f"not a JSON value: {_say(error)}") from None
    return text


def loads(data: bytes | str) -> Any:
    """Read one JSON document: at most 1 MiB, 100 levels, no key twice, no NaN, valid Unicode.

    A whole number has at most 4300 digits.

    Raises:
        JsonError: with the first thing that is wrong.
    """
    try:
        size = size_of(data)
    except UnicodeError:
        raise JsonError("not valid UTF-8") from None
    if size > MAX_BYTES:
        raise JsonError(f"{size} bytes, at most {MAX_BYTES} are accepted")
    try:
        text = data.decode() if isinstance(data, bytes) else data
        value = _DECODER.decode(text)
        _check_depth(value)
        if "\\u" in text:  # an escaped half of a surrogate pair decodes, but cannot be written
            _encode(value).encode()
    except UnicodeError:
        raise JsonError("not valid UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise JsonError(f"not JSON: {_say(error)}") from None
    return value


def size_of(data: bytes | str) -> int:
    """How many bytes of UTF-8 it is.

    Raises:
        UnicodeError: it is no Unicode.
    """
    return len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode())


def name_place(path: Iterable[str | int]) -> str:
    """Where a value stands in a context, for people: `context.pages[2].url`."""
    return "context" + "".join(map(_name_step, path))


def _name_step(part: str | int) -> str:
    if isinstance(part, str) and part.isidentifier():
        return f".{part}"
    return f"[{json.dumps(part, ensure_ascii=False)}]"


def _say(error: Exception) -> str:
    return f"nested over {MAX_DEPTH} deep" if isinstance(error, RecursionError) else str(error)


def _check_depth(value: object) -> None:
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in _children(parent)
            if isinstance(child, _CONTAINERS)
        ]
        if not level:
            return
    raise RecursionError


def _children(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, _CONTAINERS) else ()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object names a key twice")
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits} is too large a number")
    return number


def _readable(digits: str) -> int:
    if (count := len(digits.lstrip("-"))) > MAX_DIGITS:
        raise ValueError(f"a number of {count} digits, at most {MAX_DIGITS} are accepted")
    return int(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_CONTAINERS = (dict, list, tuple)
_encode = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode
_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_constant=_refuse_constant,
    parse_float=_finite,
    parse_int=_readable,
)
