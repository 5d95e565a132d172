"""JSON Schemas: read with care, published with a kind, and held against contexts.

Nothing is ever fetched: a `$ref` that leads out of a schema makes it unusable. `jsonschema` is
imported with the first schema, so that whoever meets none starts faster.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import anyio.to_thread

from musterd import jsons
from musterd.errors import RejectedContextError
from musterd.jsons import Json, name_place

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator
    from referencing import Resource
    from referencing._core import Resolver

MAX_PUBLISHED: Final = 64 * 1024
"""Characters of a schema that is published: daemons write it, and the server reads it, often."""

MOST: Final = 20
"""Mistakes that one keyword tells of. All of them, in a context of 1 MiB, would fill 1 GB."""

_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")

_CHECKS: Final = anyio.CapacityLimiter(4)
"""Of its own, so that agents which use up all other threads hold up no check."""

Value = TypeVar("Value")
Answer = TypeVar("Answer")


class SchemaError(ValueError):
    """A document is no JSON Schema that can be used; says where it is wrong, and what."""


class JsonSchema:
    """The schema of a kind's contexts.

    Args:
        kind: named by what is refused.
        document: the schema; of draft 2020-12 unless `$schema` names another.

    Raises:
        SchemaError: it cannot be used.
    """

    def __init__(self, kind: str, document: dict[str, Any]) -> None:
        self.document = document
        self._kind = kind
        self._validator = _read(document)

    def check(self, value: Json) -> None:
        """Hold a context against it; one of 1 MiB may take some seconds.

        Raises:
            RejectedContextError: with the place and what is accepted there.
        """
        from jsonschema.exceptions import best_match  # noqa: PLC0415 - loaded with the validator

        error = best_match(islice(self._validator.iter_errors(value), MOST))
        if error is not None:
            raise RejectedContextError(self._kind, *_say(error))

    def refusal(self, value: Json) -> RejectedContextError | None:
        """Why a context will be rejected; None if it may not be, or that cannot be said."""
        try:
            self.check(value)
        except RejectedContextError as error:
            return error
        except Exception:  # noqa: BLE001 - a schema that never ends, say: the claim decides
            return None
        return None


async def aside(work: Callable[[Value], Answer], value: Value) -> Answer:
    """Do `work(value)` in a thread: a large context is no reason to stand still."""
    return await anyio.to_thread.run_sync(work, value, limiter=_CHECKS, abandon_on_cancel=True)


def why_unpublished(document: dict[str, Any]) -> str | None:
    """Why a schema cannot be published with its kind; None if it can."""
    try:
        size = len(jsons.dumps({"schema": document}))
    except jsons.JsonError as error:
        return str(error)
    return f"{size} characters of JSON, over {MAX_PUBLISHED}" if size > MAX_PUBLISHED else None


def _read(document: dict[str, Any]) -> "Validator":
    import jsonschema  # noqa: PLC0415 - see above
    from referencing import Registry  # noqa: PLC0415 - as above

    kind = _dialect(document)
    try:
        kind.check_schema(document)
    except jsonschema.SchemaError as error:
        raise SchemaError(f"{_dotted(error.absolute_path)}: {error.message}") from None
    _check_references(kind, document)
    bounded = {name: _bounded(keyword) for name, keyword in kind.VALIDATORS.items()}
    extend: Any = jsonschema.validators.extend  # without types in its stubs
    # With its `$schema`, a reference to the whole would be followed by the unbounded class.
    bare = {name: part for name, part in document.items() if name != "$schema"}
    validator: Validator = extend(kind, bounded)(bare, registry=Registry())
    return validator


def _dialect(document: dict[str, Any]) -> Any:
    """The class that implements the dialect of a schema."""
    from jsonschema import Draft202012Validator, validators  # noqa: PLC0415 - see above

    name = document.get("$schema")
    if name is None:
        return Draft202012Validator
    unknown: Any = None
    found = validators.validator_for(document, unknown) if isinstance(name, str) else unknown
    if found is unknown:
        raise SchemaError(
            f"$schema: {name!r} is no dialect that is known; give one of json-schema.org"
        )
    return found


def _check_references(kind: Any, document: dict[str, Any]) -> None:
    from referencing import Registry, jsonschema  # noqa: PLC0415 - see above

    dialect = kind.ID_OF(kind.META_SCHEMA)
    root = jsonschema.specification_with(dialect).create_resource(document)
    for resource, resolver in _parts(root, Registry().resolver_with_root(root)):
        _check_part(resource.contents, resolver)


def _parts(
    resource: "Resource[Any]", resolver: "Resolver[Any]"
) -> "Iterator[tuple[Resource[Any], Resolver[Any]]]":
    """All schemas in a schema, each with what resolves its references."""
    resolver = resolver.in_subresource(resource)
    yield resource, resolver
    for part in resource.subresources():
        yield from _parts(part, resolver)


def _check_part(part: Any, resolver: "Resolver[Any]") -> None:
    from referencing.exceptions import Unresolvable  # noqa: PLC0415 - see above

    for keyword in _REFERENCES if isinstance(part, dict) else ():
        try:
            if keyword in part:
                resolver.lookup(part[keyword])
        except (Unresolvable, ValueError, TypeError):  # the latter for a pointer into a text
            problem = "leads nowhere in this schema, and nothing is fetched; put it below $defs"
            raise SchemaError(f"{keyword}: {part[keyword]!r} {problem}") from None


def _bounded(keyword: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *given: islice(keyword(*given) or (), MOST)


def _say(error: "ValidationError") -> tuple[str, str]:
    """The place of a mistake, and what is accepted there."""
    path, instance, schema = list(error.absolute_path), error.instance, error.schema
    if error.validator == "type":
        wanted: Any = error.validator_value
        names = [wanted] if isinstance(wanted, str) else map(str, wanted)
        return name_place(path), f"give {' or '.join(names)}, not {jsons.dumps(instance)}"
    if not isinstance(instance, dict) or not isinstance(schema, dict):
        return name_place(path), error.message
    if error.validator == "required" and isinstance(error.validator_value, list):
        missing = next(name for name in error.validator_value if name not in instance)
        return name_place([*path, missing]), "is missing"
    if error.validator == "additionalProperties" and "patternProperties" not in schema:
        known = schema.get("properties", {})
        extra = next(name for name in instance if name not in known)
        return name_place([*path, extra]), f"there is no such field; known: {', '.join(known)}"
    return name_place(path), error.message


def _dotted(path: Any) -> str:
    return ".".join(map(str, path)) or "the schema"
