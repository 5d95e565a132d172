"""The daemon, put together: settings, kinds, Valkey, the tasks, and the order in which they end.

What must outlive the agents, their heartbeats and the control channel, runs in the outer task
group; the supervisor and its agents in the inner one.
"""

import os
import resource
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

import anyio
import structlog
from anyio.abc import TaskGroup

from musterd import __version__, ids, scratch, scripts, valkey
from musterd.committer import Committer
from musterd.configuration import Configuration
from musterd.connections import Connections, opened
from musterd.control import Control
from musterd.crew import Crew
from musterd.desks import Desks
from musterd.embedded import EmbeddedValkey
from musterd.errors import MusterdError, UnwrittenError
from musterd.heartbeat import Heartbeat
from musterd.keys import Keys
from musterd.leases import Leases
from musterd.leaving import LAST_WRITES, Leaving
from musterd.membership import Membership
from musterd.nodes import Nodes
from musterd.notes import Notes
from musterd.orders import Orders
from musterd.probe import Probe
from musterd.reads import Reads
from musterd.recovery import Recovery
from musterd.report import Report
from musterd.rounds import Rounds
from musterd.runtimes.coroutine import contain
from musterd.runtimes.orphans import Orphans, become_subreaper
from musterd.scripts import Caller
from musterd.server import Server
from musterd.settings import Settings
from musterd.stalls import LoopClock, Stalls
from musterd.stopping import Stopping
from musterd.store import Store
from musterd.subscription import Subscription
from musterd.supervisor import Supervisor
from musterd.systemd import insist, notify
from musterd.troubles import Troubles
from musterd.watchdog import Watchdog

log = structlog.get_logger()


async def run(settings: Settings, read: Callable[[], Settings]) -> None:
    """Run the daemon until it is told to stop; what is left to do then is exit 0.

    Args:
        settings: of this process.
        read: reads them again, when a reload is asked for.

    Raises:
        MusterdError: it cannot start, another daemon has its name by now, or it had to leave
            without writing how agents ended.
    """
    contain()
    stopping, configuration = Stopping(), Configuration(settings, read)
    failure: MusterdError | None = None
    async with anyio.create_task_group() as signals:
        await signals.start(stopping.watch_signals)
        await signals.start(configuration.watch_signals)
        try:
            await _live(settings, stopping, configuration)
        except* MusterdError as group:
            failure = _first(group)
        signals.cancel_scope.cancel()
    if failure is not None:
        raise failure
    log.info("stopped")


async def _live(settings: Settings, stopping: Stopping, configuration: Configuration) -> None:
    epoch = ids.new_epoch()
    configuration.load(scratch.folder(settings.state_dir, epoch))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(scratch.clear, settings.state_dir, [epoch])
        server = None
        if settings.embedded:
            server = EmbeddedValkey(settings.state_dir)
            if not await stopping.unless_asked(partial(stack.enter_async_context, server)):
                return
            url, where = server.url, f"embedded in {settings.state_dir}"
        else:
            url, where = valkey.locate(settings)
        connecting = opened(url, where, settings.heartbeat_interval)
        connections = await stack.enter_async_context(connecting)
        await Daemon(settings, epoch, configuration, stopping, connections, server).run()


class Daemon:
    """One life of a daemon.

    Args:
        settings: of this process.
        epoch: of this life.
        configuration: what it offers.
        stopping: the word to stop.
        connections: to the server.
        embedded: the server itself, if it is our own.
    """

    def __init__(
        self,
        settings: Settings,
        epoch: str,
        configuration: Configuration,
        stopping: Stopping,
        connections: Connections,
        embedded: EmbeddedValkey | None = None,
    ) -> None:
        keys = Keys(settings.prefix)
        self._settings = settings
        self._epoch = epoch
        self._configuration = configuration
        self._stopping = stopping
        self._embedded = embedded
        self._orphans = Orphans()
        link, reader = connections.link, connections.reader
        self._asking = (connections.lanes, reader)
        self._link = link
        self._probe = Probe(
            connections.prober, link, connections.lanes, reader, connections.listener
        )
        self._server = Server(reader, link, settings)
        crew = Crew(configuration.kinds)
        call = partial(scripts.call, connections.lanes, Caller.of(settings, epoch=epoch))
        self._committer = Committer(call, link, crew.living)
        nodes = self._nodes = Nodes(self._committer)
        store = Store(
            self._committer,
            max_context=settings.max_context,
            max_metadata=settings.max_metadata,
        )
        notes = Notes(self._committer, settings.output_lines)
        desks = self._desks = Desks(notes, settings)
        troubles = Troubles()
        supervisor = self._supervisor = Supervisor(
            store, desks, crew, configuration.kinds, settings, epoch, troubles
        )
        membership = self._membership = Membership(
            settings, epoch, nodes, supervisor.crew.count, lambda: supervisor.pauses.kinds
        )
        self._recovery = Recovery(store, nodes, link, settings)
        reads = Reads(reader, keys)
        self._report = Report(configuration, supervisor, membership, reads, link)
        heartbeat = self._heartbeat = Heartbeat(
            settings, store, membership, supervisor, troubles, link.back
        )
        self._leases = Leases(settings, supervisor)
        loop = LoopClock()
        listener = connections.listener
        subscription = self._subscription = Subscription(
            listener, settings, link, loop.standing, self._relearn
        )
        self._stalls = Stalls(
            loop, settings.heartbeat_interval / 2, settings.heartbeat_ttl, subscription.wake_up
        )
        leaving = self._leaving = Leaving(
            settings, stopping, supervisor, membership, heartbeat, link, embedded
        )
        orders = Orders(store, notes, reads, supervisor, membership, leaving.drain)
        control = self._control = Control(
            subscription, listener, keys, settings, orders, supervisor, troubles
        )
        duties = (control.sweep, self._recover, self._offer, self._reap)
        self._rounds = Rounds(settings.heartbeat_interval, store, link, troubles, *duties)
        asking = (supervisor.pulse, subscription.pulse, heartbeat.pulse)
        self._watchdog = Watchdog(link, lanes=self._committer.pulses, asking=asking)

    async def run(self) -> None:
        """Start, serve, and stop in the reverse order.

        Raises:
            MusterdError: see `run` above; perhaps in groups.
        """
        become_subreaper()
        _raise_file_limit()
        async with anyio.create_task_group() as beside:
            beside.start_soon(self._leaving.obey)
            beside.start_soon(self._probe.run)
            if self._embedded is not None:
                beside.start_soon(self._embedded.keep)
            await self._live()
            beside.cancel_scope.cancel()
        if self._supervisor.unwritten:
            raise UnwrittenError(self._supervisor.unwritten)

    async def _live(self) -> None:
        notify(f"STATUS=waits for Valkey, {self._link.server}")
        if not await self._stopping.unless_asked(self._server.reach):
            return
        async with anyio.create_task_group() as writing:
            # Beneath all others, also when one of them fails: agents wait for their last write.
            writing.start_soon(self._committer.run)
            writing.start_soon(self._desks.run)
            writing.start_soon(self._watchdog.run)
            writing.start_soon(self._report.run)
            await self._live_connected()
            writing.cancel_scope.cancel()

    async def _live_connected(self) -> None:
        async with anyio.create_task_group() as outer:
            ready = await self._stopping.unless_asked(partial(self._start, outer))
            if ready:
                await self._serve()
            with anyio.move_on_after(LAST_WRITES if self._link.up else 0.0):
                if ready:
                    await self._control.stop()
                await self._membership.leave()
            outer.cancel_scope.cancel()

    async def _start(self, outer: TaskGroup) -> None:
        await self._membership.join()
        outer.start_soon(self._heartbeat.run)
        outer.start_soon(self._leases.run)
        outer.start_soon(self._stalls.run)
        await self._settle_own_past()
        await self._offer()
        outer.start_soon(self._control.run)
        await self._subscription.confirmed.wait()
        await self._membership.announce(self._supervisor.state)
        outer.start_soon(self._rounds.run)
        outer.start_soon(self._configuration.run, self._reoffer)
        log.info(
            "ready",
            node=self._settings.node,
            epoch=self._epoch,
            pid=os.getpid(),
            version=__version__,
            server=self._link.server,
            kinds=sorted(self._configuration.kinds),
        )
        await insist("READY=1")

    async def _settle_own_past(self) -> None:
        over = await self._recovery.settle_own_past()
        await scratch.clear(self._settings.state_dir, over)

    async def _serve(self) -> None:
        async with anyio.create_task_group() as inner:
            inner.start_soon(self._leaving.end_in_time)
            inner.start_soon(self._leaving.leave_unheard)
            await self._supervisor.run()
            inner.cancel_scope.cancel()

    async def _relearn(self) -> None:
        """On waking; answers to what was asked before may have been lost meanwhile."""
        for client in self._asking:
            await valkey.drop_connections(client, time.monotonic())
        await self._heartbeat.relearn()

    async def _recover(self) -> None:
        await self._server.look()
        await self._recovery.sweep()

    async def _offer(self) -> None:
        if kinds := self._configuration.kinds.values():
            most = self._settings.max_messages
            offers = {kind.name: kind.offer(most) for kind in kinds}
            await self._nodes.offer(offers, self._settings.max_kinds)

    def _reoffer(self, capacity: int) -> None:
        self._supervisor.offer(self._configuration.kinds, capacity)
        self._membership.resize(capacity)
        self._heartbeat.hurry()
        self._rounds.hurry()

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
