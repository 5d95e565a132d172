"""Agents in control groups of their own; on a kernel and with rights that allow it."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from musterd import procfs
from musterd.runtimes.base import AgentFailed
from musterd.runtimes.cgroup import Cgroup, Cgroups
from musterd.runtimes.orphans import reap
from musterd.runtimes.process import ProcessRuntime
from tests.support.contexts import make_context, run_for_value
from tests.support.wait import wait_until

pytestmark = pytest.mark.usefixtures("subreaper")

DETECT = """
from pathlib import Path
from musterd.runtimes.cgroup import Cgroups
found = Cgroups.detect()
print(found and found.folder.name, Path("/proc/self/cgroup").read_text().split("0::")[1].split()[0])
"""


def mount() -> Path | None:
    """Where control groups of version 2 are, if there are any."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, kind = line.partition(" - ")
        if kind.startswith("cgroup2 "):
            return Path(fields.split()[4])
    return None


@pytest.fixture
def folder() -> Iterator[Path]:
    """A control group with nobody in it; removed after the test, with whoever is in it then."""
    top = mount()
    if top is None or not os.access(top, os.W_OK):
        pytest.skip("no control groups of version 2 that this user may change")
    path = top / f"musterd-test-{secrets.token_hex(4)}"
    path.mkdir()
    if not (path / "cgroup.kill").exists():
        path.rmdir()
        pytest.skip("this kernel cannot kill a control group: older than 5.14")
    yield path
    Cgroup(path).kill()
    while Cgroup(path).populated():
        pass
    Cgroup(path).remove()
    assert not path.exists()


def detect(folder: Path, before: str = "") -> list[str]:
    """What a process in a control group finds out: its own group's name, and where it is then."""
    script = f'echo 0 > "$0"; {before} "$@"'
    command = ["sh", "-c", script, str(folder / "cgroup.procs"), sys.executable, "-c", DETECT]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def test_one_that_is_alone_takes_its_group(folder: Path) -> None:
    """The process moves into a leaf; groups that were left empty are removed."""
    Cgroups(folder).create("t9.1")
    assert detect(folder, "exec") == [folder.name, f"/{folder.name}/daemon"]
    assert list((folder / "agents").glob("*.1")) == []


def test_one_that_is_not_alone_takes_nothing(folder: Path) -> None:
    """Its parent is in the same group: it is left as it is."""
    assert detect(folder) == ["None", f"/{folder.name}"]
    assert not (folder / "daemon").exists()


ESCAPE = """
import os, resource
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        resource.setrlimit(resource.RLIMIT_RTTIME, (resource.RLIM_INFINITY,) * 2)
        script = 'echo $$ > "$0"; trap "" TERM; while :; do sleep 0.05; done'
        os.execve("/bin/sh", ["sh", "-c", script, "pid"], {})
    os._exit(0)
os.wait()
"""
"""Leaves a process that has cut all ties."""


async def test_nothing_gets_out(folder: Path, tmp_path: Path) -> None:
    """Who cut every tie ends with its agent, after the grace; the group is gone then, too."""
    (tmp_path / "escape.py").write_text(ESCAPE)
    script = f"{sys.executable} escape.py; until [ -s pid ]; do :; done; cat /proc/self/cgroup"
    runtime = ProcessRuntime(
        ["bash", "-c", f"{script} > cgroup"],
        tmp_path / "scratch",
        working_directory=tmp_path,
        cgroups=Cgroups(folder),
    )
    began = anyio.current_time()
    await runtime.run(make_context(grace=0.2))
    assert anyio.current_time() - began >= 0.2
    assert f"0::/{folder.name}/agents/t1.1\n" in (tmp_path / "cgroup").read_text()
    pid = int((tmp_path / "pid").read_text())
    stat = procfs.stat(pid)
    assert stat is None or not stat.alive
    reap(pid)
    assert not (folder / "agents/t1.1").exists()


async def test_arguments_are_what_they_are(folder: Path, tmp_path: Path) -> None:
    """The shell that enters the group changes nothing of them; the context comes through."""
    arguments = ["$HOME", "a b", "'", '"', "*", "-n", ""]
    script = (
        "import json, os, sys; file = open(os.environ['MUSTERD_RESULT'], 'w');"
        "json.dump([sys.argv[1:], json.load(sys.stdin)], file)"
    )
    runtime = ProcessRuntime(
        [sys.executable, "-c", script, *arguments], tmp_path, cgroups=Cgroups(folder)
    )
    assert await run_for_value(runtime, make_context(context="é")) == [arguments, "é"]


async def test_a_program_that_is_missing_is_told_in_the_same_words(
    folder: Path, tmp_path: Path
) -> None:
    """As where there is no control group."""
    (tmp_path / "text").write_text("")
    for name, words in (
        ("no-such-program", "No such file"),
        (str(tmp_path / "text"), "Permission denied"),
        ("./none", "No such file"),
    ):
        for cgroups in (None, Cgroups(folder)):
            runtime = ProcessRuntime(
                [name], tmp_path / "scratch", working_directory=tmp_path, cgroups=cgroups
            )
            with pytest.raises(AgentFailed, match=f"cannot start '.*': {words}"):
                await runtime.run(make_context())
    assert not (folder / "agents/t1.1").exists()


async def test_what_the_kernel_counts(folder: Path) -> None:
    """Whether somebody is in it, who, and how much processor time all have taken."""
    group = Cgroups(folder).create("t1.1")
    assert not group.populated()
    command = group.enter(["bash", "-c", "while :; do :; done"])
    with subprocess.Popen(command) as child:  # noqa: ASYNC220, a plain child is what is looked at
        await wait_until(lambda: group.pids() == {child.pid} and group.populated())
        await wait_until(lambda: group.cpu_usec() > 20_000)
        group.kill()
        await wait_until(lambda: not group.populated())
    assert child.returncode == -9
    group.remove()
    assert (group.pids(), group.cpu_usec(), group.populated()) == (set(), 0, False)
