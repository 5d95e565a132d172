"""The daemon, put together: settings, kinds, Valkey, the tasks, signals, and the order of the end.

What must outlive the agents, their heartbeats and the control channel, runs in the outer task
group; the supervisor and its agents in the inner one.
"""

import os
import resource
import signal
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup, TaskStatus
from redis.asyncio import Redis

from musterd import __version__, ids, scripts, valkey
from musterd.committer import LANES, Committer
from musterd.control import HANDLERS, Control
from musterd.embedded import EmbeddedValkey
from musterd.errors import MusterdError, RefusedError, UnwrittenError
from musterd.heartbeat import Heartbeat
from musterd.keys import Keys
from musterd.kinds import Kind, load_kinds
from musterd.link import Link
from musterd.membership import Membership
from musterd.orders import Orders
from musterd.reads import Reads
from musterd.recovery import Recovery
from musterd.runtimes.orphans import Orphans, become_subreaper
from musterd.scripts import Caller
from musterd.settings import Settings
from musterd.store import Store
from musterd.supervisor import Supervisor
from musterd.systemd import notify

STOPPING: Final = (signal.SIGTERM, signal.SIGINT)

AT_ONCE: Final = 1.0
"""Seconds of grace that agents have after a second signal."""

LAST_WRITES: Final = 5.0
"""Seconds after the agents' grace in which their endings may still be written."""

log = structlog.get_logger()


async def run(settings: Settings) -> None:
    """Run the daemon until it is told to stop; what is left to do then is exit 0.

    Raises:
        MusterdError: it cannot start, another daemon has its name by now, or it had to leave
            without writing how agents ended.
    """
    kinds = load_kinds(settings.agents, settings.state_dir / "results" / settings.node)
    if not settings.embedded:
        await _serve(settings, kinds, *valkey.locate(settings))
        return
    async with EmbeddedValkey(settings.state_dir) as server:
        await _serve(settings, kinds, server.url, f"embedded in {settings.state_dir}")


async def _serve(settings: Settings, kinds: dict[str, Kind], url: str, where: str) -> None:
    async with (
        valkey.connect(url, connections=LANES + 2) as redis,
        valkey.connect(url, connections=HANDLERS, decode=False) as listener,
    ):
        await Daemon(settings, kinds, redis, listener, where).run()


class Daemon:
    """One life of a daemon.

    Args:
        settings: of this process.
        kinds: what it offers.
        redis: for steps and reads; answers text.
        listener: for the subscription and replies; answers bytes.
        where: the server's name for people.
    """

    def __init__(
        self, settings: Settings, kinds: dict[str, Kind], redis: Redis, listener: Redis, where: str
    ) -> None:
        epoch = self._epoch = ids.new_epoch()
        keys = Keys(settings.prefix)
        self._settings = settings
        self._kinds = kinds
        self._redis = redis
        self._where = where
        self._draining = anyio.Event()
        self._at_once = anyio.Event()
        self._orphans = Orphans()
        self._link = Link(where)
        call = partial(scripts.call, redis, Caller.of(settings, epoch=epoch))
        self._committer = Committer(call, self._link)
        store = self._store = Store(self._committer)
        supervisor = self._supervisor = Supervisor(store, kinds, settings, epoch)
        membership = self._membership = Membership(settings, epoch, store, supervisor.count)
        self._recovery = Recovery(store, self._link, settings)
        orders = Orders(store, Reads(redis, keys), supervisor, membership, self._drain)
        self._control = Control(listener, keys, settings, orders, supervisor)
        duties = (self._control.sweep, self._recovery.sweep, self._offer, self._reap)
        self._heartbeat = Heartbeat(settings, store, membership, supervisor, duties)

    async def run(self) -> None:
        """Start, serve, and stop in the reverse order.

        Raises:
            MusterdError: see `run` above.
        """
        become_subreaper()
        _raise_file_limit()
        failure: MusterdError | None = None
        async with anyio.create_task_group() as signals:
            await signals.start(self._watch_signals)
            try:
                await self._live()
            except* MusterdError as group:
                failure = _first(group)
            signals.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if self._supervisor.unwritten:
            raise UnwrittenError(self._supervisor.unwritten)
        log.info("stopped")

    async def _live(self) -> None:
        if not await self._unless_draining(self._reach_valkey):
            return
        async with anyio.create_task_group() as writing:
            # Beneath all others, also when one of them fails: agents wait for their last write.
            writing.start_soon(self._committer.run)
            await self._live_connected()
            writing.cancel_scope.cancel()

    async def _live_connected(self) -> None:
        async with anyio.create_task_group() as outer:
            ready = await self._unless_draining(partial(self._start, outer))
            if ready:
                await self._serve()
            with anyio.move_on_after(LAST_WRITES if self._link.up else 0.0):
                if ready:
                    await self._control.stop()
                await self._membership.leave()
            outer.cancel_scope.cancel()

    async def _reach_valkey(self) -> None:
        """Return when the server answers, and is one that can be used.

        Raises:
            RefusedError: it never will be.
        """
        pause = 0.05
        while True:
            try:
                cluster = await self._redis.info("cluster")
            except valkey.FAULTS as error:
                if not valkey.passes(error):
                    raise valkey.explain(error, self._where) from error
                self._link.failed(error)
                await anyio.sleep(pause)
                pause = min(pause * 2, 0.5)
            else:
                self._link.answered()
                break
        if cluster.get("cluster_enabled") and "{" not in self._settings.prefix:
            problem = "it is in cluster mode; give MUSTERD_PREFIX a hash tag, {orchestrator} say"
            raise RefusedError(self._where, problem)

    async def _start(self, outer: TaskGroup) -> None:
        await self._membership.join()
        outer.start_soon(self._heartbeat.run)
        await self._recovery.settle_own_past()
        await self._offer()
        outer.start_soon(self._control.run)
        await self._control.subscribed.wait()
        await self._membership.announce(self._supervisor.state)
        log.info(
            "ready",
            node=self._settings.node,
            epoch=self._epoch,
            pid=os.getpid(),
            version=__version__,
            server=self._where,
            kinds=sorted(self._kinds),
        )
        notify("READY=1")

    async def _serve(self) -> None:
        async with anyio.create_task_group() as inner:
            inner.start_soon(self._end_in_time)
            await self._supervisor.run()
            inner.cancel_scope.cancel()

    async def _end_in_time(self) -> None:
        """From the word to stop on: a drain, its deadline, and what comes after."""
        await self._draining.wait()
        notify("STOPPING=1")
        log.info("draining", agents=self._supervisor.count())
        with anyio.move_on_after(self._settings.drain_timeout):
            await self._at_once.wait()
        grace = AT_ONCE if self._at_once.is_set() else self._settings.kill_grace
        log.warning("stopping agents", agents=self._supervisor.count(), grace=grace)
        self._supervisor.shut_down(grace)
        await anyio.sleep(grace + LAST_WRITES)
        self._supervisor.abandon()
        await anyio.sleep(AT_ONCE)
        log.error("left with agents that do not stop", agents=sorted(self._supervisor.actors))
        os._exit(1)

    async def _watch_signals(self, *, task_status: TaskStatus[None]) -> None:
        try:
            with anyio.open_signal_receiver(*STOPPING) as received:
                task_status.started()
                async for number in received:
                    log.info("signal", name=number.name)
                    if not self._draining.is_set():
                        self._drain()
                    else:
                        self._at_once.set()
                        self._supervisor.shut_down(AT_ONCE)
        finally:
            for number in STOPPING:
                signal.signal(number, signal.SIG_IGN)  # it ends already; no other exit code now

    def _drain(self) -> None:
        self._supervisor.drain()
        self._membership.state = self._supervisor.state
        self._heartbeat.hurry()
        self._draining.set()

    async def _unless_draining(self, part: Callable[[], Awaitable[None]]) -> bool:
        """Whether a part of the start came to its end before the word to stop."""
        done = False
        async with anyio.create_task_group() as group:

            async def give_up() -> None:
                await self._draining.wait()
                group.cancel_scope.cancel()

            group.start_soon(give_up)
            await part()
            done = True
            group.cancel_scope.cancel()
        return done

    async def _offer(self) -> None:
        if self._kinds:
            await self._store.offer({kind.name: kind.defaults() for kind in self._kinds.values()})

    async def _reap(self) -> None:
        self._orphans.reap()


def _first(group: BaseExceptionGroup[MusterdError]) -> MusterdError:
    """The error itself: task groups wrap what ends them, often more than once."""
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _raise_file_limit() -> None:
    """Take all open files that are ours to take: a live process needs three."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
