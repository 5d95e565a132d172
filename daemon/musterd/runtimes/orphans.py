"""Processes whose parent ended: the daemon adopts those of its agents.

Here they are seen, and those that have ended are reaped. Whose they are is known in `tree.py`. What
somebody else in this process has started and waits for is never reaped.
"""

import contextlib
import ctypes
import os
from typing import Final, NamedTuple

import anyio
import anyio.lowlevel

from musterd import procfs
from musterd.procfs import Stat
from musterd.runtimes import brand

_PR_SET_CHILD_SUBREAPER: Final = 36

leaders: Final[set[int]] = set()
"""Process ids of all agents' first processes that are not reaped yet; they are no orphans."""


def become_subreaper() -> bool:
    """Let this process adopt orphaned descendants in init's place; False if that is refused.

    Without it, of what outlives its agent's first process only that one's group is ended, without
    a grace.
    """
    libc = ctypes.CDLL(None)
    return bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


class Orphan(NamedTuple):
    """What ties an adopted process to an agent.

    Attributes:
        stat: where it stands.
        brand: None if it has none.
        environment: its entries `NAME=value`; not looked at if it has a brand.
    """

    stat: Stat
    brand: int | None
    environment: frozenset[bytes]


async def find_orphans() -> dict[int, Orphan]:
    """Our children that no agent's start has made, by process id, as of now or a little later.

    Agents that end at the same time share one look.
    """
    if _Look.next is not None:
        return await _Look.next.wait()
    look = _Look.next = _Look()
    try:
        await anyio.lowlevel.checkpoint()
    finally:
        _Look.next = None
        look.take()
    return look.found


class _Look:
    """One that is about to be taken."""

    next: "_Look | None" = None

    def __init__(self) -> None:
        self.found: dict[int, Orphan] = {}
        self._taken: anyio.Event | None = None  # many are taken for one alone

    async def wait(self) -> dict[int, Orphan]:
        """What it has found, once it is taken."""
        self._taken = self._taken or anyio.Event()
        await self._taken.wait()
        return self.found

    def take(self) -> None:
        """Look, and let those go on who wait for it."""
        self.found = _look()
        if self._taken is not None:
            self._taken.set()


def _look() -> dict[int, Orphan]:
    """Called in the one thread that reaps, where the list of children is complete."""
    session = os.getsid(0)
    found = {}
    for pid in procfs.adopted() - leaders:
        stat = procfs.stat(pid)
        # An agent's process cannot come into our session; whoever shares it is somebody else's.
        if stat is not None and stat.session != session:
            mark = brand.read(pid)
            found[pid] = Orphan(stat, mark, frozenset(() if mark else procfs.environment(pid)))
    return found


def reap(pid: int) -> None:
    """Take note of the end of a child that has ended."""
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)


class Orphans:
    """Adopted processes that have ended and are no agent's any more; `reap` them now and then."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def reap(self) -> int:
        """Reap those that were there at the last call too; returns how many.

        Two calls, some seconds apart: whoever waits for a child of its own has seen it by then.
        """
        ended = {pid for pid, orphan in _look().items() if not orphan.stat.alive}
        due = ended & self._seen
        self._seen = ended - due
        for pid in due:
            reap(pid)
        return len(due)
