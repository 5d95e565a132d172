"""The processes of an agent: all that descend from its first one, wherever they have gone.

While its ancestors live, a process is found below them. Who has lost them is adopted by this
process, and is known by its brand, its session, its environment, or by having been seen below the
agent before. Here they are found and held; to ask, to force and to wait is the group's part.
"""

import contextlib
import signal
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import anyio.lowlevel

from musterd import procfs
from musterd.procfs import Stat
from musterd.runtimes.orphans import Orphan, find_orphans, leaders, reap

_MARKS: Final = ("MUSTERD_OWNER", "MUSTERD_AGENT_ID")
"""Variables that together name one attempt."""

_TURN: Final = 32
"""Processes looked at in a stretch, about 1 ms; then others have their turn."""


class Tree:
    """The processes of an agent whose leader is our child and not reaped.

    As long as it is not, its number is no stranger's, neither as a process nor as a session.

    Args:
        leader: the process id of the first one, which leads a session.
        brand: what it was started with.
        environment: what it was started with.
    """

    def __init__(self, leader: int, brand: int, environment: Mapping[str, str]) -> None:
        self._leader = leader
        self._brand = brand
        self._environment = environment
        self._seen: dict[int, int] = {}  # when each started that was found here, by process id
        leaders.add(leader)

    def close(self) -> None:
        """The leader is reaped."""
        leaders.discard(self._leader)

    async def find(
        self, *, leader_ended: bool, hold: bool = False, also: Collection[int] = ()
    ) -> dict[int, Stat]:
        """Its processes that are alive, the leader apart.

        Once the leader has ended, none found means none left: each of them is below one that we
        have adopted, or is one.

        Args:
            leader_ended: whether the leader's own children are ours by now.
            hold: stop each one before its children are looked at, so that none can fork away.
            also: processes that are known to be the agent's from elsewhere.
        """
        while True:
            orphans = await find_orphans()
            ours = {pid for pid, orphan in orphans.items() if self._is_tied(pid, orphan)}
            roots = {pid for pid in ours if orphans[pid].stat.alive}
            for pid in ours - roots:
                reap(pid)
            roots.update(also if leader_ended else (self._leader, *also))
            found = await self._walk(roots, hold=hold)
            self._seen.update((pid, stat.started) for pid, stat in found.items())
            # One that ended meanwhile may have left us children that were not looked at.
            if found or not ours or not leader_ended:
                return found

    def _is_tied(self, pid: int, orphan: Orphan) -> bool:
        return (
            orphan.brand == self._brand
            or orphan.stat.session == self._leader
            or orphan.environment >= self._marks()
            or self._seen.get(pid) == orphan.stat.started
        )

    def _marks(self) -> set[bytes]:
        return {f"{name}={self._environment.get(name)}".encode() for name in _MARKS}

    async def _walk(self, roots: Iterable[int], *, hold: bool) -> dict[int, Stat]:
        """Those of the roots and of what descends from them that are alive, the leader apart."""
        found: dict[int, Stat] = {}
        left = list(roots)
        looked = 0
        while left:
            pid = left.pop()
            stat = procfs.stat(pid)
            if stat is None or pid in found:
                continue
            if stat.alive and pid != self._leader:
                found[pid] = stat
                if hold:
                    send(signal.SIGSTOP, pid, stat)
            left += procfs.children(pid)
            looked += 1
            if looked % _TURN == 0:
                await anyio.lowlevel.checkpoint()
        return found


def send(number: signal.Signals, pid: int, stat: Stat) -> None:
    """Signal a process if it still is the one that was seen; out of our reach is no error."""
    with contextlib.suppress(OSError), procfs.opened(pid, stat) as pidfd:
        signal.pidfd_send_signal(pidfd, number)
