"""What the doctor finds in the kinds that MUSTERD_AGENTS names."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.doctor.conftest import Examine, one, told


@pytest.fixture
def toml(tmp_path: Path) -> Callable[..., str]:
    """Write a file of kinds; its path."""

    def write(text: str, name: str = "agents.toml") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


async def test_none(examined: Examine) -> None:
    """A daemon without kinds runs nothing, which is noted."""
    assert "MUSTERD_AGENTS names none" in one(await examined(), "note", "agent kinds")


async def test_sound_ones(examined: Examine, toml: Callable[..., str]) -> None:
    """Kinds that can be used are listed."""
    kinds = toml('[agents.b]\ncommand = ["true"]\n[agents.a]\ncommand = ["sh"]\n')
    assert told(await examined(agents=kinds), "ok", "agent kinds") == ["2 can be offered: a, b"]


async def test_every_mistake_is_told(examined: Examine, toml: Callable[..., str]) -> None:
    """Each source that cannot be used is a problem; the others are looked at all the same."""
    kinds = toml('[agents.a]\ncommand = ["true"]\ntimout = 3\n')
    report = await examined(agents=f"{kinds},absent.toml,no_such_module_at_all")
    first, second, third = told(report, "problem", "agent kinds")
    assert "line 3: agents.a.timout: there is no such key" in first
    assert "absent.toml: cannot be read" in second
    assert "no_such_module_at_all: cannot be imported" in third


async def test_same_kind_twice(examined: Examine, toml: Callable[..., str]) -> None:
    """Two sources with the same kind are a problem of the second."""
    text = '[agents.a]\ncommand = ["true"]\n'
    report = await examined(agents=f"{toml(text)},{toml(text, 'more.toml')}")
    assert "a is defined already" in one(report, "problem", "agent kinds")
    assert told(report, "ok", "agent kinds") == ["1 can be offered: a"]


async def test_programs_and_folders(
    examined: Examine, toml: Callable[..., str], tmp_path: Path
) -> None:
    """A program or a folder that is not there is a warning: it may come."""
    program = tmp_path / "check"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    kinds = toml(
        '[agents.gone]\ncommand = ["no-such-program"]\n'
        '[agents.lost]\ncommand = ["sh"]\nworking_directory = "absent"\n'
        '[agents.here]\ncommand = ["./check"]\nworking_directory = "."\n'
        '[agents.path]\ncommand = ["sh"]\nenvironment = { PATH = "/nowhere" }\n'
    )
    report = await examined(agents=kinds)
    assert told(report, "warning", "agent kinds") == [
        "gone: there is no program 'no-such-program' to run",
        f"lost: its folder {tmp_path / 'absent'} cannot be entered",
        "path: there is no program 'sh' to run",
    ]


async def test_module_that_prints(
    examined: Examine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a module prints while it is imported does not get into the data."""
    (tmp_path / "talking_kinds.py").write_text(
        "import musterd\nprint('hello')\n@musterd.agent('talk')\nasync def talk(ctx): return None\n"
    )
    report = await examined(agents="talking_kinds")
    assert told(report, "ok", "agent kinds") == ["1 can be offered: talk"]
    assert capsys.readouterr() == ("", "hello\n")
