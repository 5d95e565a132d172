"""Which controllers work, and what is said of one that does not; on folders like the kernel's.

What the kernel itself does with them is tried in no test: it needs a machine whose controllers
belong to version 2 of control groups.
"""

from pathlib import Path

import pytest

from musterd.limits import LIMITS
from musterd.runtimes import controllers
from musterd.runtimes.controllers import Lack

TABLE = """\
#subsys_name	hierarchy	num_cgroups	enabled
cpu	{cpu}	1	1
memory	{memory}	27	{on}
pids	0	1	1
"""


def make_group(folder: Path, names: str) -> Path:
    """A group that was given controllers."""
    (folder / "cgroup.controllers").write_text(names + "\n")
    return folder


def say_lack(
    folder: Path, enabled: str, *, cpu: int = 0, memory: int = 0, on: int = 1
) -> Lack | None:
    """What is lacking of all limits, on a kernel that has its controllers so."""
    proc = folder / "proc"
    proc.mkdir(exist_ok=True)
    (proc / "cgroups").write_text(TABLE.format(cpu=cpu, memory=memory, on=on))
    return controllers.lack(LIMITS, folder, frozenset(enabled.split()), proc)


def test_given_and_enabled(tmp_path: Path) -> None:
    """A group says which it was given; they are enabled for those below it one by one."""
    assert controllers.given(make_group(tmp_path, "cpu io memory")) == {"cpu", "io", "memory"}
    assert controllers.enable(tmp_path, ["memory"]) == {"memory"}
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"


def test_one_that_the_kernel_refuses_is_not_enabled(tmp_path: Path) -> None:
    """It is passed over: the other limits hold all the same."""
    (tmp_path / "cgroup.subtree_control").mkdir()
    assert controllers.enable(tmp_path, ["memory", "cpu"]) == frozenset()
    assert controllers.given(tmp_path / "nowhere") == frozenset()


def test_nothing_is_lacking(tmp_path: Path) -> None:
    """Where all are enabled, or nothing is limited."""
    assert say_lack(make_group(tmp_path, "cpu memory pids"), "cpu memory pids") is None
    assert controllers.lack([]) is None


def test_no_group() -> None:
    """Outside of a service that delegates: one reason for all limits."""
    lack = controllers.lack(LIMITS)
    assert lack is not None
    assert lack.limits == ["memory_max", "cpu_max", "pids_max"]
    assert lack.why == "this daemon has no control group to itself"
    assert "Delegate=cpu memory pids" in lack.hint


@pytest.mark.parametrize(
    ("names", "kernel", "why", "hint"),
    [
        ("cpu pids", {"memory": 4}, "memory: of version 1", "unified_cgroup_hierarchy=1"),
        ("cpu pids", {"on": 0}, "memory: switched off", "cgroup_enable=memory"),
        ("cpu pids", {}, "memory: not delegated", "Delegate=cpu memory pids"),
        ("cpu memory pids", {}, "memory: could not be enabled", "no other process"),
    ],
)
def test_why(tmp_path: Path, names: str, kernel: dict[str, int], why: str, hint: str) -> None:
    """The limit that cannot be applied is named, with the reason and what to do."""
    lack = say_lack(make_group(tmp_path, names), "cpu pids", **kernel)
    assert lack is not None
    assert lack.limits == ["memory_max"]
    assert why in lack.why
    assert hint in lack.hint


def test_several_reasons(tmp_path: Path) -> None:
    """Each is told once, with all that it is true of."""
    lack = say_lack(make_group(tmp_path, ""), "pids", cpu=1, memory=4)
    assert lack is not None
    assert lack.limits == ["memory_max", "cpu_max"]
    assert lack.why == "memory, cpu: of version 1 of control groups on this machine"
    assert lack.hint == "boot with systemd.unified_cgroup_hierarchy=1"
    lack = say_lack(make_group(tmp_path, "memory"), "pids", cpu=1)
    assert lack is not None
    assert lack.why.startswith("memory: could not be enabled below ")
    assert lack.why.endswith("; cpu: of version 1 of control groups on this machine")
