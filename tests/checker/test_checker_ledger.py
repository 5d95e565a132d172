"""The ledger accepts bodies that did what the events say, and names each planted difference."""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checker.event import Event
from tests.checker.history import History
from tests.checker.ledger import Ledger, entry

MS = 1_000_000
GONE = 2**22 + 1
"""More than any process id."""

_NOTE = """
note() { echo "$1 $MUSTERD_AGENT_ID $2 $(date +%s%N)" >> "$LEDGER/ledger"; }
note start $$; trap 'note end exit' EXIT
"""


class Run:
    """A history and what its bodies write meanwhile, each line at the history's present time."""

    def __init__(self, folder: Path, lost_limit: float = 0) -> None:
        self.history = History("p")
        self.ledger = Ledger(folder, lost_limit)
        self._file = folder / "ledger"

    def note(self, what: str, agent_id: str, third: str | int = GONE, after: int = 0) -> None:
        """Append a line, `after` ms later than the last event."""
        with self._file.open("a") as file:
            file.write(f"{what} {agent_id} {third} {(self.history.now + after) * MS}\n")

    def running(self, pid: int = GONE) -> None:
        """The next attempt at task t runs, and its body has started."""
        self.history.run(self.history.spawn("t").rpartition(".")[0])
        self.note("start", f"t.{self.history._attempts['t']}", pid)

    def verdict(self) -> list[tuple[int, str]]:
        """Tell what has happened; the breaks, as promise and text."""
        self.ledger.refresh()
        for number, fields in enumerate(self.history.events):
            event = Event.read(f"1-{number}", json.dumps(fields))
            assert event is not None
            self.ledger.tell(event)
        self.history.events.clear()
        return [(found.promise, found.what) for found in self.ledger.breaks]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A task t that waits, and an empty ledger."""
    run = Run(tmp_path)
    run.history.submit("t")
    return run


@pytest.fixture
def process() -> Iterator[int]:
    """The id of a process that lives as long as the test."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as cat:
        yield cat.pid
        assert cat.stdin is not None
        cat.stdin.close()


def test_bodies_that_agree_are_accepted(run: Run) -> None:
    """Failure, retry and a good end, each body within its attempt, read bit by bit."""
    run.running()
    assert run.verdict() == []
    run.note("end", "t.1", "raised", 1)
    run.history.now += 1
    run.history.fail("t")
    run.running()
    run.note("end", "t.2", "returned", 1)
    run.history.now += 1
    run.history.complete("t")
    assert run.verdict() == []
    run.ledger.finish(time.time_ns())
    assert run.ledger.breaks == []


def test_body_that_was_forced_writes_no_end(run: Run) -> None:
    """After SIGKILL there is no end line; that the process is gone is enough."""
    run.running()
    run.history.kill("t")
    assert run.verdict() == []


def test_body_without_running_is_named(run: Run) -> None:
    """A body that ran for an attempt that was never accepted breaks promise 2."""
    run.history.spawn("t")
    run.note("start", "t.1")
    run.history.fail("t", "lost")
    ((promise, what),) = run.verdict()
    assert (promise, what) == (2, "t.1: its body ran, and no agent.running came")


def test_body_of_a_live_attempt_without_running_is_named(run: Run) -> None:
    """Also when the attempt has not ended by the end of the check."""
    run.history.spawn("t")
    run.note("start", "t.1")
    assert run.verdict() == []
    run.ledger.finish(time.time_ns())
    assert [found.promise for found in run.ledger.breaks] == [2]


def test_body_before_running_is_named(run: Run) -> None:
    """A body must not start before `agent.running` was written."""
    run.history.spawn("t")
    run.note("start", "t.1", GONE)
    run.history.now += 50
    run.history.run("t")
    run.history.kill("t")
    ((promise, what),) = run.verdict()
    assert promise == 2
    assert "before agent.running" in what


def test_body_started_twice_is_named(run: Run) -> None:
    """One attempt runs once."""
    run.running()
    run.note("start", "t.1", GONE)
    assert run.verdict() == [(9, "t.1: its body was started twice")]


@pytest.mark.parametrize("reason", ["error", "lost"])
def test_bodies_that_overlap_are_named(run: Run, reason: str) -> None:
    """The first attempt's body ends after the second's began."""
    run.running()
    run.history.fail("t", reason)
    run.running()
    run.note("end", "t.1", "returned", 100)
    said = run.verdict()
    assert (9, "t.2: its body started while that of t.1 ran") in said


def test_body_that_outlived_its_kill_is_named(run: Run) -> None:
    """`agent.killed` was told, and the body wrote its end only then."""
    run.running()
    run.history.kill("t")
    run.note("end", "t.1", "cancelled", 30)
    assert run.verdict() == [(6, "t.1: its body outlived agent.killed")]


def test_process_that_outlived_its_kill_is_named(run: Run, process: int) -> None:
    """`agent.killed` was told, and the process is there."""
    run.history.now = time.time_ns() // MS
    run.running(process)
    run.history.kill("t")
    assert run.verdict() == [(6, "t.1: its body outlived agent.killed")]


def test_later_process_of_the_same_id_is_another(run: Run, process: int) -> None:
    """A process id that was used again does not make a body alive."""
    run.running(process)  # a line of a minute ago, of a process that started just now
    run.history.kill("t")
    assert run.verdict() == []


def test_completed_without_an_end_is_named(run: Run) -> None:
    """A result without a body that returned cannot be."""
    run.running()
    run.history.complete("t")
    assert run.verdict() == [(3, "t.1: is completed, and its body has not ended")]


def test_completed_without_a_start_is_named(run: Run) -> None:
    """Nor one without a body."""
    run.history.spawn("t")
    run.history.run("t")
    run.history.complete("t")
    assert run.verdict() == [(3, "t.1: is completed, and its body never started")]


def test_failed_body_that_goes_on_is_named(run: Run) -> None:
    """Also a failure or timeout is told only when the body has ended."""
    run.running()
    run.history.fail("t", "timeout", final=True)
    run.note("end", "t.1", "returned", 100)
    assert run.verdict() == [(3, "t.1: its body outlived agent.failed")]


@pytest.mark.parametrize(("lost_limit", "promises"), [(0.05, [4]), (0.2, []), (math.inf, [])])
def test_frozen_body_may_go_on_for_the_time_allowed(
    tmp_path: Path, lost_limit: float, promises: list[int]
) -> None:
    """A lost attempt's body may run on for as long as the test says, and no longer."""
    run = Run(tmp_path, lost_limit)
    run.history.submit("t")
    run.running()
    run.history.fail("t", "lost", final=True)
    told = run.history.now
    run.verdict()
    run.history.now = told + 100
    run.note("end", "t.1", "superseded")
    run.verdict()
    run.ledger.finish(time.time_ns())
    assert [found.promise for found in run.ledger.breaks] == promises


def test_entry_writes_both_lines(tmp_path: Path) -> None:
    """From Python, also for a body that is left by an exception."""

    def body() -> None:
        with entry(tmp_path, "t.1"):
            raise KeyError

    with pytest.raises(KeyError):
        body()
    lines = [line.split() for line in (tmp_path / "ledger").read_text().splitlines()]
    assert [line[:3] for line in lines] == [
        ["start", "t.1", str(os.getpid())],
        ["end", "t.1", "KeyError"],
    ]


def test_bash_writes_both_lines(tmp_path: Path) -> None:
    """The lines for bash that the module shows do what they should."""
    assert all(line in (sys.modules[Ledger.__module__].__doc__ or "") for line in _NOTE.split("\n"))
    env = {"PATH": os.environ["PATH"], "LEDGER": str(tmp_path), "MUSTERD_AGENT_ID": "t.1"}
    subprocess.run(["bash", "-c", _NOTE], env=env, check=True)
    start, end = (line.split() for line in (tmp_path / "ledger").read_text().splitlines())
    assert start[:2] == ["start", "t.1"]
    assert end[:3] == ["end", "t.1", "exit"]
    assert 0 < int(end[3]) - int(start[3]) < 10_000 * MS
