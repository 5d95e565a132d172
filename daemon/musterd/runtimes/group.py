"""A process group and the tree that grows from it: started, signalled, and known to be gone.

The leader is not reaped before the last process of the tree has ended. As a zombie it keeps the
number of the group and the session, so that no signal can reach a stranger who was given the same
number.
"""

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import anyio
import structlog
from structlog.typing import FilteringBoundLogger

from musterd.procfs import Stat
from musterd.runtimes import brand
from musterd.runtimes.base import Context
from musterd.runtimes.cgroup import Cgroup
from musterd.runtimes.program import Program
from musterd.runtimes.readiness import readiness
from musterd.runtimes.spawn import Streams
from musterd.runtimes.tree import Tree, send

_SHORTEST: Final = 0.001
_LONGEST: Final = 0.05
_GRACE_CHECK: Final = 0.5
"""Seconds after which a grace that was shortened meanwhile is noticed."""

_PATIENCE: Final = 5.0
"""Seconds after SIGKILL until a warning says who has not ended."""

_log: FilteringBoundLogger = structlog.get_logger()


class Outcome(NamedTuple):
    """How the processes of a command have ended.

    Attributes:
        exit_code: the leader's, or the negative number of the signal that ended it.
        cpu_seconds: processor time that was taken, in a control group by all of them, else by the
            leader and by those that were waited for below it.
        oom_kills: how many of them the kernel ended for want of memory, where that can be known.
    """

    exit_code: int
    cpu_seconds: float
    oom_kills: int = 0


class ProcessGroup:
    """A command in a session and process group of its own. `end` must be awaited.

    Args:
        program: what is started.
        streams: what becomes its standard streams.
        given: variables of this start alone; they name the agent and its owner.
        cgroup: where it runs, if it has one.

    Raises:
        OSError: it cannot be started.
        ValueError: an argument or a variable holds a zero byte.
    """

    def __init__(
        self,
        program: Program,
        streams: Streams,
        given: Mapping[str, str],
        cgroup: Cgroup | None = None,
    ) -> None:
        self._cgroup = cgroup
        self._readiness = readiness()
        self._leader_ended = anyio.Event()
        mark = brand.new(given["MUSTERD_OWNER"])
        with brand.passed_on(mark):
            # Not asyncio's subprocess: its watcher reaps a leader as soon as it ends.
            self._number = program.start(streams, given, cgroup)
        try:
            self._pidfd = self._watch()
        except OSError:
            self._signal_group(signal.SIGKILL)
            os.waitpid(self._number, 0)
            raise
        self._tree = Tree(self._number, mark, given)

    def _watch(self) -> int:
        """Be told when the leader ends; returns the descriptor through which."""
        pidfd = os.pidfd_open(self._number)
        try:
            self._readiness.add(pidfd, self._note_end)
        except OSError:
            os.close(pidfd)
            raise
        return pidfd

    def _note_end(self) -> None:
        self._leader_ended.set()
        self._readiness.remove(self._pidfd)

    async def wait_leader(self) -> None:
        """Return when the first process has ended; others may be left."""
        await self._leader_ended.wait()

    async def end(self, context: Context) -> Outcome:
        """End what is left: SIGTERM, `context.grace` seconds, SIGKILL; return when all are gone.

        Call it shielded from cancellation.
        """
        if await self._is_alive():
            await self._ask()
            if not await self._ends_within_grace(context):
                await self._force()
        # Where orphans are not adopted by this process, they can only be reached like this.
        self._signal_group(signal.SIGKILL)
        self._readiness.remove(self._pidfd)
        os.close(self._pidfd)
        outcome = self._reap()
        self._tree.close()
        return outcome

    def _reap(self) -> Outcome:
        _, status, used = os.wait4(self._number, 0)
        exit_code = os.waitstatus_to_exitcode(status)
        if self._cgroup is None:
            return Outcome(exit_code, used.ru_utime + used.ru_stime)
        return Outcome(exit_code, self._cgroup.cpu_seconds(), self._cgroup.oom_kills())

    async def _is_alive(self) -> bool:
        return not self._leader_ended.is_set() or bool(await self._others())

    async def _others(self, *, hold: bool = False) -> dict[int, Stat]:
        also = self._cgroup.pids() if self._cgroup else ()
        return await self._tree.find(leader_ended=self._leader_ended.is_set(), hold=hold, also=also)

    async def _ask(self) -> None:
        others = await self._others()
        # A stopped process acts on no other signal than SIGCONT.
        for number in (signal.SIGTERM, signal.SIGCONT):
            self._signal_group(number)
            self._signal_outside(others, number)

    async def _ends_within_grace(self, context: Context) -> bool:
        asked = anyio.current_time()
        delays = _delays()
        while await self._is_alive():
            left = asked + context.grace - anyio.current_time()
            if left <= 0:
                return False
            await self._wait(
                min(left, next(delays) if self._leader_ended.is_set() else _GRACE_CHECK)
            )
        return True

    async def _force(self) -> None:
        """SIGKILL, again and again: whoever was just being forked is met the next time."""
        since: float | None = anyio.current_time()
        delays = _delays()
        while True:
            self._signal_group(signal.SIGSTOP)
            others = await self._others(hold=True)
            if self._leader_ended.is_set() and not others:
                return
            self._signal_group(signal.SIGKILL)
            self._signal_outside(others, signal.SIGKILL)
            if self._cgroup:
                self._cgroup.kill()
            await self._wait(next(delays))
            if since is not None and anyio.current_time() - since >= _PATIENCE:
                since = None
                _log.warning("processes do not end after SIGKILL", pids=self._left(others))

    def _left(self, others: Mapping[int, Stat]) -> list[int]:
        return sorted(others if self._leader_ended.is_set() else {*others, self._number})

    async def _wait(self, seconds: float) -> None:
        """Wait so long, or until the leader ends."""
        if self._leader_ended.is_set():
            await anyio.sleep(seconds)
            return
        with anyio.move_on_after(seconds):
            await self.wait_leader()

    def _signal_group(self, number: signal.Signals) -> None:
        # A member that changed its user may be out of our reach; then it is waited for.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._number, number)

    def _signal_outside(self, members: Mapping[int, Stat], number: signal.Signals) -> None:
        """Signal those of the tree that are in other groups than the leader's."""
        for pid, stat in members.items():
            if stat.group != self._number:
                send(number, pid, stat)


def _delays() -> Iterator[float]:
    delay = _SHORTEST
    while True:
        yield delay
        delay = min(delay * 2, _LONGEST)
