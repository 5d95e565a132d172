"""Marking functions as agents, and finding them."""

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from musterd.errors import KindError
from musterd.functions import OptionError, Options, agent, find, options_of

WriteModule = Callable[[str], str]


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WriteModule]:
    """Writes a module into the current folder; returns its name."""
    monkeypatch.chdir(tmp_path)
    path, modules = list(sys.path), set(sys.modules)
    names = (f"agents_{number}" for number in itertools.count())

    def write(source: str) -> str:
        name = next(names)
        (tmp_path / f"{name}.py").write_text(f"from musterd.functions import agent\n{source}")
        return name

    yield write
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


TWO = """
@agent("one", timeout=3)
async def one(ctx): ...
@agent("two")
def two(ctx): ...
again = one
both = (one, two)
number = 1
"""


def find_names(source: str) -> list[str]:
    """The names of the kinds that are found."""
    return [options.name for options, _ in find(source)]


def test_a_marked_function_stays_what_it_is() -> None:
    """The mark is told apart from the function, which can be called as before."""

    def count(ctx: Any) -> int:
        return len(ctx)

    marked = agent("count", timeout=2.5, max_attempts=3)(count)
    assert marked is count
    assert marked([1, 2]) == 2
    assert options_of(count) == Options(name="count", timeout=2.5, max_attempts=3)
    assert options_of(len) is None


@pytest.mark.parametrize(
    "options",
    [
        {"name": "a b"},
        {"name": ""},
        {"name": "x" * 121},
        {"name": len},
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"timeout": "5"},
        {"timeout": True},
        {"timeout": 0.0009},
        {"timeout": 315_360_001},
        {"timeout": 10**400},
        {"max_attempts": 0},
        {"max_attempts": 1.5},
        {"max_attempts": 10_001},
        {"max_concurrent": 0},
        {"max_concurrent": 1_000_001},
        {"backoff": -1},
        {"backoff_max": float("inf")},
    ],
)
def test_a_bad_option_is_refused_at_once(options: dict[str, Any]) -> None:
    """The error names the option, its value and what is accepted."""
    ((option, value),) = options.items()
    with pytest.raises(OptionError, match=f"^{option}: .* is not accepted; give ") as caught:
        agent(**({"name": "check"} | options))
    assert repr(value)[:200] in str(caught.value)


def test_what_cannot_be_an_agent_is_refused() -> None:
    """A class, a generator, a function without an argument, and one that is marked already."""

    def generate(_: Any) -> Iterator[int]:
        yield 1

    async def generate_slowly(_: Any) -> Any:
        yield 1

    def take_nothing() -> None: ...

    for wrong in (int, generate, generate_slowly, take_nothing, agent("x")(lambda _: None)):
        with pytest.raises(TypeError, match="agent 'check': "):
            agent("check")(wrong)


def test_defaults_are_published_in_camel_case() -> None:
    """What is not given is absent."""
    assert Options(name="a").defaults() == {"maxAttempts": 1, "backoff": 1.0, "backoffMax": 60.0}
    given = Options(name="a", timeout=2, max_concurrent=3).defaults()
    assert given["timeout"] == 2
    assert given["maxConcurrent"] == 3


def test_find_by_module_and_attribute(write_module: WriteModule) -> None:
    """A module means all in it, each once; an attribute one function, or a collection."""
    module = write_module(TWO)
    assert find_names(module) == ["one", "two"]
    assert find_names(f"{module}:two") == ["two"]
    assert find_names(f"{module}:both") == ["one", "two"]


@pytest.mark.parametrize(
    ("source", "attribute", "problem"),
    [
        ("", "", "holds no function that is marked"),
        ("1 / 0", "", "cannot be imported: ZeroDivisionError: division by zero"),
        ("raise SystemExit(1)", "", "cannot be imported: SystemExit: 1"),
        (TWO, ":three", "has no attribute 'three'"),
        (TWO, ":number", "1 is not marked with @musterd.agent"),
        ("@agent('a', timeout=0)\ndef a(ctx): ...", "", "OptionError: timeout: 0 is not accepted"),
    ],
)
def test_what_cannot_be_found_is_told(
    write_module: WriteModule, source: str, attribute: str, problem: str
) -> None:
    """The error names the source and what is wrong with it."""
    path = write_module(source) + attribute
    with pytest.raises(KindError) as caught:
        find(path)
    assert str(caught.value).startswith(f"MUSTERD_AGENTS: {path}: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("\n1 / 0", 3),
        ("import no_such_module", 2),
        ("def check():\n    raise ValueError('no')\n\ncheck()", 3),
        ("\n@agent('a', timeout=0)\ndef a(ctx): ...", 3),
        ("@agent\ndef a(ctx): ...", 2),
    ],
)
def test_a_module_that_raises_is_told_with_its_place(
    write_module: WriteModule, tmp_path: Path, source: str, line: int
) -> None:
    """File and line of what raised; not those of the import, and not ours."""
    module = write_module(source)
    with pytest.raises(KindError) as caught:
        find(module)
    assert str(caught.value).endswith(f", at {tmp_path / module}.py:{line}")


def test_a_mark_without_a_name_is_told(write_module: WriteModule) -> None:
    """A bare `@agent`: the error says what to write."""
    with pytest.raises(KindError, match=r'it has no name; write @musterd\.agent\("check"\)'):
        find(write_module("@agent\ndef check(ctx): ..."))


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("my/agents.py", "give its import path, my.agents"),
        ("./my/agents.py:check", "give its import path, my.agents:check"),
        ("/srv/agents.py", "give a module's import path, such as my.agents"),
        ("my-agents.py", "give a module's import path, such as my.agents"),
    ],
)
def test_a_file_instead_of_a_module(source: str, hint: str) -> None:
    """Who names a file is told the import path, where there is one."""
    with pytest.raises(KindError) as caught:
        find(source)
    assert str(caught.value).endswith(f"; {hint}")


@pytest.mark.parametrize("name", ["no_such_module", "", ".relative", "a b", "os.path.x"])
def test_a_module_that_is_not_there(name: str) -> None:
    """Whatever is given as a name, the error is ours."""
    with pytest.raises(KindError, match="cannot be imported"):
        find(name)
