"""What /proc tells."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from musterd import procfs
from tests.support.wait import wait_until


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
        assert stat[1:] == (os.getpid(), child.pid, child.pid)
        assert child.pid in procfs.children()
        assert child.pid in procfs.pids()
        assert procfs.group_alive(child.pid)
        assert b"COLOUR=red" in procfs.environment(child.pid)
    finally:
        child.kill()
    await wait_until(lambda: not procfs.group_alive(child.pid))
    assert child.pid in procfs.children(), "a zombie is a child still"
    child.wait()
    assert procfs.stat(child.pid) is None


@pytest.mark.parametrize("pid", [0, 2**22 + 1])
def test_a_process_that_is_not_there(pid: int) -> None:
    """It is no error."""
    assert procfs.stat(pid) is None
    assert b"".join(procfs.environment(pid)) == b""
