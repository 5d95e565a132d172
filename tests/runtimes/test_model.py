"""What an agent's signature asks for, and what is made of a context."""

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import AfterValidator, BaseModel

import musterd  # noqa: TC001 - annotations are looked up here
from musterd.errors import KindError
from musterd.functions import agent
from musterd.jsons import Json
from musterd.runtimes import model
from musterd.runtimes.base import AgentFailed, Context, ContextRejected
from musterd.runtimes.coroutine import CoroutineRuntime
from musterd.runtimes.model import Model, find_model
from tests.support.contexts import make_context, run_for_value

if TYPE_CHECKING:
    from musterd.client import Client as Elsewhere


def few(pages: list["Page"]) -> list["Page"]:
    """At most two; a third is a fault of this validator, a fourth exits."""
    if len(pages) == 3:
        raise RuntimeError("a fault of the validator")
    if len(pages) == 4:
        raise SystemExit(3)
    assert len(pages) < 5, "give fewer pages"
    return pages


class Page(BaseModel, extra="forbid"):
    """One page."""

    url: str
    seen: dt.date | None = None
    parts: list[int] | int = 0


class Crawl(BaseModel):
    """What an agent may ask for."""

    pages: Annotated[list[Page], AfterValidator(few)]


class Lost(BaseModel):
    """A model with a name that nobody knows."""

    page: "Nowhere"  # type: ignore[name-defined]  # noqa: F821 - that is the mistake


async def crawl(ctx: Context[Crawl]) -> Json:
    """Look at what came."""
    return [type(ctx.context).__name__, *(page.url for page in ctx.context.pages)]


def found(function: Callable[..., Any]) -> Model:
    """The model of a function that has one."""
    asked = find_model("here", function)
    assert asked is not None
    return asked


def test_forms_that_ask_for_nothing() -> None:
    """No annotation, a plain context, Any, a name for type checkers alone: any context will do."""

    def bare(ctx): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - tried here
    def plain(ctx: Context) -> None: ...
    def anything(ctx: Context[Any]) -> None: ...
    def text(ctx: "Context") -> "Elsewhere": ...  # type: ignore[empty-body]
    def foreign(ctx: "musterd.Context") -> None: ...
    def other(ctx: dict[str, str]) -> None: ...

    for function in (bare, plain, anything, text, foreign, other):
        assert find_model("here", function) is None

    def checked(ctx: "Unknown.Context") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    assert find_model("here", checked) is None


def test_forms_that_ask() -> None:
    """As it stands or as text, of a model or of any type that pydantic knows."""

    def text(ctx: "Context[Page]") -> None: ...
    def inner(ctx: Context["Page"]) -> None: ...
    def plain(ctx: Context[list[int]]) -> None: ...
    def public(ctx: "musterd.Context[Page]", _more: "Elsewhere | None" = None) -> None: ...

    for function in (text, inner, public):
        assert found(function).check({"url": "a"}) == Page(url="a")
    assert found(plain).check([1, 2]) == [1, 2]
    assert agent("marked")(text) is text


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        ("Context[Nowhere]", "name 'Nowhere' is not defined; its names must be there at run time"),
        ("Context[", "its argument's type 'Context[' cannot be read"),
        (Context[model.Model], "contexts cannot be checked with <class"),
        (Context[Lost], "name 'Nowhere' is not defined"),
    ],
)
def test_a_type_that_cannot_be_used_is_told(annotation: Any, problem: str) -> None:
    """The error names the source and the function."""

    def wrong(ctx: Any) -> None: ...

    wrong.__annotations__["ctx"] = annotation
    with pytest.raises(KindError) as caught:
        find_model("my.agents", wrong)
    assert str(caught.value).startswith("MUSTERD_AGENTS: my.agents: test_a_type_that")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("context", "problem"),
    [
        (None, "context: Input should be an object"),
        ({}, "context.pages: is missing"),
        (
            {"pages": [{"url": "a"}, {"url": 5}]},
            "context.pages[1].url: Input should be a valid str",
        ),
        ({"pages": [{"ulr": "a"}]}, "context.pages[0].ulr: there is no such field"),
        (
            {"pages": [{"url": "a", "parts": [1, "x"]}]},
            "context.pages[0].parts[1]: Input should be",
        ),
        ({"pages": [{"url": "a", "parts": "x"}]}, "context.pages[0].parts: Input should be"),
        ({"pages": [{"url": "a"}] * 5}, "context.pages: give fewer pages"),
    ],
)
def test_a_mistake_is_told_with_its_place(context: Json, problem: str) -> None:
    """The place is one of the context, whatever pydantic calls the members of a union."""
    with pytest.raises(ContextRejected) as caught:
        found(crawl).check(context)
    assert problem in str(caught.value)


def test_json_is_read_as_json() -> None:
    """A date comes as text, also for a model that is strict."""

    class Strict(BaseModel, strict=True):
        day: dt.date
        way: Literal["in", "out"]

    def strict(ctx: Context[Strict]) -> None: ...

    day = found(strict).check({"day": "2026-11-22", "way": "in"}).day
    assert day == dt.date(2026, 11, 22)


def test_too_many_mistakes_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of very many would hold up the daemon for seconds."""
    monkeypatch.setattr(model, "MOST", 3)

    def numbers(ctx: Context[list[int]]) -> None: ...

    with pytest.raises(ContextRejected, match="context: 4 mistakes in it"):
        found(numbers).check(["x"] * 4)


async def test_a_coroutine_is_given_the_model() -> None:
    """What the signature asks for is what the agent sees."""
    runtime = CoroutineRuntime(crawl, found(crawl))
    context = make_context(context={"pages": [{"url": "a"}]})
    assert await run_for_value(runtime, context) == ["Crawl", "a"]


async def test_a_validator_that_fails_fails_its_agent() -> None:
    """A fault passes as it is, and an exit ends nothing but the agent."""
    runtime = CoroutineRuntime(crawl, found(crawl))
    with pytest.raises(RuntimeError, match="a fault of the validator"):
        await runtime.run(make_context(context={"pages": [{"url": "a"}] * 3}))
    with pytest.raises(AgentFailed, match="raised SystemExit: 3"):
        await runtime.run(make_context(context={"pages": [{"url": "a"}] * 4}))
