"""Commands that are started again and again."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from musterd.runtimes.program import Program


def run(program: Program, given: Mapping[str, str] | None = None) -> str:
    """Start it and wait; what it wrote."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as answer:
        try:
            pid = program.start((reading, writing, writing), given or {})
        finally:
            os.close(writing)
        said = answer.read()
    os.waitpid(pid, 0)
    return said


def test_what_a_start_gives_wins() -> None:
    """Over what all starts have in common, which the next one finds as it was."""
    program = Program(["/usr/bin/env"], {"A": "1", "B": "é"}, None)
    assert sorted(run(program, {"B": "2", "C": "3 4"}).split("\n")) == ["", "A=1", "B=2", "C=3 4"]
    assert sorted(run(program).split("\n")) == ["", "A=1", "B=é"]


def test_its_own_path_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not ours; each time anew, so that a program may come, go and be replaced."""
    monkeypatch.setenv("PATH", "/nowhere")
    first, second = tmp_path / "first", tmp_path / "second"
    program = Program(["check", "x"], {"PATH": f"/nowhere:{first}:{second}"}, None)
    with pytest.raises(FileNotFoundError, match="'check'"):
        run(program)
    for folder in (second, first):
        folder.mkdir()
        (folder / "check").write_text(f"#!/bin/sh\necho {folder.name} $1")
        (folder / "check").chmod(0o755)
        assert run(program) == f"{folder.name} x\n"
    (first / "check").unlink()
    assert run(program) == "second x\n"


def test_path_is_one_from_its_folder(tmp_path: Path) -> None:
    """As the shell sees it that is told to change there first."""
    (tmp_path / "check").write_text('#!/bin/sh\necho "$0" "$PWD"')
    (tmp_path / "check").chmod(0o755)
    assert run(Program(["./check"], {}, tmp_path)) == f"./check {tmp_path}\n"


def test_variable_that_nobody_could_read_is_refused() -> None:
    """What stands before the first `=` is the name, always."""
    with pytest.raises(ValueError, match="'A=B'"):
        run(Program(["true"], {"A=B": "1"}, None))
