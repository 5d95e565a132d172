"""Looks at the state again and again and hands on what it saw. It knows no terminal.

A look costs the server the same with ten agents as with a million, as long as they are shown by
age: sizes of indexes, one part of one, and the records of what is on the screen.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import anyio

from musterd import eventlog
from musterd.client import Client
from musterd.counts import Counts
from musterd.display import parse_time
from musterd.errors import MusterdError, NotFoundError
from musterd.records import AgentRecord, Event, Line, NodeRecord, TaskRecord
from musterd.top.listing import Listing
from musterd.top.page import Page, Reader
from musterd.top.rates import WINDOW, Meter, Rates
from musterd.top.tail import Tail

EVERY: Final = 1.0
"""Seconds between two looks when nothing happens."""

SOONEST: Final = 0.25
"""Seconds between two looks, however much happens."""

EVENTS: Final = 40
"""Events shown of all agents."""

NEW_EVENTS: Final = 200
"""Events read in one look, at most: many of them may be progress, which is left out."""

_PROGRESS: Final = "agent.progress"
"""Told once a second by each agent that reports it: it would leave no room for anything else."""


@dataclass(frozen=True, slots=True)
class Details:
    """All that is known of one agent.

    Attributes:
        agent: its record.
        task: its task's, if it is still there.
        events: what was told of both, but for progress.
        output: the last lines that it wrote, the oldest first.
    """

    agent: AgentRecord
    task: TaskRecord | None
    events: list[Event]
    output: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What was seen in one look. `details` are of the agent that was asked for, if it is there."""

    counts: Counts
    rates: Rates
    nodes: list[NodeRecord]
    page: Page
    events: tuple[Event, ...] = ()
    details: Details | None = None


@dataclass(frozen=True, slots=True)
class Outage:
    """Nothing could be seen, and why."""

    problem: str


Show: TypeAlias = Callable[[Snapshot | Outage], None]


class Feed:
    """Looks through a client.

    Args:
        client: the state.

    Attributes:
        where: the prefix and the server, for people.
    """

    def __init__(self, client: Client) -> None:
        self.where = f"{client.settings.prefix} on {client.server}"
        self._client = client
        self._listing = Listing()
        self._first, self._count = 0, 50
        self._tail = Tail()
        self._asked = anyio.Event()
        self._meter = Meter()
        self._reader = Reader()
        self._events: deque[Event] = deque(maxlen=EVENTS)
        self._last_event = eventlog.START

    def turn_to(self, listing: Listing, first: int, count: int) -> None:
        """From now on show these rows of this listing."""
        if (listing, first, count) != (self._listing, self._first, self._count):
            self._listing, self._first, self._count = listing, first, count
            self._asked.set()

    def examine(self, agent_id: str) -> None:
        """From now on show this agent too; none if empty."""
        self._tail = Tail(agent_id)
        self._asked.set()

    async def kill(self, agent_id: str) -> None:
        """Ask for an agent's end.

        Raises:
            MusterdError: as `Client.kill`.
        """
        await self._client.kill(agent_id, reason="killed in musterd top")
        self._asked.set()

    async def run(self, show: Show) -> None:
        """Show what there is once a second, soon after something happens, and when asked."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen)
            while True:
                pause = EVERY
                self._asked = anyio.Event()
                try:
                    snapshot = await self.look()
                except MusterdError as error:
                    show(Outage(str(error)))
                else:
                    show(snapshot)
                    pause = SOONEST if snapshot.page.unread else EVERY
                with anyio.move_on_after(pause):
                    await self._asked.wait()

    async def look(self) -> Snapshot:
        """What there is now.

        Raises:
            UnreachableError, RefusedError: nothing could be seen.
        """
        counts = await self._client.read(lambda reads: reads.counts(WINDOW))
        page = await self._client.read(
            lambda reads: self._reader.read(
                reads, self._listing, counts.agents, self._first, self._count
            )
        )
        return Snapshot(
            counts=counts,
            rates=self._meter.take(counts),
            nodes=await self._client.nodes(),
            page=page,
            events=await self._newest_events(),
            details=await self._details(self._tail),
        )

    async def _listen(self) -> None:
        """Ask for a look when something is told; not where a look reads a whole index."""
        while True:
            try:
                heard = self._listing.follows_index and await self._client.hear(EVERY)
            except MusterdError:
                heard = False  # the looks tell of it
            if heard:
                self._asked.set()
            await anyio.sleep(SOONEST)

    async def _newest_events(self) -> tuple[Event, ...]:
        """The last events; each is read once, for a result in it may be large."""
        found = await self._client.latest_events(NEW_EVENTS, self._last_event)
        if found:
            self._last_event = found[-1].place
        self._events += _without_progress(found)
        return tuple(self._events)

    async def _details(self, tail: Tail) -> Details | None:
        try:
            agent = await self._client.get(tail.agent_id) if tail.agent_id else None
        except NotFoundError:
            return None
        if not isinstance(agent, AgentRecord):
            return None
        try:
            task = await self._client.get(agent.task_id)
        except NotFoundError:  # it may go before its agents do
            task = None
        assert not isinstance(task, AgentRecord)  # noqa: S101 - the id is a task's
        times = [agent.created_at, agent.started_at, agent.completed_at]
        if task is not None:
            times.append(task.created_at)
        told = await self._client.events_at(time for time in map(parse_time, times) if time)
        ours = [event for event in _without_progress(told) if event.task_id == agent.task_id]
        events = [event for event in ours if event.agent_id in {None, tail.agent_id}]
        return Details(agent, task, events, await self._client.read(tail.read))


def _without_progress(events: Iterable[Event]) -> Iterator[Event]:
    return (event for event in events if event.type != _PROGRESS)
