"""The kernel's controllers, which apply limits to control groups: which work, and why one does not.

A controller works in a group once it was enabled in all groups above it, and belongs to version 2
of control groups or to version 1, never to both.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from musterd.limits import LIMITS, Limit

WANTED: Final = frozenset(limit.controller for limit in LIMITS)

_DELEGATE: Final = "Delegate=cpu memory pids"


class Lack(NamedTuple):
    """Limits that cannot be applied on this daemon: which, why, and what to do."""

    limits: list[str]
    why: str
    hint: str


def given(folder: Path) -> frozenset[str]:
    """The controllers that a group has, and may enable for those below it."""
    return frozenset(read(folder / "cgroup.controllers").split())


def enable(folder: Path, names: Iterable[str]) -> frozenset[str]:
    """Enable controllers for the groups below a group; those that could be."""
    return frozenset(name for name in names if _enable(folder, name))


def lack(
    limits: Iterable[Limit],
    folder: Path | None = None,
    enabled: frozenset[str] = frozenset(),
    proc: Path = Path("/proc"),
) -> Lack | None:
    """What of these limits cannot be applied; None if all can.

    Args:
        limits: of one kind.
        folder: the daemon's own control group, None if it has none to itself.
        enabled: the controllers that agents' groups have.
        proc: where the kernel tells of them.
    """
    missing = [limit for limit in limits if limit.controller not in enabled]
    if not missing:
        return None
    options = [limit.option for limit in missing]
    if folder is None:
        hint = f"start it by the unit that is shipped, or one with {_DELEGATE}"
        return Lack(options, "this daemon has no control group to itself", hint)
    whys = {limit.controller: _why(limit.controller, folder, proc) for limit in missing}
    reasons = (
        f"{', '.join(name for name, (said, _) in whys.items() if said == why)}: {why}"
        for why in dict.fromkeys(why for why, _ in whys.values())
    )
    hints = dict.fromkeys(hint for _, hint in whys.values())
    return Lack(options, "; ".join(reasons), "; ".join(hints))


def _why(name: str, folder: Path, proc: Path) -> tuple[str, str]:
    """Why a controller does not work for agents, and what to do."""
    if name in given(folder):
        return f"could not be enabled below {folder}", "let no other process be in that group"
    hierarchy, is_on = _table(proc).get(name, ("0", "1"))
    if is_on == "0":
        return "switched off in this kernel", f"boot with cgroup_enable={name}"
    if hierarchy != "0":
        why = "of version 1 of control groups on this machine"
        return why, "boot with systemd.unified_cgroup_hierarchy=1"
    return "not delegated to this daemon", f"{_DELEGATE} in its unit"


def _table(proc: Path) -> dict[str, tuple[str, str]]:
    """Of each controller its hierarchy, 0 being version 2, and whether it is on."""
    rows = [line.split() for line in read(proc / "cgroups").splitlines()]
    return {name: (hierarchy, is_on) for name, hierarchy, _, is_on, *_ in rows[1:]}


def read(path: Path) -> str:
    """What the kernel says in a file; nothing where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _enable(folder: Path, name: str) -> bool:
    try:
        (folder / "cgroup.subtree_control").write_text(f"+{name}")
    except OSError:
        return False
    return True
