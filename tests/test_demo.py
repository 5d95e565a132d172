"""The demo, as a person runs it; and how it judges what became of its agents."""

import contextlib
import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import click
import pytest

from musterd.demo import plan, play
from musterd.demo.board import Board
from musterd.demo.plan import Part
from musterd.records import Event, TaskRecord
from musterd.submission import Submission
from tests.support.pace import within

Demo: TypeAlias = Callable[..., "subprocess.Popen[bytes]"]

LIMIT = 40
TASKS = ["check-orchard", "check-lighthouse", "summarise", "publish", "count-lines", "watch"]


@pytest.fixture
def temporary() -> Iterator[Path]:
    """The folder in which the demo makes its own; its path leaves room for that of a socket."""
    with tempfile.TemporaryDirectory(prefix="musterd-") as folder:
        yield Path(folder)


@pytest.fixture
def demo(tmp_path: Path, temporary: Path) -> Iterator[Demo]:
    """Start the demo in a folder of the test's; it ends with the test, and leaves nothing."""
    paths = os.pathsep.join(str(Path(path).resolve()) for path in sys.path)
    started = []

    def start(*, env: Mapping[str, str] | None = None, **options: Any) -> "subprocess.Popen[bytes]":
        ours = {"TMPDIR": str(temporary), "PYTHONPATH": paths}
        given: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        process: subprocess.Popen[bytes] = subprocess.Popen(
            [sys.executable, "-m", "musterd", "demo"],
            cwd=tmp_path,
            env=os.environ | ours | dict(env or {}),
            **given,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=LIMIT)
    for pid in processes(temporary):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def left_of(temporary: Path) -> tuple[list[str], list[int]]:
    """Files and processes that are left of a demo that has returned."""
    return [path.name for path in temporary.iterdir()], processes(temporary)


def processes(temporary: Path) -> list[int]:
    """The processes that work in the folder, or were started to."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is not ours
            told = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            if os.fsencode(temporary) in told + os.fsencode((folder / "cwd").readlink()):
                found.append(int(folder.name))
    return found


def test_plain_lines(demo: Demo, tmp_path: Path, temporary: Path) -> None:
    """Without a terminal: a line an event, a table, three commands; exit 0 in under 20 s.

    Settings of the person, even unusable ones, change nothing.
    """
    (tmp_path / ".env").write_text("MUSTERD_PREFIX=theirs\nVALKEY_PORT=none\n")
    started = time.monotonic()
    process = demo(env={"MUSTERD_CAPACITY": "many", "VALKEY_URL": "redis://127.0.0.1:1"})
    out, err = (stream.decode() for stream in process.communicate(timeout=LIMIT))
    assert (process.returncode, err) == (0, "")
    assert time.monotonic() - started < within(20)
    assert "\x1b" not in out
    assert re.search(r"task\.failed +publish\.1 +RuntimeError: page\.lock is held by the demo", out)
    assert re.search(r"agent\.completed +publish\.2", out)
    kill = out.index('PUBLISH orchestrator:control {"command": "kill", "taskId": "watch"')
    assert kill < out.index("agent.killed     watch.1")
    assert re.findall(r"^✓ +(\S+)", out, re.MULTILINE) == TASKS
    to_try = out.partition("Try next")[2]
    assert re.findall(r"^  .*musterd (\w+) ", to_try, re.MULTILINE) == ["run", "submit", "ps"]
    assert left_of(temporary) == ([], [])


def test_on_a_terminal(demo: Demo) -> None:
    """On a terminal the table changes in place, with a bar; the same table is at the end."""
    ours, theirs = pty.openpty()
    process = demo(
        stdout=theirs,
        env={"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24", "LANG": "C.UTF-8"},
    )
    os.close(theirs)
    drawn = b"".join(read_all(ours)).decode()
    os.close(ours)
    assert process.wait(LIMIT) == 0
    frames = drawn.split("\x1b[1A")  # the cursor goes up to draw over what is there
    assert len(frames) > 100
    assert "━" in drawn
    for state in ("pending", "executing", "completed", "killed"):
        assert re.search(rf"\x1b\[\d+m[^\x1b]*{state}", drawn), state
    plain = click.unstyle(drawn).replace("\r", "\n")
    assert "checking lighthouse/l" in plain
    assert max(map(len, plain.partition("Try next")[0].splitlines())) <= 80
    assert re.findall(r"^✓ +(\S+)", plain, re.MULTILINE) == TASKS


def read_all(file: int) -> Iterator[bytes]:
    """What comes until the terminal is closed, which Linux tells as an error."""
    while True:
        try:
            yield os.read(file, 65_536)
        except OSError:
            return


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_half_way(demo: Demo, temporary: Path, number: signal.Signals) -> None:
    """Ctrl-C ends it with 128 + 2, a SIGTERM with 128 + 15; nothing is left, no agent either."""
    process = demo()
    assert process.stdout is not None
    while b"task.executing   watch.1" not in (line := process.stdout.readline()):
        assert line
    process.send_signal(number)
    process.send_signal(number)  # people press it twice
    _, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, err) == (128 + number, b"")
    assert left_of(temporary) == ([], [])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_daemon_that_ends_early_is_told(
    demo: Demo, temporary: Path, number: signal.Signals
) -> None:
    """Without its daemon the demo ends at once, and says so in one line; nothing is left.

    A daemon that stops in order takes its server along first: that may be noticed before.
    """
    process = demo()
    assert process.stdout is not None
    while b"task.executing   watch.1" not in (line := process.stdout.readline()):
        assert line
    (log,) = temporary.glob("*/daemon.log")
    ready = next(line for line in log.read_text().splitlines() if '"event":"ready"' in line)
    os.kill(json.loads(ready)["pid"], number)
    _, err = process.communicate(timeout=60)
    assert process.returncode in {1, 5}
    assert re.fullmatch(rb"musterd: (the demo's daemon ended with|Valkey at) .+\n", err)
    assert left_of(temporary) == ([], [])


def test_the_commands_to_try_work(tmp_path: Path) -> None:
    """What the demo tells to try next can be typed as it stands."""
    program = f"{sys.executable} -m musterd"
    run, *others = [line.strip() for line in play._NEXT.format(program=program).splitlines()[1:]]
    paths = os.pathsep.join(str(Path(path).resolve()) for path in sys.path)
    where = {"PYTHONPATH": paths, "MUSTERD_STATE_DIR": str(tmp_path / "state")}
    options: dict[str, Any] = {"cwd": tmp_path, "env": os.environ | where, "text": True}
    (tmp_path / "one.py").write_text("1\n2\n")
    with subprocess.Popen(shlex.split(run), stderr=subprocess.PIPE, **options) as daemon:
        try:
            assert daemon.stderr is not None
            while '"event":"ready"' not in (line := daemon.stderr.readline()):
                assert line
            shown = [
                subprocess.run(shlex.split(other), capture_output=True, check=True, **options)
                for other in others
            ]
        finally:
            daemon.terminate()
    assert shown[0].stdout.endswith('{"files": 1, "lines": 2, "longest": 2}\n')
    assert "completed" in shown[1].stdout


def test_without_git(demo: Demo, tmp_path: Path) -> None:
    """Git is needed; where it is missing, one line says so."""
    process = demo(env={"PATH": str(tmp_path)})
    out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, out) == (1, b"")
    assert err == (b"musterd: git is not installed; the demo's agents clone repositories with it\n")


def test_an_agent_that_ends_otherwise_is_told(demo: Demo, tmp_path: Path, temporary: Path) -> None:
    """With a git that cannot clone, the checks fail; exit 1, and they are named."""
    git = tmp_path / "git"
    git.write_text(f'#!/bin/sh\n[ "$1" != clone ] || exit 1\nexec {shutil.which("git")} "$@"\n')
    git.chmod(0o755)
    process = demo(env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    out, err = (stream.decode() for stream in process.communicate(timeout=LIMIT))
    assert process.returncode == 1
    assert re.findall(r"^✗ +(\S+)", out, re.MULTILINE) == TASKS[:3]
    assert "is failed (error), should be completed" in out
    assert err == (
        "musterd: the demo went wrong; not as it should: "
        "check-orchard, check-lighthouse, summarise\n"
    )
    assert left_of(temporary) == ([], [])


def record(**fields: Any) -> TaskRecord:
    """A task's record."""
    return TaskRecord.read(
        {"taskId": "t", "kind": "k", "status": "completed", "attempt": "1"} | fields
    )


def part(**fields: Any) -> Part:
    """A part that completes, unless told otherwise."""
    given: dict[str, Any] = {"expects": {}, "describe": str} | fields
    return Part(submission=Submission(kind="k", task_id="t"), runs_as="command", **given)


@pytest.mark.parametrize(
    ("wanted", "ended", "problem"),
    [
        ({}, {}, ""),
        ({"expects": {"n": 1}}, {"result": '{"n": 1, "m": 2}'}, ""),
        ({"expects": {"n": 1}}, {"result": '{"n": 2}'}, "n is 2 in its result, should be 1"),
        ({"expects": {"n": 1}}, {}, "n is None in its result, should be 1"),
        ({"least_attempts": 2}, {}, "took 1 attempts, should have taken 2"),
        ({}, {"status": "failed", "reason": "error"}, "is failed (error), should be completed"),
        ({}, {"status": "executing"}, "is executing, should be completed"),
    ],
)
def test_judgement(wanted: dict[str, Any], ended: dict[str, str], problem: str) -> None:
    """A part says what is wrong with how its task ended."""
    assert part(**wanted).problem(record(**ended)) == problem


def event(event_type: str, **fields: Any) -> Event:
    """An event of task `t`."""
    told: dict[str, Any] = {"taskId": "t", "attempt": 1, "timestamp": "2026-11-22T03:00:00Z"}
    told |= fields
    return Event(place="1-0", type=event_type, fields=told)


def test_board_follows_a_retry() -> None:
    """A failure that is retried is no end; the bar never goes back."""
    board = Board([part(least_attempts=2)])
    row = board.rows["t"]
    for name in ("task.pending", "task.assigned", "task.executing"):
        board.apply(event(name))
    board.apply(event("task.failed", final=False, error="Traceback\n  …\nOSError: no"))
    assert (board.ended, row.state, row.says, row.steps) == (False, "failed", "OSError: no", 3)
    board.apply(event("task.pending"))
    assert (row.state, row.steps) == ("pending", 3)
    board.apply(
        event("task.completed", attempt=2, result=[1], timestamp="2026-11-22T03:00:02.500Z")
    )
    assert (board.ended, row.attempt, row.says, row.seconds()) == (True, 2, "[1]", 2.5)


def test_board_hears_what_agents_say() -> None:
    """Lines of the daemon's log become what an agent says, until it has ended."""
    board = Board([part()])
    row = board.rows["t"]
    board.hear([{"event": "output", "task_id": "t", "line": "half\x1b[2J way"}, {"event": "ready"}])
    assert row.says == "half [2J way"
    board.hear([{"event": "read", "task_id": "t", "level": "info", "files": 3}])
    assert row.says == "read files=3"
    board.apply(event("task.failed", reason="killed", error="enough", final=True))
    board.hear([{"event": "output", "task_id": "t", "line": "too late"}])
    assert (row.state, row.says) == ("killed", "enough")


def test_plan_has_every_sort_of_agent(tmp_path: Path) -> None:
    """Commands, a coroutine and processes; one that is retried, and one that is killed."""
    parts = plan.make(tmp_path)
    assert [part.task_id for part in parts] == TASKS
    assert {part.runs_as for part in parts} == {"command", "coroutine", "process"}
    assert (tmp_path / "orchard" / ".git").is_dir()
