"""How a table looks on a terminal and in a pipe."""

import sys

import click
import pytest
from rich.cells import cell_len

from musterd.cli.output import STATUS, cut_middle, fit, print_table

TITLES = ("ID", "KIND", STATUS, "TRY", "NODE", "AGE", "WHY")
ERROR = "error: exit code 1: … ValueError: " + "no such thing, " * 20
FAILED = ("3d9c5f4e8ba2c1d07f6e.1", "check", "failed", "1", "build1", "3m12s")


def terminal(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    width: int,
    *rows: tuple[str, ...],
) -> list[str]:
    """The lines of a table on a terminal of this width."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_table(TITLES, rows)
    return click.unstyle(capsys.readouterr().out).splitlines()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("error", ["", ERROR, "error: " + "日本語のエラー" * 30, "e" * 5000])
def test_a_long_error_is_cut_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int, error: str
) -> None:
    """Whatever an error is, the other columns are whole, on one line that fits."""
    header, *lines = terminal(monkeypatch, capsys, width, (*FAILED, error), (*FAILED, ""))
    assert header.split() == list(TITLES)
    assert [tuple(line.split()[:6]) for line in lines] == [FAILED, FAILED]
    assert max(map(cell_len, [header, *lines])) <= width
    assert ("…" in lines[0]) == bool(error)


@pytest.mark.parametrize("width", [80, 120])
def test_a_long_id_is_cut_in_its_middle(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    """Of an id longer than half a line both ends are there; one of half a line is whole."""
    long, half = "task-" + "x" * 113 + ".2", "y" * (width // 2)
    rows = [(name, "summarise-each", *FAILED[2:], ERROR) for name in (long, half)]
    header, *lines = terminal(monkeypatch, capsys, width, *rows)
    assert header.split()[:3] == ["ID", "KIND", STATUS]
    shown = [line.split()[0] for line in lines]
    assert shown[0].startswith("task-x")
    assert shown[0].endswith("x.2")
    assert "…" in shown[0]
    assert shown[1] == half
    assert all("failed" in line and len(line) <= width for line in lines)
    assert len(lines) == 2


def test_a_pipe_gets_everything(capsys: pytest.CaptureFixture[str]) -> None:
    """In a pipe nothing is cut, however long; an empty cell is a dash."""
    row = ("i" * 120, "k" * 120, "failed", "1", "", "1s", ERROR.strip())
    print_table(TITLES, [row])
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split()[:6] == [*row[:4], "-", "1s"]
    assert ERROR.strip() in line


def test_no_rows(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A table without rows has its titles."""
    assert terminal(monkeypatch, capsys, 80) == ["ID  KIND  STATUS  TRY  NODE  AGE  WHY"]


def test_what_fits_is_left_alone() -> None:
    """Columns shrink only where they must, the text before anything else."""
    assert fit([10, 5, 9, 10], 80, 2, 30) == [10, 5, 9, 10]
    assert fit([10, 5, 9, 500], 80, 2, 30) == [10, 5, 9, 50]
    assert fit([70, 30, 9, 500], 80, 2, 30) == [40, 9, 9, 16]
    assert fit([70, 30, 9, 500], 60, 2, 30) == [30, 6, 9, 9]


@pytest.mark.parametrize(("width", "text"), [(8, "abcd…890"), (7, "abc…890"), (2, "a…"), (1, "…")])
def test_cut_middle(width: int, text: str) -> None:
    """The result is exactly as wide as is wanted."""
    assert cut_middle("abcdefghij1234567890", width) == text
