"""A process group: started, signalled, and known to be gone.

The leader is not reaped while the group is signalled. As a zombie it keeps the group's number, so
that no signal can reach a stranger who was given the same number.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import ClassVar, Final

import anyio
import anyio.to_thread

from musterd import procfs
from musterd.runtimes.base import Context

_SHORTEST: Final = 0.001
_LONGEST: Final = 0.05
_GRACE_CHECK: Final = 0.5
"""Seconds after which a grace that was shortened meanwhile is noticed."""


class ProcessGroup:
    """A command in a session and process group of its own. `end` must be awaited.

    Raises:
        OSError: it cannot be started.
        ValueError: an argument or a variable holds a zero byte.
    """

    leaders: ClassVar[set[int]] = set()
    """Process ids of all leaders that are not reaped yet."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        working_directory: Path | None,
        environment: Mapping[str, str],
        streams: tuple[FileIO, FileIO, FileIO],
    ) -> None:
        # Not asyncio's subprocess: its watcher reaps a leader as soon as it ends.
        self._leader = subprocess.Popen(  # noqa: S603, no shell; the command is the operator's
            command,
            cwd=working_directory,
            env=environment,
            stdin=streams[0],
            stdout=streams[1],
            stderr=streams[2],
            start_new_session=True,
        )
        self._number = self._leader.pid
        try:
            self._pidfd = os.pidfd_open(self._number)
        except OSError:
            self._signal(signal.SIGKILL)
            self._leader.wait()
            raise
        self._leader_ended = False
        self.leaders.add(self._number)

    async def wait_leader(self) -> None:
        """Return when the first process has ended; others of the group may be left."""
        if not self._leader_ended:
            await anyio.wait_readable(self._pidfd)
            self._leader_ended = True

    async def end(self, context: Context) -> int:
        """End what is left: SIGTERM, `context.grace` seconds, SIGKILL; return when all are gone.

        Call it shielded from cancellation.

        Returns:
            The leader's exit code, or the negative number of the signal that ended it.
        """
        if self._has_live_child():
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)  # a stopped process acts on no other signal
            await self._wait_grace(context)
        self._signal(signal.SIGKILL)
        await self.wait_leader()
        os.close(self._pidfd)
        exit_code = self._leader.wait()
        self.leaders.discard(self._number)
        await self._wait_gone()
        return exit_code

    def _signal(self, number: signal.Signals) -> None:
        # A member that changed its user may be out of our reach; then it is waited for.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._number, number)

    def _has_live_child(self) -> bool:
        """Whether the group has a member alive that is our child, by birth or by adoption.

        Without WEXITED the kernel counts no zombies: if there is nothing else, it says ECHILD.
        Children of members need no look: a member whose parent ends is adopted by this process.
        """
        options = os.WSTOPPED | os.WCONTINUED | os.WNOHANG | os.WNOWAIT
        try:
            os.waitid(os.P_PGID, self._number, options)
        except ChildProcessError:
            return False
        return True

    async def _wait_grace(self, context: Context) -> None:
        asked = anyio.current_time()
        delays = _delays()
        while self._has_live_child():
            left = asked + context.grace - anyio.current_time()
            if left <= 0:
                return
            if self._leader_ended:
                await anyio.sleep(min(left, next(delays)))
            else:
                with anyio.move_on_after(min(left, _GRACE_CHECK)):
                    await self.wait_leader()

    async def _wait_gone(self) -> None:
        """Return when no member is left; the leader is reaped already.

        The number cannot have become a stranger's between two looks: the kernel hands numbers out
        in turn, so that would take a whole round of them in 50 ms.
        """
        for delay in _delays():
            self._reap_adopted()
            if not self._exists():
                return
            # Zombies of a careless parent outside of the group count as gone. That look is dear.
            if delay == _LONGEST and not await self._is_alive():
                return
            await anyio.sleep(delay)

    def _reap_adopted(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while os.waitid(os.P_PGID, self._number, os.WEXITED | os.WNOHANG):
                pass

    def _exists(self) -> bool:
        try:
            os.killpg(self._number, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    async def _is_alive(self) -> bool:
        return await anyio.to_thread.run_sync(procfs.group_alive, self._number)


def _delays() -> Iterator[float]:
    delay = _SHORTEST
    while True:
        yield delay
        delay = min(delay * 2, _LONGEST)
