"""A control group for each agent, where the daemon has one to itself: no process forks out of it.

Version 2 of the kernel's control groups alone. Below the daemon's own there are then two: `daemon`,
into which it moves itself, because a group with controllers may hold either processes or groups;
and `agents`, with one for each agent. The daemon's own is never removed: who gave it takes it away.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import structlog
from structlog.typing import FilteringBoundLogger

from musterd.limits import Limit
from musterd.runtimes import controllers, entry
from musterd.runtimes.controllers import Lack, read

_log: FilteringBoundLogger = structlog.get_logger()


class Cgroup:
    """The control group of one agent.

    Args:
        folder: where the kernel shows it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def enter(self, command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        """The command that does the same inside; what it forks is inside from the first moment."""
        return entry.enter(self._folder / "cgroup.procs", command, environment)

    def pids(self) -> set[int]:
        """Its processes, those of groups that they made below it too; no zombies."""
        texts = [read(folder / "cgroup.procs") for folder in self._folders()]
        return {int(pid) for text in texts for pid in text.split()}

    def kill(self) -> None:
        """SIGKILL to all at once; no fork gets away."""
        with contextlib.suppress(OSError):
            (self._folder / "cgroup.kill").write_text("1")

    def populated(self) -> bool:
        """Whether a process in it, or below it, is alive."""
        return "populated 1" in read(self._folder / "cgroup.events").splitlines()

    def cpu_seconds(self) -> float:
        """Processor time that its processes have taken, the ended ones too."""
        return self._count("cpu.stat", "usage_usec") / 1_000_000

    def oom_kills(self) -> int:
        """How many of its processes the kernel has ended for want of memory."""
        return self._count("memory.events", "oom_kill")

    def _count(self, file: str, name: str) -> int:
        """One of the numbers in a file; 0 where there is none."""
        rows = [line.split() for line in read(self._folder / file).splitlines()]
        return next((int(row[1]) for row in rows if row[0] == name), 0)

    def remove(self) -> None:
        """Remove it, and what its processes made below it; one that is not empty stays."""
        for folder in reversed(list(self._folders())):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _folders(self) -> Iterator[Path]:
        """From the top down."""
        for folder, _, _ in os.walk(self._folder):
            yield Path(folder)


class Cgroups:
    """Makes control groups for agents.

    Args:
        folder: the daemon's own, in which nobody else has any business.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._agents = folder / "agents"
        self._enabled: frozenset[str] = frozenset()

    @classmethod
    def detect(cls) -> "Cgroups | None":
        """Take the daemon's own control group if it has one to itself, and move it to a leaf there.

        Call it once, before any other process is started. Systemd gives one with `Delegate=yes`.

        Returns:
            None where the kernel, a read-only file system, missing rights or other processes in
            the group forbid it.
        """
        folder = _own_folder()
        if folder is None or not _is_ours(folder):
            return None
        cgroups = cls(folder)
        try:
            cgroups.settle()
        except OSError as error:
            _log.warning("control groups not used", folder=str(folder), error=str(error))
            return None
        return cgroups

    def settle(self) -> None:
        """Move this process into a leaf, and remove what earlier lives have left empty.

        The controllers are enabled then: a group that has processes may not do so.

        Raises:
            OSError: it may not.
        """
        leaf = self.folder / "daemon"
        for folder in (leaf, self._agents):
            Cgroup(folder).remove()  # another user, whose daemon ran before, may have made it
            folder.mkdir(exist_ok=True)
        (leaf / "cgroup.procs").write_text(str(os.getpid()))
        ours = controllers.enable(self.folder, controllers.WANTED & controllers.given(self.folder))
        self._enabled = controllers.enable(self._agents, ours)

    def create(self, agent_id: str, limits: Mapping[Limit, str]) -> Cgroup:
        """One for an agent, with those of the limits that can be applied; the caller removes it.

        Raises:
            OSError: it cannot be made, or the kernel does not take a limit.
        """
        folder = self._agents / agent_id
        folder.mkdir(parents=True, exist_ok=True)
        group = Cgroup(folder)
        try:
            for limit, text in limits.items():
                if limit.controller in self._enabled:
                    (folder / limit.file).write_text(text)
        except OSError:
            group.remove()
            raise
        return group

    def lack(self, limits: Iterable[Limit]) -> Lack | None:
        """What of these limits cannot be applied; None if all can."""
        return controllers.lack(limits, self.folder, self._enabled)


def _own_folder() -> Path | None:
    """Where the control group of this process can be seen."""
    lines = read(Path("/proc/self/cgroup")).splitlines()
    path = next((line[3:] for line in lines if line.startswith("0::")), None)
    for line in read(Path("/proc/self/mountinfo")).splitlines():
        fields, _, kind = line.partition(" - ")
        root, mount = fields.split()[3:5]
        if path is not None and kind.startswith("cgroup2 ") and Path(path).is_relative_to(root):
            return Path(mount) / Path(path).relative_to(root)
    return None


def _is_ours(folder: Path) -> bool:
    """Whether nobody else is in it, it may be changed, and its kernel can kill a group (5.14)."""
    return (
        (folder / "cgroup.kill").exists()  # the machine's first group has none either
        and read(folder / "cgroup.procs").split() == [str(os.getpid())]
        and os.access(folder, os.W_OK)
        and os.access(folder / "cgroup.procs", os.W_OK)
    )
