"""The kinds that a daemon offers."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from musterd.errors import KindError
from musterd.kinds import Kind, load_kinds
from musterd.runtimes.coroutine import CoroutineRuntime
from musterd.runtimes.process import ProcessRuntime
from tests.support.contexts import make_context, run_for_value

MODULE = """
import os
from musterd.functions import agent

@agent("coroutine", timeout=2)
async def one(ctx):
    return [ctx.context, os.getpid()]

@agent("function", max_concurrent=3)
def two(ctx):
    return [ctx.context, os.getpid()]
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A current folder with a module and a TOML file."""
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    (tmp_path / "my_agents.py").write_text(MODULE)
    (tmp_path / "agents.toml").write_text(
        '[agents.command]\ncommand = ["sh", "-c", "pwd; cat > $MUSTERD_RESULT"]\nbackoff = 0\n'
    )
    yield tmp_path
    sys.path[:] = path
    sys.modules.pop("my_agents", None)


def load(*sources: str) -> dict[str, Kind]:
    """Load kinds; results go below the current folder."""
    return load_kinds(sources, Path("scratch"))


def test_kinds_of_all_sources() -> None:
    """Commands and plain functions run in a process, coroutines here."""
    kinds = load("agents.toml", "my_agents")
    assert {name: type(kind.runtime) for name, kind in kinds.items()} == {
        "command": ProcessRuntime,
        "coroutine": CoroutineRuntime,
        "function": ProcessRuntime,
    }
    assert kinds["coroutine"].timeout == 2
    assert kinds["function"].max_concurrent == 3
    assert kinds["command"].backoff == 0
    assert kinds["command"].defaults()["backoffMax"] == 60


CHECKED = """
from collections.abc import Callable
from musterd.functions import agent
from musterd.runtimes.base import Context
from pydantic import BaseModel, Field

class Page(BaseModel):
    url: str

class Large(BaseModel):
    url: str = Field(description="x" * 70_000)

@agent("coroutine")
async def one(ctx: Context[Page]): ...

@agent("function")
def two(ctx: Context[Page]): ...

@agent("large")
async def three(ctx: Context[Large]): ...

@agent("formless")
async def four(ctx: Context[Callable[[], None]]): ...
"""


def test_schemas_are_published(folder: Path) -> None:
    """A model's and a file's; one that is too large, or cannot be written, says why not."""
    (folder / "my_agents.py").write_text(CHECKED)
    (folder / "schema.json").write_text('{"type": "array"}')
    (folder / "agents.toml").write_text('[agents.a]\ncommand = ["a"]\nschema = "schema.json"')
    kinds = load("agents.toml", "my_agents")
    assert kinds["a"].offer(7) == kinds["a"].defaults() | {"schema": {"type": "array"}}
    for name in ("coroutine", "function"):
        schema = kinds[name].schema
        assert schema is not None
        assert (schema["required"], kinds[name].unpublished) == (["url"], None)
    assert {"schema"} - kinds["large"].offer(7).keys() == {"schema"}
    assert "characters of JSON, over 65536" in str(kinds["large"].unpublished)
    assert "Cannot generate a JsonSchema" in str(kinds["formless"].unpublished)


def test_no_sources_offer_nothing() -> None:
    """A daemon may run without kinds."""
    assert load() == {}


def test_a_kind_that_is_defined_twice_is_refused(folder: Path) -> None:
    """The error names both places."""
    (folder / "more.toml").write_text('[agents.function]\ncommand = ["true"]')
    with pytest.raises(KindError) as caught:
        load("my_agents", "more.toml")
    assert str(caught.value) == (
        "MUSTERD_AGENTS: more.toml: function is defined already, in my_agents"
    )


async def test_each_kind_runs() -> None:
    """Three ways to say it, one way to run it."""
    kinds = load("agents.toml", "my_agents")
    results = {
        name: await run_for_value(kind.runtime, make_context(context=7, kind=name))
        for name, kind in kinds.items()
    }
    assert results["command"] == 7
    assert results["coroutine"] == [7, os.getpid()]
    assert results["function"] != results["coroutine"]
