"""Processes that outlived their daemon: agents of an earlier life of this node, found and ended.

They are known by the exact MUSTERD_OWNER in their environment or by the brand of that life, never
by a name: a daemon of the same name may be alive on another server. What descends from one of them,
or shares a session with it, is taken along.
"""

import contextlib
import os
import signal
from collections.abc import Collection, Mapping
from typing import Final

import anyio
import anyio.to_thread
import structlog
from structlog.typing import FilteringBoundLogger

from musterd import procfs
from musterd.procfs import Stat
from musterd.runtimes import brand

_ROUNDS: Final = 5
"""Looks at most; each finds what was forked during the one before."""

_FORCED: Final = 5.0
"""Seconds that a process has to vanish after SIGKILL."""

_log: FilteringBoundLogger = structlog.get_logger()


async def end_leftovers(owners: Collection[str], grace: float) -> int:
    """End the agents that these owners left behind; return when they are gone.

    Args:
        owners: `{node}/{epoch}` of lives that are over.
        grace: seconds between SIGTERM and SIGKILL.

    Returns:
        How many processes were ended.
    """
    search = _Search(owners)
    ended = 0
    for _ in range(_ROUNDS):
        found = await anyio.to_thread.run_sync(search.find)
        if not found:
            return ended
        ended += await _end(found, grace)
    found = await anyio.to_thread.run_sync(search.find)
    if found:
        _log.warning("processes of an earlier life do not end", pids=sorted(found))
    return ended


class _Search:
    """Finds the processes of some owners; never this one, or what it has started."""

    def __init__(self, owners: Collection[str]) -> None:
        self._owners = {f"MUSTERD_OWNER={owner}".encode() for owner in owners}
        self._lives = {brand.life(owner) for owner in owners}
        self._own_session = os.getsid(0)

    def find(self) -> dict[int, Stat]:
        """Look at every process."""
        pids = procfs.pids()
        marked = [pid for pid in pids if self._is_marked(pid)]
        if not marked:
            return {}
        tree = procfs.descendants(marked, without=os.getpid())
        sessions = {stat.session for pid in marked if (stat := procfs.stat(pid))}
        stats = {pid: stat for pid in {*pids, *tree} if (stat := procfs.stat(pid))}
        return {
            pid: stat
            for pid, stat in stats.items()
            if (pid in tree or stat.session in sessions)
            and stat.alive
            and stat.session != self._own_session
        }

    def _is_marked(self, pid: int) -> bool:
        return brand.life_of(pid) in self._lives or not self._owners.isdisjoint(
            procfs.environment(pid)
        )


async def _end(found: Mapping[int, Stat], grace: float) -> int:
    with contextlib.ExitStack() as stack:
        pidfds = set()
        for pid, stat in found.items():
            with contextlib.suppress(OSError):
                pidfds.add(stack.enter_context(procfs.opened(pid, stat)))
        for number in (signal.SIGTERM, signal.SIGCONT):
            _signal(pidfds, number)
        left = await _wait(pidfds, grace)
        _signal(left, signal.SIGKILL)
        left = await _wait(left, _FORCED)
        return len(pidfds) - len(left)


def _signal(pidfds: set[int], number: signal.Signals) -> None:
    for pidfd in pidfds:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(pidfd, number)


async def _wait(pidfds: set[int], seconds: float) -> set[int]:
    """Wait until they have ended; returns those that have not by then."""
    left = set(pidfds)

    async def wait(pidfd: int) -> None:
        await anyio.wait_readable(pidfd)
        left.discard(pidfd)

    with anyio.move_on_after(seconds):
        async with anyio.create_task_group() as waiting:
            for pidfd in pidfds:
                waiting.start_soon(wait, pidfd)
    return left
