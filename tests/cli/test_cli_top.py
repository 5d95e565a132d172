"""`musterd top` as a program on a terminal."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Cli, Program, as_client

SCREEN_TAKEN, SCREEN_GIVEN_BACK = b"\x1b[?1049h", b"\x1b[?1049l"
LIMIT = 20.0


class Terminal:
    """A program on a terminal of its own, and all that it wrote there."""

    def __init__(self, program: Program, **env: str) -> None:
        self.ours, theirs = pty.openpty()
        given = {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"} | env
        self.process = program("top", env=given, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        self.drawn = b""

    def wait_for(self, text: bytes) -> None:
        """Read until a text was drawn."""
        deadline = time.monotonic() + LIMIT
        while text not in self.drawn:
            assert time.monotonic() < deadline, self.drawn[-2000:]
            assert self._read(), self.drawn[-2000:]

    def end(self) -> int:
        """Read all that is left; the exit code."""
        while self._read():
            pass
        return self.process.wait(LIMIT)

    def _read(self) -> bool:
        if not select.select([self.ours], [], [], LIMIT)[0]:
            return False
        try:
            data = os.read(self.ours, 65_536)
        except OSError:  # how Linux tells that the other end was closed
            return False
        self.drawn += data
        return bool(data)


@pytest.fixture
def terminal(program: Program) -> Iterator[Terminal]:
    """`musterd top` on a terminal."""
    found = Terminal(program)
    yield found
    os.close(found.ours)


@pytest.mark.leaves_work("a submitted task that nobody runs")
def test_watch_and_quit(program: Program) -> None:
    """It draws on the terminal's other screen, and gives it back at the end; q is exit 0."""
    as_client(lambda client: client.submit("check"))
    terminal = Terminal(program)
    terminal.wait_for(b"No agent is alive.")
    os.write(terminal.ours, b"q")
    assert terminal.end() == 0
    assert terminal.drawn.index(SCREEN_TAKEN) < terminal.drawn.index(SCREEN_GIVEN_BACK)
    assert b"Traceback" not in terminal.drawn
    os.close(terminal.ours)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["term", "int"]
)
def test_signals_give_the_terminal_back(
    terminal: Terminal, number: signal.Signals, code: int
) -> None:
    """A signal ends it with 128 + its number, and leaves no terminal in disorder."""
    terminal.wait_for(b"No agent is alive.")
    terminal.process.send_signal(number)
    assert terminal.end() == code
    assert SCREEN_GIVEN_BACK in terminal.drawn
    assert b"Traceback" not in terminal.drawn


def test_ctrl_c_quits(terminal: Terminal) -> None:
    """Ctrl-C, a key like another here, quits."""
    terminal.wait_for(b"No agent is alive.")
    os.write(terminal.ours, b"\x03")
    assert terminal.end() == 0


def test_no_color(program: Program) -> None:
    """With NO_COLOR no colour is set, by any way that terminals know."""
    terminal = Terminal(program, NO_COLOR="1")
    terminal.wait_for(b"No agent is alive.")
    os.write(terminal.ours, b"q")
    assert terminal.end() == 0
    styles = re.findall(rb"\x1b\[([0-9;]*)m", terminal.drawn)
    set_by = {int(code or 0) for style in styles for code in style.split(b";")}
    assert set_by <= {*range(10), *range(20, 30), 39, 49}
    os.close(terminal.ours)


def test_not_a_terminal_is_exit_2(cli: Cli) -> None:
    """In a pipe it says in one line what to use instead."""
    outcome = cli("top")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("musterd: top needs a terminal; ")
    assert outcome.err.count("\n") == 1


def test_unreachable_server_is_exit_5(program: Program) -> None:
    """What cannot be reached at all is one line, before the terminal is touched."""
    terminal = Terminal(program, VALKEY_URL="redis://127.0.0.1:1")
    code = terminal.end()
    assert code == 5
    assert terminal.drawn.startswith(b"musterd: Valkey at redis://127.0.0.1:1")
    assert b"is not reachable" in terminal.drawn
    assert terminal.drawn.count(b"\n") == 1
    os.close(terminal.ours)


def test_other_commands_do_without_textual() -> None:
    """Only `musterd top` imports the library that draws, and its help does not."""
    code = (
        "import sys, musterd.cli.program as m, musterd.client, musterd.service;"
        "m.run(['--help']); m.run(['top', '--help']); m.run(['top']);"
        "print(sorted(name for name in sys.modules if name.startswith('textual')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout.splitlines()[-1] == "[]"
