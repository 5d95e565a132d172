"""What /proc tells."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from musterd import procfs
from tests.support.wait import wait_until


def is_alive(pid: int) -> bool:
    """Whether it runs."""
    stat = procfs.stat(pid)
    return stat is not None and stat.alive


async def test_a_child_and_its_end(tmp_path: Path) -> None:
    """State, parent, group and session are read, whatever the program is called."""
    program = tmp_path / "a) Z 1 (b"
    shutil.copy(shutil.which("sleep") or "", program)
    child = subprocess.Popen(  # noqa: ASYNC220, a plain child is what is looked at
        [program, "60"], start_new_session=True, env={"COLOUR": "red"}
    )
    try:
        stat = procfs.stat(child.pid)
        assert stat is not None
        assert stat.alive
        assert stat[1:5] == (os.getpid(), child.pid, child.pid, 1)
        own = procfs.stat(os.getpid())
        assert own is not None
        assert 0 < own.started <= stat.started
        assert child.pid in procfs.children()
        assert child.pid in procfs.pids()
        # For a moment a child has no environment of its own yet.
        await wait_until(lambda: b"COLOUR=red" in procfs.environment(child.pid))
    finally:
        child.kill()
    await wait_until(lambda: not is_alive(child.pid))
    assert child.pid in procfs.children(), "a zombie is a child still"
    child.wait()
    assert procfs.stat(child.pid) is None


async def test_descendants_are_found_below_roots() -> None:
    """The roots themselves, their children and grandchildren, and nobody else."""
    script = "bash -c 'sleep 60; true'; true"
    with subprocess.Popen(["bash", "-c", script]) as top:  # noqa: ASYNC220, as above
        await wait_until(lambda: len(procfs.descendants([top.pid])) == 3)
        found = procfs.descendants([top.pid])
        (child,) = procfs.children(top.pid)
        assert {top.pid, child} < found
        assert procfs.descendants([top.pid], without=child) == {top.pid}
        assert os.getpid() not in found
        for pid in found:
            os.kill(pid, signal.SIGKILL)


async def test_threads_outlive_the_first_one() -> None:
    """A process runs on, though /proc calls it a zombie, when only its first thread has ended."""
    script = (
        "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(60,)).start();"
        "ctypes.CDLL(None).pthread_exit(None)"
    )
    with subprocess.Popen([sys.executable, "-c", script]) as child:  # noqa: ASYNC220, as above
        await wait_until(lambda: (stat := procfs.stat(child.pid)) and stat.state == "Z")
        assert is_alive(child.pid)
        child.kill()


@pytest.mark.parametrize("pid", [0, 2**22 + 1])
def test_a_process_that_is_not_there(pid: int) -> None:
    """It is no error."""
    assert procfs.stat(pid) is None
    assert b"".join(procfs.environment(pid)) == b""
