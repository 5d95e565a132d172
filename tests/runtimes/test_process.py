"""Agents that are commands."""

import contextlib
import itertools
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from musterd import procfs
from musterd.jsons import Json
from musterd.runtimes import group as group_module
from musterd.runtimes.base import AgentFailed, Context, ContextRejected
from musterd.runtimes.process import ProcessRuntime
from tests.support.contexts import make_context, run_for_value
from tests.support.descriptors import open_files
from tests.support.pace import within
from tests.support.wait import wait_until

pytestmark = pytest.mark.usefixtures("subreaper")


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """What is logged, as it comes."""
    with capture_logs() as lines:
        yield lines


async def run(command: list[str], folder: Path, context: Context | None = None) -> Json:
    """Run a command as an agent."""
    return await run_for_value(
        ProcessRuntime(command, folder / "scratch"), context or make_context()
    )


async def run_shell(script: str, folder: Path, context: Context | None = None) -> Json:
    """Run a shell script, in which $D is the test's folder, as an agent."""
    runtime = ProcessRuntime(
        ["bash", "-c", script], folder / "scratch", environment={"D": str(folder)}
    )
    return await run_for_value(runtime, context or make_context())


def read_pids(folder: Path) -> list[int]:
    """The process ids that scripts have left in files `*.pid`; only whole ones."""
    texts = [path.read_text() for path in folder.glob("*.pid")]
    return [int(text) for text in texts if text.endswith("\n")]


def end_adopted(pid: int) -> None:
    """End a process that left its group."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def are_gone(pids: list[int]) -> bool:
    """Whether none of them is left, not even as a zombie."""
    return all(procfs.stat(pid) is None for pid in pids)


def files_in(folder: Path) -> list[Path]:
    """What is left below a folder, but for empty folders."""
    return [path for path in folder.rglob("*") if not path.is_dir() or list(path.iterdir())]


def logged(lines: list[Any], stream: str) -> list[str]:
    """The lines of one stream."""
    return [line["line"] for line in lines if line.get("stream") == stream]


async def test_context_goes_in_and_result_comes_out(tmp_path: Path) -> None:
    """The context is JSON on standard input, the result is the JSON in MUSTERD_RESULT."""
    context = make_context(context={"text": "grüße", "n": [1, None]})
    assert await run_shell("cat > $MUSTERD_RESULT", tmp_path, context) == context.context


async def test_the_ids_are_in_the_environment(tmp_path: Path) -> None:
    """A command is told what it is."""
    script = (
        "import json, os; json.dump({k: v for k, v in os.environ.items() if 'MUSTERD' in k},"
        "open(os.environ['MUSTERD_RESULT'], 'w'))"
    )
    result = await run([sys.executable, "-c", script], tmp_path)
    folder = tmp_path / "scratch" / "1"
    assert result == {
        "MUSTERD_TASK_ID": "t1",
        "MUSTERD_AGENT_ID": "t1.1",
        "MUSTERD_ATTEMPT": "1",
        "MUSTERD_OWNER": "n1/e1",
        "MUSTERD_RESULT": str(folder / "result-t1.1"),
        "MUSTERD_PROGRESS": str(folder / "progress-t1.1"),
        "MUSTERD_CHECKPOINT": str(folder / "checkpoint-t1.1"),
    }


async def test_settings_are_not_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our passwords stay here; the rest is inherited, and the kind's own environment wins."""
    monkeypatch.setenv("VALKEY_PASSWORD", "secret")
    monkeypatch.setenv("MUSTERD_AGENTS", "secret")
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    monkeypatch.setenv("COLOUR", "red")
    monkeypatch.setenv("SHAPE", "round")
    runtime = ProcessRuntime(
        ["bash", "-c", "env > $D/env"],
        tmp_path,
        environment={"D": str(tmp_path), "COLOUR": "blue"},
    )
    await runtime.run(make_context())
    found = (tmp_path / "env").read_text()
    assert "secret" not in found
    assert "NOTIFY_SOCKET" not in found
    assert "COLOUR=blue" in found
    assert "SHAPE=round" in found


@pytest.mark.parametrize("script", ["true", ": > $MUSTERD_RESULT", "echo > $MUSTERD_RESULT"])
async def test_no_result_is_none(script: str, tmp_path: Path) -> None:
    """A command need not leave a result."""
    assert await run_shell(script, tmp_path) is None


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("echo '{' > $MUSTERD_RESULT", "MUSTERD_RESULT: not JSON"),
        (
            "head -c 1048577 /dev/zero > $MUSTERD_RESULT",
            "result: over 1048576 bytes of JSON",
        ),
        ("mkdir $MUSTERD_RESULT", "MUSTERD_RESULT: Is a directory"),
        ("mkfifo $MUSTERD_RESULT", "MUSTERD_RESULT: Not a regular file"),
        ("exit 3", "^exit code 3$"),
        ("seq 1 100 >&2; exit 4", "^exit code 4: 81\n82\n(.*\n)+100$"),
        ("echo oh >&2; kill -SEGV $$", "^killed by SIGSEGV: oh$"),
        ("kill -40 $$", "^killed by signal 40$"),
    ],
)
async def test_a_failure_says_why(script: str, error: str, tmp_path: Path) -> None:
    """The exit code or signal, with the last lines of standard error; or what the result lacks."""
    with pytest.raises(AgentFailed, match=error):
        await run_shell(script, tmp_path)


async def test_a_result_file_is_removed(tmp_path: Path) -> None:
    """Nothing is left in the scratch folder, however the agent ended."""
    await run_shell("echo 1 > $MUSTERD_RESULT", tmp_path)
    for script in ("echo 1 > $MUSTERD_RESULT; exit 1", "mkdir -p $MUSTERD_RESULT/more"):
        with pytest.raises(AgentFailed):
            await run_shell(script, tmp_path)
    assert not files_in(tmp_path / "scratch")


@pytest.mark.parametrize("leave", [Path.mkdir, lambda path: path.write_text("1")])
async def test_a_result_of_another_life_is_no_result(
    leave: Callable[[Path], object], tmp_path: Path
) -> None:
    """What was left under this agent's name before it started is not its own."""
    (tmp_path / "scratch").mkdir()
    leave(tmp_path / "scratch" / "1")
    assert await run_shell("true", tmp_path) is None


async def test_a_result_is_one_line(tmp_path: Path) -> None:
    """It goes into an event as it is."""
    script = 'printf \'{\n "b": 1,\n "a": 2\n}\n\' > $MUSTERD_RESULT'
    runtime = ProcessRuntime(["bash", "-c", script], tmp_path)
    assert await runtime.run(make_context()) == '{"a":2,"b":1}'


async def test_a_rejected_context_has_its_own_exit_code(tmp_path: Path) -> None:
    """A runtime may be told which exit code means that."""
    runtime = ProcessRuntime(["bash", "-c", "echo bad >&2; exit 65"], tmp_path, rejected_code=65)
    with pytest.raises(ContextRejected, match=r"^bad$"):
        await runtime.run(make_context())


async def test_a_command_that_cannot_start_is_named(tmp_path: Path) -> None:
    """A missing program, one that may not run, and a missing folder."""
    (tmp_path / "text").write_text("")
    with pytest.raises(AgentFailed, match=r"cannot start 'no-such-program': No such file"):
        await run(["no-such-program"], tmp_path)
    with pytest.raises(AgentFailed, match=r"Permission denied: '.*text'"):
        await run([str(tmp_path / "text")], tmp_path)
    runtime = ProcessRuntime(["true"], tmp_path, working_directory=tmp_path / "none")
    with pytest.raises(AgentFailed, match=r"cannot start 'true': No such file.*none'"):
        await runtime.run(make_context())


async def test_each_line_is_a_log_line(tmp_path: Path, lines: list[Any]) -> None:
    """Both streams are logged, the last line also without its end, in whatever bytes."""
    script = r"printf 'one\r\ntwo\n\n\377 last'; printf 'wrong\n' >&2"
    await run_shell(script, tmp_path)
    assert logged(lines, "stdout") == ["one", "two", "", "\ufffd last"]
    assert logged(lines, "stderr") == ["wrong"]
    assert {(line["event"], line["log_level"]) for line in lines} == {("output", "info")}


async def test_a_long_line_is_cut(tmp_path: Path, lines: list[Any]) -> None:
    """Pieces of 8 KiB; characters of many bytes stay whole."""
    size = 1_000_001
    script = f"print('é' * {size}); print('x' * 8192)"
    await run([sys.executable, "-X", "utf8", "-c", script], tmp_path)
    *pieces, exact = logged(lines, "stdout")
    assert "".join(pieces) == "é" * size
    assert max(map(len, pieces)) == 8192
    assert exact == "x" * 8192


async def test_much_output_does_not_block_the_loop(tmp_path: Path, lines: list[Any]) -> None:
    """After each 50 lines of one process others have their turn."""
    seen = [0]

    async def count() -> None:
        while True:
            seen.append(len(lines))
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(count)
        await run_shell("yes | head -n 20000", tmp_path)
        group.cancel_scope.cancel()
    assert len(logged(lines, "stdout")) == 20000
    assert max(later - earlier for earlier, later in itertools.pairwise(seen)) <= 100


async def test_a_large_context_is_read_whole(tmp_path: Path) -> None:
    """More than a pipe holds, read late."""
    context = make_context(context="x" * 500_000)
    assert await run_shell("sleep 0.1; cat > $MUSTERD_RESULT", tmp_path, context) == context.context


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[str]:
    """A script that starts a process with no tie to its agent, which keeps all streams open."""
    yield f"""
    {sys.executable} -c '{UNTIED}' <&0
    until [ -s $D/stranger.pid ]; do sleep 0.01; done
    """
    for pid in read_pids(tmp_path):
        end_adopted(pid)


UNTIED = """
import os, resource
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        resource.setrlimit(resource.RLIMIT_RTTIME, (resource.RLIM_INFINITY,) * 2)
        script = f"echo $$ > {os.environ[chr(68)]}/stranger.pid; exec sleep 60"
        os.execve("/bin/sh", ["sh", "-c", script], {})
    os._exit(0)
os.wait()
"""


async def test_a_context_that_nobody_reads_delays_nothing(tmp_path: Path, stranger: str) -> None:
    """Neither a command that ends, nor a stranger who keeps its standard input open."""
    script = f"echo 1 > $MUSTERD_RESULT; {stranger}"
    with anyio.move_on_after(within(5)) as scope:
        assert await run_shell(script, tmp_path, make_context(context="x" * 500_000)) == 1
    assert not scope.cancel_called, "one that ends well hides that it was told to"


async def test_a_stranger_at_the_pipe_delays_nothing(
    tmp_path: Path, stranger: str, lines: list[Any]
) -> None:
    """Who cut all ties to its agent may hold standard output open; what came before is logged."""
    with anyio.move_on_after(within(5)) as scope:
        await run_shell(f"echo before; {stranger} echo after", tmp_path)
    assert not scope.cancel_called
    assert logged(lines, "stdout") == ["before", "after"]


async def test_what_a_command_leaves_behind_is_ended(tmp_path: Path) -> None:
    """On a normal exit the rest of the group is asked, and has its grace."""
    script = """
    (
        trap 'sleep 0.1; echo done > $D/asked; exit' TERM
        echo $BASHPID > $D/child.pid
        while :; do sleep 0.01; done
    ) &
    until [ -s $D/child.pid ]; do sleep 0.01; done
    """
    await run_shell(script, tmp_path)
    assert (tmp_path / "asked").read_text() == "done\n"
    assert are_gone(read_pids(tmp_path))


async def stop_when_ready(command: list[str], folder: Path, context: Context, count: int) -> float:
    """Run a command, stop it when it has left so many pid files; returns the seconds it took."""
    runtime = ProcessRuntime(command, folder / "scratch", environment={"D": str(folder)})
    async with anyio.create_task_group() as group:
        group.start_soon(runtime.run, context)
        await wait_until(lambda: len(read_pids(folder)) == count)
        started = anyio.current_time()
        group.cancel_scope.cancel()
    return anyio.current_time() - started


async def test_a_stopped_agent_is_asked_first(tmp_path: Path, lines: list[Any]) -> None:
    """SIGTERM lets it end by itself; what it says then, however much, is logged."""
    script = """
    trap 'head -c 300000 /dev/zero | tr "\\0" x; echo bye; exit' TERM
    echo $$ > $D/leader.pid; while :; do sleep 0.01; done
    """
    await stop_when_ready(["bash", "-c", script], tmp_path, make_context(), 1)
    assert logged(lines, "stdout")[-1].endswith("bye")
    assert sum(map(len, logged(lines, "stdout"))) == 300_003
    assert are_gone(read_pids(tmp_path))


async def test_a_deaf_agent_is_forced_after_the_grace(tmp_path: Path) -> None:
    """SIGKILL ends the whole group, children and orphans that ignore SIGTERM too."""
    script = """
    trap '' TERM
    echo $$ > $D/leader.pid
    (echo $BASHPID > $D/child.pid; exec sleep 60) &
    ((echo $BASHPID > $D/orphan.pid; exec sleep 60) & )
    exec sleep 60
    """
    took = await stop_when_ready(["bash", "-c", script], tmp_path, make_context(grace=0.2), 3)
    assert took >= 0.2
    assert are_gone(read_pids(tmp_path))


async def test_a_group_that_is_stopped_ends_too(tmp_path: Path) -> None:
    """A process that SIGSTOP holds acts on no SIGTERM; it is continued, long before the grace."""
    script = "echo $$ > $D/leader.pid; kill -STOP $$"
    took = await stop_when_ready(["bash", "-c", script], tmp_path, make_context(grace=20), 1)
    assert took < within(5)
    assert are_gone(read_pids(tmp_path))


@pytest.mark.parametrize("deaf", ["", 'trap "" TERM;'])
@pytest.mark.parametrize("way", ["timeout 77 bash -c", "set -m; bash -c"])
async def test_members_of_other_groups_end_too(way: str, deaf: str, tmp_path: Path) -> None:
    """`timeout` and job control make groups of their own; the work has not ended before them."""
    inner = f"{deaf} echo $$ > $D/inner.pid; sleep 66 & echo $! > $D/sleep.pid; wait; wait"
    script = f"echo $$ > $D/leader.pid; {way} '{inner}'; echo done"
    took = await stop_when_ready(["bash", "-c", script], tmp_path, make_context(grace=0.3), 3)
    assert took >= 0.3 or not deaf
    assert are_gone(read_pids(tmp_path))


async def test_jobs_left_behind_are_asked_first(tmp_path: Path) -> None:
    """In groups of their own they have their grace, and are ended with the command."""
    job = "trap 'sleep 0.1; echo asked >> $D/asked; exit' TERM; echo $BASHPID > $D/job.pid"
    script = f"""
    set -m
    ({job}; while :; do sleep 0.01; done) &
    (trap '' TERM; echo $BASHPID > $D/deaf.pid; while :; do sleep 0.01; done) &
    until [ -s $D/job.pid -a -s $D/deaf.pid ]; do sleep 0.01; done
    """
    await run_shell(script, tmp_path, make_context(grace=0.5))
    assert (tmp_path / "asked").read_text() == "asked\n"
    assert are_gone(read_pids(tmp_path))


async def test_a_member_below_one_that_left_ends_too(tmp_path: Path) -> None:
    """Its parent has left the session; it is no child of the agent's first process, nor of ours."""
    script = """
import os, time
if os.fork() == 0:
    if os.fork() == 0:
        open(os.environ["D"] + "/member.pid", "w").write("%d\\n" % os.getpid())
        time.sleep(60)
    os.setsid()
    open(os.environ["D"] + "/stranger.pid", "w").write("%d\\n" % os.getpid())
    os.wait()
    time.sleep(60)
while len([name for name in os.listdir(os.environ["D"]) if name.endswith(".pid")]) < 2:
    time.sleep(0.01)
"""
    runtime = ProcessRuntime(
        [sys.executable, "-c", script], tmp_path / "scratch", environment={"D": str(tmp_path)}
    )
    with anyio.move_on_after(within(5)) as scope:
        await runtime.run(make_context())
    assert not scope.cancel_called
    assert are_gone(read_pids(tmp_path))


async def test_who_does_not_end_is_named(
    tmp_path: Path, lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that no signal reaches keeps the agent from ending; a warning, once, says so."""
    refused: list[object] = []

    def refuse(*signalled: object) -> None:
        refused.append(signalled)
        raise PermissionError

    monkeypatch.setattr(group_module, "_PATIENCE", 0.1)
    monkeypatch.setattr(os, "killpg", refuse)
    script = "echo $$ > $D/leader.pid; exec sleep 60"

    async def let_go() -> None:
        await wait_until(lambda: any(line["log_level"] == "warning" for line in lines))
        until = len(refused) + 20  # ten rounds of it, each of 0.05 s: time for a second warning
        await wait_until(lambda: len(refused) >= until)
        monkeypatch.undo()

    async with anyio.create_task_group() as group:
        group.start_soon(let_go)
        await stop_when_ready(["bash", "-c", script], tmp_path, make_context(grace=0), 1)
    assert [line for line in lines if line["log_level"] == "warning"] == [
        {
            "event": "processes do not end after SIGKILL",
            "pids": read_pids(tmp_path),
            "log_level": "warning",
        }
    ]


STOPPED = """
trap 'echo "[1]" > $MUSTERD_RESULT; exit {code}' TERM
echo $$ > $D/leader.pid; while :; do sleep 0.01; done
"""


async def stop_shell(script: str, folder: Path) -> Any:
    """Run a script and stop it; what it returns nevertheless, or None and that it was stopped."""
    result = None
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:

            async def stop() -> None:
                await wait_until(lambda: read_pids(folder))
                scope.cancel()

            group.start_soon(stop)
            result = await run_shell(script, folder)
    return result


async def test_a_result_that_came_is_kept(tmp_path: Path) -> None:
    """One that was stopped and ends well all the same has its result, and leaves no file."""
    assert await stop_shell(STOPPED.format(code=0), tmp_path) == [1]
    assert not files_in(tmp_path / "scratch")


async def test_one_that_was_stopped_and_fails_has_no_result(tmp_path: Path) -> None:
    """The cancellation goes on: that it was stopped is what its ending says."""
    assert await stop_shell(STOPPED.format(code=3), tmp_path) is None
    assert not files_in(tmp_path / "scratch")


async def test_a_grace_may_be_shortened(tmp_path: Path) -> None:
    """A second, more urgent stop counts while the first is under way."""
    context = make_context(grace=60)
    script = """
    trap 'touch $D/asked' TERM
    echo $$ > $D/leader.pid; while :; do sleep 0.01; done
    """

    async def hurry() -> None:
        await wait_until((tmp_path / "asked").exists)
        context.grace = 0

    async with anyio.create_task_group() as group:
        group.start_soon(hurry)
        await stop_when_ready(["bash", "-c", script], tmp_path, context, 1)
    assert are_gone(read_pids(tmp_path))


async def test_a_zombie_that_nobody_reaps_delays_nothing(tmp_path: Path) -> None:
    """Its parent may never look after its child; both are gone in the end."""
    script = """
import os, signal, time
member = os.fork()
if member == 0:
    os._exit(0)
open(os.environ["D"] + "/member.pid", "w").write("%d\\n" % member)
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    zombie = os.fork()
    if zombie == 0:
        os._exit(0)
    open(os.environ["D"] + "/zombie.pid", "w").write("%d\\n" % zombie)
    open(os.environ["D"] + "/stranger.pid", "w").write("%d\\n" % os.getpid())
    time.sleep(60)
while not os.path.exists(os.environ["D"] + "/stranger.pid"):
    time.sleep(0.01)
"""
    runtime = ProcessRuntime(
        [sys.executable, "-c", script], tmp_path, environment={"D": str(tmp_path)}
    )
    with anyio.move_on_after(within(5)) as scope:
        await runtime.run(make_context(grace=0.1))
    assert not scope.cancel_called
    assert len(read_pids(tmp_path)) == 3
    assert are_gone(read_pids(tmp_path))


async def test_nothing_leaks_wherever_it_is_cancelled(tmp_path: Path) -> None:
    """File descriptors and processes are given back, from whatever await it is torn away."""
    await run_shell("true", tmp_path)
    before = open_files()
    for step in range(40):
        with anyio.move_on_after(step * 0.0005):
            await run_shell("echo hello; (sleep 60 &) ; cat >&2", tmp_path)
    with pytest.raises(AgentFailed):
        await run(["no-such-program"], tmp_path)
    assert open_files() == before
    assert not {pid for pid in procfs.children() if is_agent(pid)}


def is_agent(pid: int) -> bool:
    """Whether a child was started as an agent."""
    return b"MUSTERD_AGENT_ID=t1.1" in procfs.environment(pid)


async def test_nothing_leaks_where_descriptors_run_out(tmp_path: Path) -> None:
    """Wherever the last one is taken: the agent fails and says so, or has all that it needs."""
    await run_shell("true", tmp_path)
    before = open_files()
    said = set()
    for few in range(12):
        with descriptors_left(few):
            try:
                await run_shell("echo 1 > $MUSTERD_RESULT", tmp_path)
            except AgentFailed as error:
                said.add(str(error))
            else:
                said.add("completed")
    assert said == {"cannot start 'bash': Too many open files", "completed"}
    assert open_files() == before
    assert not {pid for pid in procfs.children() if is_agent(pid)}


@contextlib.contextmanager
def descriptors_left(few: int) -> Iterator[None]:
    """Let this process open so many files more."""
    used = {int(name) for name in open_files()}
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = (number for number in itertools.count() if number not in used)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next(itertools.islice(free, few, None)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_many_at_once(tmp_path: Path) -> None:
    """Fifty run side by side, each with its own context and result."""
    results: dict[int, Json] = {}

    async def one(number: int) -> None:
        context = make_context(agent_id=f"t{number}.1", context=number)
        results[number] = await run_shell("cat > $MUSTERD_RESULT", tmp_path, context)

    async with anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(one, number)
    assert results == {number: number for number in range(50)}
