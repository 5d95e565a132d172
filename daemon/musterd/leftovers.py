"""Processes that outlived their daemon: agents of an earlier life of this node, found and ended.

They are known by the exact MUSTERD_OWNER in their environment, never by a name: a daemon of the
same name may be alive on another server. What shares a session with one of them, but has cleared
its environment, is taken along.
"""

import contextlib
import os
import signal
from collections.abc import Collection
from typing import Final

import anyio
import anyio.to_thread
import structlog
from structlog.typing import FilteringBoundLogger

from musterd import procfs

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
        pids = await anyio.to_thread.run_sync(search.find)
        if not pids:
            return ended
        ended += await _end(search, pids, grace)
    pids = await anyio.to_thread.run_sync(search.find)
    if pids:
        _log.warning("processes of an earlier life do not end", pids=sorted(pids))
    return ended


class _Search:
    """Finds the processes of some owners."""

    def __init__(self, owners: Collection[str]) -> None:
        self._owners = {f"MUSTERD_OWNER={owner}".encode() for owner in owners}
        self._own_session = os.getsid(0)
        self._sessions: set[int] = set()

    def find(self) -> list[int]:
        """Look at every process; those of this one's session are never among those found."""
        pids = procfs.pids()
        stats = (procfs.stat(pid) for pid in pids if self._is_owned(pid))
        self._sessions = {stat.session for stat in stats if stat}
        return [pid for pid in pids if self.is_leftover(pid)] if self._sessions else []

    def is_leftover(self, pid: int) -> bool:
        """Whether a process is one, as far as /proc says at this moment."""
        stat = procfs.stat(pid)
        if stat is None or not stat.alive or stat.session == self._own_session:
            return False
        return stat.session in self._sessions or self._is_owned(pid)

    def _is_owned(self, pid: int) -> bool:
        return not self._owners.isdisjoint(procfs.environment(pid))


async def _end(search: _Search, pids: list[int], grace: float) -> int:
    with contextlib.ExitStack() as stack:
        pidfds = set()
        for pid in pids:
            with contextlib.suppress(OSError):
                pidfd = os.pidfd_open(pid)
                stack.callback(os.close, pidfd)
                # Only now is the number sure to be the same process for as long as we look.
                if search.is_leftover(pid):
                    pidfds.add(pidfd)
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
