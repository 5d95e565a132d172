"""The type that an agent's signature asks for, `ctx: Context[Page]`, and making one of a context.

Anything that pydantic can validate will do; mostly it is a model. A worker process imports this for
every attempt, so pydantic is imported only for an agent that asks.
"""

import inspect
import typing
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from musterd import jsons
from musterd.errors import KindError, shorten
from musterd.functions import AgentFunction
from musterd.jsons import Json
from musterd.runtimes.base import Context, ContextRejected

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError
    from pydantic_core import ErrorDetails

MOST: Final = 10_000
"""Mistakes of one context among which the first is looked for: it takes pydantic 4 µs each."""


class Model:
    """Makes of a JSON value what an agent asks for, by pydantic's rules for JSON."""

    def __init__(self, adapter: "TypeAdapter[Any]") -> None:
        self._adapter = adapter

    def check(self, value: Json) -> Any:
        """The value as the agent is given it.

        Raises:
            ContextRejected: it is not acceptable; names the field and what is accepted.
        """
        from pydantic import ValidationError  # noqa: PLC0415 - loaded since there is an adapter

        try:
            return self._adapter.validate_json(jsons.dumps(value))
        except ValidationError as error:
            raise ContextRejected(_say(error, value)) from None

    def document(self) -> dict[str, Any]:
        """Its JSON Schema. Raises what pydantic raises for a type that has none."""
        return self._adapter.json_schema(mode="validation")


def find_model(source: str, function: AgentFunction) -> Model | None:
    """What a function's signature asks for; None if it takes any context.

    Raises:
        KindError: its annotation cannot be read, or is no type that pydantic knows.
    """
    content = _find_content(source, inspect.unwrap(function))
    if content is Any or isinstance(content, TypeVar):
        return None
    from pydantic import TypeAdapter  # noqa: PLC0415 - see above

    try:
        adapter = TypeAdapter(content)
        if not adapter.pydantic_complete:  # a name in it was not known when it was defined
            adapter.rebuild()
    except Exception as error:
        why = str(error).partition("\n")[0]
        problem = f"{function.__qualname__}: contexts cannot be checked with {content!r}: {why}"
        raise KindError(source, problem) from error
    return Model(adapter)


def _find_content(source: str, function: AgentFunction) -> Any:
    """The `Page` of a first argument `ctx: Context[Page]`; Any for everything else."""
    parameter = next(iter(inspect.signature(function).parameters.values()))
    # Of this annotation alone: whatever else the signature names need not be there at run time.
    holder = SimpleNamespace(__annotations__={"ctx": parameter.annotation})
    try:
        hint = typing.get_type_hints(holder, function.__globals__)["ctx"]
    except Exception as error:
        if str(parameter.annotation).rpartition(".")[2] == Context.__name__:
            return Any  # imported for type checkers only, and asks for nothing
        problem = (
            f"{function.__qualname__}: its argument's type {parameter.annotation!r} cannot be "
            f"read: {error}; its names must be there at run time, not under TYPE_CHECKING alone"
        )
        raise KindError(source, problem) from error
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Context else Any


def _say(error: "ValidationError", value: Json) -> str:
    if (count := error.error_count()) > MOST:
        return f"context: {count} mistakes in it, too many to look for the first"
    # A misspelt key may be the reason why another is missing.
    first = min(
        error.errors(include_url=False, include_context=False),
        key=lambda one: one["type"] != "extra_forbidden",
    )
    place = shorten(jsons.name_place(_steps(first, value)))
    return f"{place}: {shorten(_explain(first))}"


def _steps(error: "ErrorDetails", value: Json) -> Iterator[str | int]:
    """Where it is: pydantic's place also names members of unions, which lead nowhere."""
    *_, last = (None, *error["loc"])
    for part in error["loc"]:
        if isinstance(value, dict) and part in value:
            value = value[str(part)]
            yield part
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part]
            yield part
        elif error["type"] == "missing" and part is last:
            yield part


def _explain(error: "ErrorDetails") -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such field"
    if error["type"] == "missing":
        return "is missing"
    return error["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
