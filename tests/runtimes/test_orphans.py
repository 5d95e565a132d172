"""Adopted processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from musterd import procfs
from musterd.runtimes.base import AgentFailed
from musterd.runtimes.orphans import Orphans
from musterd.runtimes.process import ProcessRuntime
from tests.support.contexts import make_context
from tests.support.wait import wait_until

pytestmark = pytest.mark.usefixtures("subreaper")

LEAVE_GROUP = """
import os
if os.fork() == 0:
    os.setsid()
    pid = os.fork()
    if pid:
        open(os.environ["STRAY"], "w").write("%d\\n" % pid)
    os._exit(0)
os.wait()
"""


def is_zombie(pid: int) -> bool:
    """Whether a process has ended, and nobody took note of it."""
    stat = procfs.stat(pid)
    return stat is not None and not stat.alive


def start_child() -> subprocess.Popen[bytes]:
    """A child that shares our session, as other parts of a program may have."""
    return subprocess.Popen(["sh", "-c", "exit 7"])


async def test_an_orphan_of_nobody_is_reaped(tmp_path: Path) -> None:
    """A process that no agent has started, and whose parent ended, does not stay a zombie."""
    told = tmp_path / "stray"
    command = [sys.executable, "-c", LEAVE_GROUP]
    with subprocess.Popen(command, env={"STRAY": str(told)}):  # noqa: ASYNC220, waited for here
        pass
    stray = int(told.read_text())
    await wait_until(lambda: is_zombie(stray))
    orphans = Orphans()
    assert orphans.reap() == 0, "its parent might be about to reap it"
    assert is_zombie(stray)
    assert orphans.reap() >= 1
    assert procfs.stat(stray) is None


async def test_the_first_thread_adopts() -> None:
    """Also whose parent was started by another thread, which lives: one list has all orphans."""
    script = ["sh", "-c", "sleep 60 > /dev/null & echo $!"]
    adopted = set[bool]()

    def start() -> None:
        pid = int(subprocess.check_output(script))
        adopted.add(pid in procfs.adopted())
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    await anyio.to_thread.run_sync(start)
    assert adopted == {True}


async def test_a_leader_is_left_to_its_runtime(tmp_path: Path) -> None:
    """While the rest of a group has its grace, the leader's exit code stays where it is."""
    script = """
    (trap 'touch asked; until [ -e go ]; do sleep 0.01; done; exit' TERM
    touch ready; while :; do sleep 0.01; done) &
    until [ -e ready ]; do sleep 0.01; done
    exit 3
    """
    runtime = ProcessRuntime(["bash", "-c", script], tmp_path, working_directory=tmp_path)
    async with anyio.create_task_group() as group:
        group.start_soon(expect_exit_code_3, runtime)
        await wait_until((tmp_path / "asked").exists)
        orphans = Orphans()
        assert orphans.reap() == orphans.reap() == 0
        (tmp_path / "go").touch()


async def expect_exit_code_3(runtime: ProcessRuntime) -> None:
    """Run an agent that fails so."""
    with pytest.raises(AgentFailed, match="exit code 3"):
        await runtime.run(make_context())


async def test_children_of_others_are_left_alone() -> None:
    """Whoever started a process that shares our session learns its exit code."""
    with start_child() as child:
        await wait_until(lambda: is_zombie(child.pid))
        orphans = Orphans()
        assert orphans.reap() == orphans.reap() == 0
        assert child.wait() == 7
