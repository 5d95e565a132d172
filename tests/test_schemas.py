"""JSON Schemas: which can be used, and what they say to a context."""

import json
import tracemalloc
from typing import Any

import pytest

from musterd.errors import SHOWN, RejectedContextError
from musterd.jsons import Json
from musterd.schemas import MAX_PUBLISHED, JsonSchema, SchemaError, why_unpublished

DIALECT = "https://json-schema.org/draft/2020-12/schema"

PAGES: dict[str, Any] = {
    "type": "object",
    "required": ["pages"],
    "properties": {
        "pages": {"type": "array", "maxItems": 3, "items": {"$ref": "#/$defs/page"}},
        "mode": {"enum": ["fast", "slow"]},
        "a b": {"type": ["integer", "null"]},
    },
    "$defs": {
        "page": {
            "type": "object",
            "required": ["url"],
            "properties": {"url": {"type": "string"}},
            "additionalProperties": False,
        }
    },
}


@pytest.mark.parametrize(
    ("context", "field", "problem"),
    [
        (None, "context", "give object, not null"),
        ({}, "context.pages", "is missing"),
        ({"pages": [{"url": "a"}, {}]}, "context.pages[1].url", "is missing"),
        ({"pages": [{"url": True}]}, "context.pages[0].url", "give string, not true"),
        (
            {"pages": [{"url": "a", "ulr": "b"}]},
            "context.pages[0].ulr",
            "there is no such field; known: url",
        ),
        ({"pages": [], "mode": "x"}, "context.mode", "'x' is not one of ['fast', 'slow']"),
        ({"pages": [], "a b": "x"}, 'context["a b"]', 'give integer or null, not "x"'),
        ({"pages": [{"url": "a"}] * 4}, "context.pages", "is too long"),
    ],
)
def test_a_mistake_is_told_with_its_place(context: Json, field: str, problem: str) -> None:
    """The error names the kind, the field, and what is accepted there."""
    with pytest.raises(RejectedContextError) as caught:
        JsonSchema("crawl", PAGES).check(context)
    assert (caught.value.kind, caught.value.field) == ("crawl", field)
    assert problem in caught.value.problem
    assert str(caught.value) == f"crawl: {field}: {caught.value.problem}"


def test_what_is_accepted() -> None:
    """A context that meets the schema passes, and stays what it is."""
    context: Json = {"pages": [{"url": "a"}], "mode": "fast", "more": 1}
    schema = JsonSchema("crawl", PAGES)
    schema.check(context)
    assert schema.refusal(context) is None
    assert context == {"pages": [{"url": "a"}], "mode": "fast", "more": 1}


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"type": "strin"}, "type: 'strin' is not valid"),
        ({"properties": {"a": {"pattern": "("}}}, "properties.a.pattern: '(' is not a 'regex'"),
        ({"properties": 5}, "properties: 5 is not of type 'object'"),
        ({"$schema": "https://example.com/mine"}, "$schema: 'https://example.com/mine' is no"),
        ({"$schema": 7}, "$schema: 7 is no dialect"),
        ({"$schema": "http://json-schema.org/draft-04/schema#", "id": 5}, "id: 5 is not of type"),
        ({"$ref": "http://127.0.0.1:1/x"}, "$ref: 'http://127.0.0.1:1/x' leads nowhere"),
        ({"items": {"$ref": "other.json"}}, "$ref: 'other.json' leads nowhere in this schema"),
        ({"anyOf": [{"not": {"$ref": "#/$defs/a"}}]}, "$ref: '#/$defs/a' leads nowhere"),
        ({"allOf": [{}], "$ref": "#/allOf/x"}, "$ref: '#/allOf/x' leads nowhere"),
    ],
)
def test_what_cannot_be_used_is_refused(document: dict[str, Any], problem: str) -> None:
    """At once, with the place; a reference that leads outside is one such mistake."""
    with pytest.raises(SchemaError) as caught:
        JsonSchema("crawl", document)
    assert problem in str(caught.value)


def test_the_dialect_that_is_named_counts() -> None:
    """`exclusiveMaximum: true` is draft 4; and a list of items is a tuple before 2020-12."""
    draft = {"$schema": "http://json-schema.org/draft-04/schema#"}
    old = JsonSchema("k", draft | {"maximum": 3, "exclusiveMaximum": True})
    assert old.refusal(2) is None
    assert old.refusal(3) is not None
    with pytest.raises(SchemaError, match="exclusiveMaximum: True is not of type 'number'"):
        JsonSchema("k", {"maximum": 3, "exclusiveMaximum": True})


def test_references_within_are_followed() -> None:
    """By pointer, by anchor, by `$id`, and to the whole, also where a dialect is named."""
    document = {
        "$schema": DIALECT,
        "$id": "https://example.com/tree",
        "$defs": {"leaf": {"$anchor": "leaf", "type": "integer"}},
        "properties": {
            "left": {"$ref": "#"},
            "right": {"$ref": "https://example.com/tree"},
            "value": {"$ref": "#leaf"},
        },
    }
    schema = JsonSchema("k", document)
    assert schema.refusal({"left": {"right": {"value": 1}}}) is None
    refusal = schema.refusal({"left": {"right": {"value": "x"}}})
    assert refusal is not None
    assert refusal.field == "context.left.right.value"


def test_a_schema_without_an_end_refuses_nothing_beforehand() -> None:
    """That it cannot be applied is an error of the check, and no refusal of the context."""
    schema = JsonSchema("k", {"$ref": "#"})
    with pytest.raises(RecursionError):
        schema.check(1)
    assert schema.refusal(1) is None


@pytest.mark.parametrize("dialect", [{}, {"$schema": DIALECT}], ids=["default", "named"])
def test_many_mistakes_fill_no_memory(dialect: dict[str, Any]) -> None:
    """Of twenty thousand wrong items, inside `anyOf`, a few are looked at."""
    texts = {"type": "array", "items": {"type": "string"}}
    inner = {"type": "object", "properties": {"inner": {"$ref": "#"}}}
    schema = JsonSchema("k", dialect | {"anyOf": [texts, inner]})
    wrong: Json = {"inner": [0] * 20_000}
    tracemalloc.start()
    refusal = schema.refusal(wrong)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refusal is not None
    assert refusal.field == "context.inner[0]"
    assert peak < 10_000_000


def test_a_long_problem_is_cut() -> None:
    """Neither a large value nor a long name makes a long error."""
    schema = JsonSchema("k", {"additionalProperties": {"maxLength": 3}})
    refusal = schema.refusal({"x" * 5000: "y" * 5000})
    assert refusal is not None
    assert len(refusal.field) <= SHOWN + 1
    assert len(refusal.problem) <= SHOWN + 1
    assert refusal.problem.endswith("is too long")


def test_what_is_published_is_bounded() -> None:
    """A schema that is large, or nests as deep as a document may, is kept from the others."""
    assert why_unpublished(PAGES) is None
    large = {"description": "x" * MAX_PUBLISHED}
    assert str(why_unpublished(large)).endswith("characters of JSON, over 65536")
    deep: dict[str, Any] = json.loads('{"not":' * 99 + "{}" + "}" * 99)
    assert "nested over 100 deep" in str(why_unpublished(deep))
