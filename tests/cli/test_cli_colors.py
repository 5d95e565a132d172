"""Colours: on a terminal, unless somebody does not want them; never elsewhere, never in JSON."""

import os
import pty
from collections.abc import Callable
from typing import TypeAlias

import pytest

from musterd.moves import Ending
from musterd.states import Reason
from tests.cli.conftest import Cli, Hand, Program, as_daemon

pytestmark = pytest.mark.leaves_work("what is shown")

Terminal: TypeAlias = Callable[..., str]

COLOURED = (
    ("ps", "--all"),
    ("show", "bad"),
    ("show", "bad.1"),
    ("events",),
    ("doctor",),
)
PLAIN = (
    ("--help",),
    ("ps", "--help"),
    ("--version",),
    ("ps", "--all", "--json"),
    ("show", "bad", "--json"),
    ("events", "--json"),
    ("doctor", "--json"),
    ("submit", "k-bad", "--id", "more", "--json"),
    ("kill", "waits", "--json"),
    ("pause",),
    ("show", "nothing"),
    ("completion", "bash"),
)


@pytest.fixture
def terminal(cli: Cli, program: Program) -> Terminal:
    """What a command shows on a terminal, escape sequences and all, with something to colour."""
    for task_id in ("bad", "waits"):
        assert cli("submit", f"k-{task_id}", "--id", task_id).code == 0

    async def work(hand: Hand) -> None:
        await hand.end(await hand.run("k-bad"), Ending("failed", Reason.ERROR, "no \x1b[31mgood"))

    as_daemon(work)

    def show(*arguments: str, **env: str) -> str:
        ours, theirs = pty.openpty()
        process = program(
            *arguments, stdout=theirs, stderr=theirs, env={"TERM": "xterm-256color"} | env
        )
        os.close(theirs)
        shown = b""
        while data := read(ours):
            shown += data
        os.close(ours)
        process.wait(20)
        assert shown
        return shown.decode()

    return show


def read(file: int) -> bytes:
    """What comes next; nothing once the terminal is closed, which Linux tells as an error."""
    try:
        return os.read(file, 65_536)
    except OSError:
        return b""


@pytest.mark.parametrize("arguments", COLOURED, ids=" ".join)
def test_coloured_on_a_terminal_alone(
    terminal: Terminal, cli: Cli, arguments: tuple[str, ...]
) -> None:
    """There, unless NO_COLOR is set or the terminal is dumb; an empty NO_COLOR is none."""
    assert "\x1b[" in terminal(*arguments, NO_COLOR="")
    assert "\x1b" not in terminal(*arguments, NO_COLOR="1")
    assert "\x1b" not in terminal(*arguments, TERM="dumb")
    assert "\x1b" not in "".join(cli(*arguments)[1:])


@pytest.mark.parametrize("arguments", PLAIN, ids=" ".join)
def test_never_coloured(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    """JSON, help and plain sentences, on a terminal too."""
    assert "\x1b" not in terminal(*arguments)
