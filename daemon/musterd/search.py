"""Finding records among many: by kind and node, and by how an id begins. Writes nothing.

Indexes are gone through in pages, so that no call keeps the server from others for long, and what
is asked for is found however much stands before it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from redis.asyncio import Redis

from musterd.hashes import Hashes
from musterd.keys import Keys
from musterd.records import AgentRecord, TaskRecord
from musterd.skipped import Skipped
from musterd.states import AGENT_LIVE, TASK_LIVE, TaskState

PAGE: Final = 500
"""Entries of an index that are looked at in one call."""

_SCAN: Final = 1000
_SCANS: Final = 1000
"""Calls that a search for ids makes at most, and about how many entries each goes through."""


_Choose: TypeAlias = Callable[[Sequence[str]], Awaitable[list[str]]]


class Found(NamedTuple):
    """Ids that begin as was asked, sorted; `complete` is false where there may be more."""

    ids: list[str]
    complete: bool


class Search:
    """What can be found on a server below a prefix."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._hashes = Hashes(redis)
        self._indexes = Skipped("a sorted set")

    async def tasks(
        self, status: str, limit: int, *, kind: str = "", node: str = ""
    ) -> list[TaskRecord]:
        """Tasks of one status, the last changed first.

        Args:
            status: of those that are wanted.
            limit: how many at most.
            kind: only those of this kind, where one is given.
            node: only those whose last attempt was given to this daemon, where one is given.
        """

        async def choose(page: Sequence[str]) -> list[str]:
            outlines = await self._hashes.some(map(self._keys.task, page), ("kind", "agentId"))
            some = {
                task_id: agent_id
                for task_id, (its_kind, agent_id) in zip(page, outlines, strict=True)
                if kind in ("", its_kind)
            }
            return await self._on(node, some) if node else list(some)

        found = await self._find(
            self._keys.tasks(status), self._keys.task, choose if kind or node else _all, limit
        )
        return [TaskRecord.read(fields) for fields in found]

    async def agents(
        self, status: str, limit: int, *, kind: str = "", node: str = ""
    ) -> list[AgentRecord]:
        """Agents of one status, the last changed first; see `tasks`."""

        async def choose(page: Sequence[str]) -> list[str]:
            outlines = await self._hashes.some(map(self._keys.agent, page), ("kind", "node"))
            return [
                agent_id
                for agent_id, (its_kind, its_node) in zip(page, outlines, strict=True)
                if kind in ("", its_kind) and node in ("", its_node)
            ]

        found = await self._find(
            self._keys.agents(status), self._keys.agent, choose if kind or node else _all, limit
        )
        return [AgentRecord.read(fields) for fields in found]

    async def task_ids(self, beginning: str, most: int, *, live: bool = False) -> Found:
        """The ids of tasks that begin so; it ends early where there are more than `most`.

        Args:
            beginning: characters that an id may have.
            most: how many are of use.
            live: only those of tasks that have not ended.
        """
        # In the order of a life, so that what moves on meanwhile is met; and once more those that
        # wait, because a retry goes back to where we have been.
        statuses = [state for state in TaskState if state in TASK_LIVE or not live]
        indexes = map(self._keys.tasks, (*statuses, TaskState.PENDING))
        return await self._ids(indexes, beginning, most)

    async def live_agent_ids(self, beginning: str, most: int) -> Found:
        """The ids of live agents that begin so; it ends early where there are more than `most`."""
        return await self._ids(map(self._keys.agents, sorted(AGENT_LIVE)), beginning, most)

    async def _ids(self, indexes: Iterable[str], beginning: str, most: int) -> Found:
        found: set[str] = set()
        calls = 0
        for index in indexes:
            async for entries in self._scan(index, f"{beginning}*"):
                found |= entries
                calls += 1
                if len(found) > most or calls >= _SCANS:
                    return Found(sorted(found), complete=False)
        return Found(sorted(found), complete=True)

    async def _find(
        self,
        index: str,
        key_of: Callable[[str], str],
        choose: _Choose,
        limit: int,
    ) -> list[dict[str, str]]:
        """The records behind an index that are chosen; those that have expired left out."""
        found: dict[str, dict[str, str]] = {}
        async for page in self._pages(index):
            wanted = await choose(page)
            while wanted and len(found) < limit:
                room = limit - len(found)
                some, wanted = wanted[:room], wanted[room:]
                records = await self._hashes.all(map(key_of, some))
                found |= {
                    record_id: fields
                    for record_id, fields in zip(some, records, strict=True)
                    if fields
                }
            if len(found) >= limit:
                break
        return list(found.values())

    async def _pages(self, index: str) -> AsyncIterator[list[str]]:
        """All ids of an index, the last changed first.

        The next page begins where the last one ended by time, not by rank: entries come and go
        meanwhile. One may be met twice.
        """
        edge, skip = float("inf"), 0
        while True:
            page = self._redis.zrange(
                index, edge, "-inf", desc=True, byscore=True,
                offset=skip, num=PAGE, withscores=True,
            )  # fmt: skip
            found: Any = await self._indexes.read(index, page, [])
            yield [record_id for record_id, _ in found]
            if len(found) < PAGE:
                return
            last = found[-1][1]
            skip = skip + PAGE if last == edge else 0
            edge = last

    async def _scan(self, index: str, pattern: str) -> AsyncIterator[set[str]]:
        cursor = 0
        while True:
            part = self._redis.zscan(index, cursor, match=pattern, count=_SCAN)
            cursor, entries = await self._indexes.read(index, part, (0, []))
            yield {record_id for record_id, _ in entries}
            if cursor == 0:
                return

    async def _on(self, node: str, agents: Mapping[str, str | None]) -> list[str]:
        """Those of the tasks whose agent, if there is one, was given to a node."""
        there = {task_id: agent_id for task_id, agent_id in agents.items() if agent_id}
        nodes = await self._hashes.some(map(self._keys.agent, there.values()), ("node",))
        return [task_id for task_id, (its,) in zip(there, nodes, strict=True) if its == node]


async def _all(page: Sequence[str]) -> list[str]:
    return list(page)
