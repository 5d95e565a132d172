"""The members of an agent's session: found among our descendants, whatever group they are in.

A session outlives changes of group (`timeout`, `bash -m`); only `setsid` leads out of it. Here
they are found, and those that have ended are reaped; to signal and to wait is the group's part.
"""

import contextlib
import os
from typing import ClassVar, Final

import anyio
import anyio.to_thread

from musterd import procfs

_SEARCHES: Final = anyio.CapacityLimiter(4)
"""Of our own: agents may hold all threads of anyio's default one."""


class Session:
    """A session whose leader is our child and not reaped, so that its number is no stranger's.

    Args:
        leader: the process id of the leader, which is the session's number.
    """

    leaders: ClassVar[set[int]] = set()
    """Process ids of all leaders that are not reaped yet."""

    def __init__(self, leader: int) -> None:
        self._number = leader
        stat = procfs.stat(leader)
        self._started = stat.started if stat else 0
        self.leaders.add(leader)

    def close(self) -> None:
        """The leader is reaped."""
        self.leaders.discard(self._number)

    async def find(self, *, leader_ended: bool) -> set[int]:
        """Its members that are alive, the leader apart.

        Once the leader has ended, none found means none left: whoever loses its parent is adopted
        by this process, so that all of them are below children that we have adopted.
        """
        adopted = self._adopted()
        while adopted or not leader_ended:
            roots = adopted if leader_ended else adopted | {self._number}
            found = await anyio.to_thread.run_sync(self._search, roots, limiter=_SEARCHES)
            before, adopted = adopted, self._adopted()
            # One that ended meanwhile may have left us children that were not looked at.
            if found or adopted == before or not leader_ended:
                return found
        return set()

    def holds(self, pid: int) -> bool:
        """Whether a process other than the leader is a member, and alive."""
        stat = procfs.stat(pid)
        return (
            stat is not None and stat.session == self._number and stat.alive and pid != self._number
        )

    def _search(self, roots: set[int]) -> set[int]:
        return {pid for pid in procfs.descendants(roots) if self.holds(pid)}

    def _adopted(self) -> set[int]:
        """Children of ours that may descend from the leader: they are none of our own making.

        Called in the one thread that reaps, where the list is complete.
        """
        found = set()
        for pid in procfs.children() - self.leaders:
            stat = procfs.stat(pid)
            if stat is None or stat.started < self._started or stat.session == os.getsid(0):
                continue
            found.add(pid)
            if stat.session in self.leaders and not stat.alive:
                with contextlib.suppress(ChildProcessError):
                    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
        return found
