"""What can be seen of one server and prefix: records, lists, output, events. It writes nothing."""

import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from datetime import datetime
from typing import Final, Self, TypeVar

import anyio

from musterd import eventlog, ids, valkey
from musterd.errors import MalformedError
from musterd.keys import Keys
from musterd.reads import FROM_FIRST, Reads
from musterd.records import AgentRecord, Event, Line, NodeRecord, TaskRecord
from musterd.search import Search
from musterd.settings import Settings, load
from musterd.states import AGENT_ENDED, TASK_ENDED, AgentState, TaskState

CONNECTIONS: Final = 16
"""Calls of one client under way at once; further ones wait."""

FIRST_LOOK: Final = 0.005
LONGEST_LOOK: Final = 0.25
"""Seconds between two looks at a record that is waited for."""

Value = TypeVar("Value")


class Observer:
    """The looking half of `Client`, as an async context manager.

    Its methods raise what those of `Client` do.

    Args:
        settings: where, and under which prefix; read from the environment unless given.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or load()
        self.keys = Keys(self.settings.prefix)
        url, self.server = valkey.locate(self.settings)
        self._redis = valkey.connect(url, connections=CONNECTIONS)
        self._reads = Reads(self._redis, self.keys)
        self._search = Search(self._redis, self.keys)

    async def __aenter__(self) -> Self:
        """Nothing is connected before it is needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def get(self, record_id: str) -> TaskRecord | AgentRecord:
        """A task's record or an agent's, as the id says.

        Raises:
            NotFoundError: there is none.
        """
        with self._explained():
            return await self._reads.get(record_id)

    async def tasks(
        self, status: str, limit: int = 1000, *, kind: str = "", node: str = ""
    ) -> list[TaskRecord]:
        """The tasks of one status, the last changed first.

        Args:
            status: of those that are wanted.
            limit: how many at most.
            kind: only those of this kind.
            node: only those whose last attempt was given to this daemon.

        Raises:
            MalformedError: no task has such a status.
        """
        _check_status(status, TaskState)
        with self._explained():
            return await self._search.tasks(status, limit, kind=kind, node=node)

    async def agents(
        self, status: str, limit: int = 1000, *, kind: str = "", node: str = ""
    ) -> list[AgentRecord]:
        """The agents of one status, the last changed first; see `tasks`."""
        _check_status(status, AgentState)
        with self._explained():
            return await self._search.agents(status, limit, kind=kind, node=node)

    async def nodes(self) -> list[NodeRecord]:
        """The daemons that are alive."""
        with self._explained():
            return await self._reads.nodes()

    async def read(self, look: Callable[[Reads], Awaitable[Value]]) -> Value:
        """What `look` reads: for what goes beyond the methods here."""
        with self._explained():
            return await look(self._reads)

    async def search(self, look: Callable[[Search], Awaitable[Value]]) -> Value:
        """What `look` finds: for what goes beyond the methods here."""
        with self._explained():
            return await look(self._search)

    async def output(self, agent_id: str, after: str = FROM_FIRST) -> list[Line]:
        """The lines kept of an agent's output, the oldest first, after the place of one of them."""
        with self._explained():
            return await self._reads.output(agent_id, after)

    async def events(
        self, place: str | None = None, *, follow: bool = True
    ) -> AsyncGenerator[Event]:
        """The events after a place, oldest first; only new ones unless a place is given.

        Args:
            place: `Event.place` of the last one seen, or `eventlog.START` for all that are kept.
            follow: go on with those to come; otherwise end with the last one there is.

        Raises:
            EventsTrimmedError: what came after `place` is gone; it says what is left.
        """
        with self._explained():
            if place is None:
                place = await eventlog.last_place(self._redis, self.keys)
            async for event in eventlog.read(self._redis, self.keys, place, follow=follow):
                yield event

    async def latest_events(self, count: int, after: str = eventlog.START) -> list[Event]:
        """The newest events, at most so many and none up to the place `after`; oldest first."""
        with self._explained():
            return await eventlog.latest(self._redis, self.keys, count, after)

    async def events_at(self, times: Iterable[datetime]) -> list[Event]:
        """What was told in the milliseconds of these times: a record's times find its events."""
        with self._explained():
            return await eventlog.at(self._redis, self.keys, times)

    async def hear(self, limit: float) -> bool:
        """Whether something is told from now on within `limit` seconds; returns once it is."""
        with self._explained():
            return await eventlog.hear(self._redis, self.keys, limit)

    async def wait_for(
        self, record_id: str, limit: float | None = None
    ) -> TaskRecord | AgentRecord:
        """The record once it has ended for good.

        Raises:
            NotFoundError: there is no such record.
            TimeoutError: it had not ended after `limit` seconds.
        """
        pause = FIRST_LOOK
        with anyio.fail_after(limit):
            while True:
                record = await self.get(record_id)
                ended = AGENT_ENDED if isinstance(record, AgentRecord) else TASK_ENDED
                if record.status in ended:
                    return record
                await anyio.sleep(pause)
                pause = min(pause * 1.5, LONGEST_LOOK)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Say of a fault of Valkey in the block which server failed, and what to do."""
        try:
            yield
        except valkey.FAULTS as error:
            raise valkey.explain(error, self.server) from error


def _check_status(status: str, states: Iterable[str]) -> None:
    if status not in (known := list(states)):
        raise MalformedError(f"status {ids.show(status)} is not accepted: {', '.join(known)}")
