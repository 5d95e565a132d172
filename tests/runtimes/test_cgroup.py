"""Agents in control groups of their own; on a kernel and with rights that allow it.

Limits, and what the kernel says of them, are shown in a folder that looks like its own: the agents
play the kernel there.
"""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from musterd import procfs
from musterd.functions import Options
from musterd.runtimes.base import AgentFailed, OutOfMemory
from musterd.runtimes.cgroup import Cgroups
from musterd.runtimes.entry import find_program
from musterd.runtimes.orphans import reap
from musterd.runtimes.process import ProcessRuntime
from tests.support import cgroups
from tests.support.contexts import make_context, run_for_value
from tests.support.wait import wait_until

pytestmark = pytest.mark.usefixtures("subreaper")

DETECT = """
from pathlib import Path
from musterd.runtimes.cgroup import Cgroups
found = Cgroups.detect()
print(found and found.folder.name, Path("/proc/self/cgroup").read_text().split("0::")[1].split()[0])
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A control group with nobody in it; removed after the test, with whoever is in it then."""
    top = cgroups.top()
    if top is None:
        pytest.skip("no control groups of version 2 that this user may change")
    path = top / f"musterd-test-{secrets.token_hex(4)}"
    path.mkdir()
    if not (path / "cgroup.kill").exists():
        path.rmdir()
        pytest.skip("this kernel cannot kill a control group: older than 5.14")
    yield path
    cgroups.remove(path)


def detect(folder: Path, before: str = "") -> list[str]:
    """What a process in a control group finds out: its own group's name, and where it is then."""
    script = f'echo 0 > "$0"; {before} "$@"'
    command = ["sh", "-c", script, str(folder / "cgroup.procs"), sys.executable, "-c", DETECT]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def test_one_that_is_alone_takes_its_group(folder: Path) -> None:
    """The process moves into a leaf; groups that were left empty are removed."""
    Cgroups(folder).create("t9.1", {})
    assert detect(folder, "exec") == [folder.name, f"/{folder.name}/daemon"]
    assert list((folder / "agents").glob("*.1")) == []


def test_what_another_user_left_is_made_anew(folder: Path) -> None:
    """The daemon ran as somebody else before: groups of theirs could not be entered."""
    for name in ("daemon", "agents"):
        (folder / name).mkdir()
        os.chown(folder / name, 65534, 65534)
    assert detect(folder, "exec")[1] == f"/{folder.name}/daemon"
    assert {(folder / name).stat().st_uid for name in ("daemon", "agents")} == {os.geteuid()}


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


async def test_variables_of_any_name_come_through(folder: Path, tmp_path: Path) -> None:
    """A shell hands down those alone that it could have set itself."""
    environment = {"a.b": "1=2 $HOME", "x-y": "", "BASH_FUNC_f%%": "() { :; }", "PLAIN": "é"}
    script = (
        "import json, os; file = open(os.environ['MUSTERD_RESULT'], 'w');"
        f"json.dump({{name: os.environ.get(name) for name in {list(environment)}}}, file)"
    )
    for groups in (None, Cgroups(folder)):
        runtime = ProcessRuntime(
            [sys.executable, "-c", script], tmp_path, environment=environment, cgroups=groups
        )
        assert await run_for_value(runtime, make_context()) == environment


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
        for groups in (None, Cgroups(folder)):
            runtime = ProcessRuntime(
                [name], tmp_path / "scratch", working_directory=tmp_path, cgroups=groups
            )
            with pytest.raises(AgentFailed, match=f"cannot start '.*': {words}"):
                await runtime.run(make_context())
    assert not (folder / "agents/t1.1").exists()


def test_program_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is one from the working folder, by whatever name; PATH has no say in it."""
    (tmp_path / "check").write_text("")
    (tmp_path / "check").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    for name, where in (("./check", None), ("./check", tmp_path), (str(tmp_path / "check"), None)):
        find_program(name, {"PATH": "/nowhere"}, where)
    with pytest.raises(FileNotFoundError, match="'check'"):
        find_program("check", {"PATH": "/nowhere"}, tmp_path)


async def test_processor_time(folder: Path, tmp_path: Path) -> None:
    """In a group of all processes, also of one that nobody waited for; else of the waited for."""
    burn = f"{sys.executable} -c 'import time\nwhile time.process_time() < 0.2: pass'"
    unwaited = f'setsid sh -c "{burn}; : > done" & until [ -e done ]; do sleep 0.1; done'
    for groups, script in ((Cgroups(folder), unwaited), (None, burn)):
        runtime = ProcessRuntime(
            ["sh", "-c", script], tmp_path / "scratch", working_directory=tmp_path, cgroups=groups
        )
        context = make_context()
        await runtime.run(context)
        assert context.cpu_seconds is not None
        assert context.cpu_seconds >= 0.2


async def test_what_the_kernel_counts(folder: Path) -> None:
    """Whether somebody is in it, who, and how much processor time all have taken."""
    group = Cgroups(folder).create("t1.1", {})
    assert not group.populated()
    command = group.enter(["bash", "-c", "while :; do :; done"], {})
    with subprocess.Popen(command) as child:  # noqa: ASYNC220, a plain child is what is looked at
        await wait_until(lambda: group.pids() == {child.pid} and group.populated())
        await wait_until(lambda: group.cpu_seconds() > 0.02)
        group.kill()
        await wait_until(lambda: not group.populated())
    assert child.returncode == -9
    group.remove()
    assert (group.pids(), group.cpu_seconds(), group.populated()) == (set(), 0.0, False)


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    """A folder like the control group of a daemon to which all controllers are delegated."""
    path = tmp_path / "paper"
    path.mkdir()
    (path / "cgroup.controllers").write_text("cpu io memory pids\n")
    return path


def limited(paper: Path, script: str, **options: Any) -> ProcessRuntime:
    """Runs a script with limits; its first argument is its own control group."""
    groups = Cgroups(paper)
    groups.settle()
    command = ["sh", "-c", script, str(paper / "agents/t1.1")]
    limits = Options(name="k", **options).limits()
    return ProcessRuntime(command, paper / "scratch", cgroups=groups, limits=limits)


async def test_limits_are_there_before_the_program(paper: Path) -> None:
    """It finds them in the group in which it starts."""
    script = 'cd "$0"; paste -d, memory.max cpu.max pids.max | sed \'s/.*/"&"/\' > $MUSTERD_RESULT'
    runtime = limited(paper, script, memory_max="64M", cpu_max="50%", pids_max=9)
    assert await run_for_value(runtime, make_context()) == "67108864,50000 100000,9"


async def test_a_limit_that_cannot_be_applied_holds_up_nobody(paper: Path) -> None:
    """The others are written; that one was told of when the kinds were loaded."""
    (paper / "cgroup.controllers").write_text("cpu pids\n")
    script = 'cd "$0"; ls *.max | paste -sd, | sed \'s/.*/"&"/\' > $MUSTERD_RESULT'
    runtime = limited(paper, script, memory_max="64M", cpu_max="50%", pids_max=9)
    assert await run_for_value(runtime, make_context()) == "cpu.max,pids.max"


async def test_a_limit_that_the_kernel_refuses(paper: Path) -> None:
    """The agent does not start without it."""
    runtime = limited(paper, "true", pids_max=9)
    (paper / "agents/t1.1/pids.max").mkdir(parents=True)
    with pytest.raises(AgentFailed, match=r"cannot start 'sh': Is a directory: '.*pids.max'"):
        await runtime.run(make_context())


OOM = 'printf "oom 3\\noom_kill %s\\noom_group_kill 0\\n" 2 > "$0/memory.events"; '


async def test_out_of_memory(paper: Path) -> None:
    """A command that fails, and of which the kernel has ended processes, has failed of that."""
    with pytest.raises(OutOfMemory, match=r"^out of memory: killed by SIGKILL: last words$"):
        await limited(paper, OOM + "echo last words >&2; kill -KILL $$").run(make_context())


async def test_who_survives_has_not_failed(paper: Path) -> None:
    """Exit code 0 is what it always is; the kernel's count of none says nothing."""
    assert await limited(paper, OOM).run(make_context()) is None
    with pytest.raises(AgentFailed, match=r"^exit code 3$") as failed:
        await limited(paper, OOM.replace(" 2 >", " 0 >") + "exit 3").run(make_context())
    assert not isinstance(failed.value, OutOfMemory)


async def test_processor_time_is_the_groups(paper: Path) -> None:
    """As the kernel counts it, which is in microseconds."""
    context = make_context()
    script = 'printf "usage_usec 1234567\\nuser_usec 1\\n" > "$0/cpu.stat"'
    await limited(paper, script).run(context)
    assert context.cpu_seconds == 1.234567
