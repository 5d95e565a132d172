"""Looking at the state: records by id, daemons, sizes and places in the indexes. Writes nothing."""

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis

from musterd import ids, jsons
from musterd.counts import Counts, Sizes
from musterd.errors import NotFoundError
from musterd.hashes import Hashes
from musterd.keys import Keys
from musterd.records import AgentRecord, Line, NodeRecord, TaskRecord
from musterd.skipped import Skipped, wanted
from musterd.states import TASK_LIVE

_OUTLINE: Final = (
    "agentId", "taskId", "status", "kind", "node", "attempt", "progress", "note", "reason", "error",
)  # fmt: skip
_NODES: Final = 1000

FROM_FIRST: Final = "0-0"
"""The place before the first line of an agent's output."""


class Entry(NamedTuple):
    """An agent in the index of its status, and since when: ms by the server's clock."""

    agent_id: str
    since: float


class Reads:
    """What can be seen on a server below a prefix.

    A key of another type is skipped, but an error where that one is wanted, or all there are.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._hashes = Hashes(redis)
        self._streams = Skipped("a stream")
        self._indexes = Skipped("a sorted set")
        self._sizes = Sizes(redis, keys)

    async def get(self, record_id: str) -> TaskRecord | AgentRecord:
        """A task's record or an agent's, as the id says.

        Raises:
            NotFoundError: there is none.
            BrokenRecordError: its key holds no hash.
        """
        is_agent = ids.is_agent_id(record_id)
        key = self._keys.agent(record_id) if is_agent else self._keys.task(record_id)
        with wanted(record_id, key, "hash"):
            fields: Any = await self._redis.hgetall(key)  # redis-py cannot say that it is text
        if not fields:
            raise NotFoundError(record_id)
        return AgentRecord.read(fields) if is_agent else TaskRecord.read(fields)

    async def waiting(self, kinds: Iterable[str]) -> list[int]:
        """How many tasks of each of these kinds are due and not yet claimed."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for kind in kinds:
                pipe.zcard(self._keys.queue(kind))
            found: list[int] = await pipe.execute()
        return found

    async def nodes(self) -> list[NodeRecord]:
        """The daemons that are alive, the last heard first; 1000 at most."""
        newest = self._redis.zrange(self._keys.nodes, 0, _NODES - 1, desc=True)
        listed: Any = await self._indexes.read(self._keys.nodes, newest, [])
        found = await self._hashes.all(map(self._keys.node, listed))
        return [NodeRecord.read(fields) for fields in found if fields]

    async def output(self, agent_id: str, after: str) -> list[Line]:
        """The lines kept of an agent's output after the place of one of them, the oldest first.

        Raises:
            BrokenRecordError: its key holds no stream.
        """
        key = self._keys.output(agent_id)
        with wanted(agent_id, key, "stream"):
            found: Any = await self._redis.xrange(key, min=f"({after}")
        return [Line.read(place, fields) for place, fields in found]

    async def newest_lines(
        self, agent_ids: Sequence[str], count: int, after: str = FROM_FIRST
    ) -> dict[str, list[Line]]:
        """The last lines of each agent's output, the oldest first; who has none is left out.

        Args:
            agent_ids: of the agents.
            count: lines of each, at most.
            after: none up to this place.
        """
        keys = list(map(self._keys.output, agent_ids))
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.xrevrange(key, min=f"({after}", count=count)
            found: list[Any] = await pipe.execute(raise_on_error=False)
        return {
            agent_id: [Line.read(place, fields) for place, fields in reversed(entries)]
            for agent_id, key, entries in zip(agent_ids, keys, found, strict=True)
            if self._streams.is_readable(key, entries) and entries
        }

    async def live_tasks(self) -> list[str]:
        """The ids of all tasks that have not ended, as of one moment.

        Raises:
            BrokenRecordError: an index holds something else: who wants all must not be given some.
        """
        indexes = list(map(self._keys.tasks, sorted(TASK_LIVE)))
        async with self._redis.pipeline(transaction=True) as pipe:
            for index in indexes:
                pipe.zrange(index, 0, -1)
            answers: list[Any] = await pipe.execute(raise_on_error=False)
        live: list[str] = []
        for index, answer in zip(indexes, answers, strict=True):
            with wanted("live tasks", index, "sorted set"):
                if isinstance(answer, Exception):
                    raise answer
            live += answer
        return live

    async def counts(self, window: float) -> Counts:
        """How many records there are; `window` is in seconds before now."""
        return await self._sizes.read(window)

    async def entries(
        self, status: str, first: int, count: int, *, newest_first: bool
    ) -> list[Entry]:
        """A part of the index of agents of one status, by the time of their last change."""
        index = self._keys.agents(status)
        part = self._redis.zrange(
            index, first, first + count - 1, desc=newest_first, withscores=True
        )
        found: Any = await self._indexes.read(index, part, [])
        return [Entry(agent_id, since) for agent_id, since in found]

    async def outlines(self, agent_ids: Sequence[str]) -> dict[str, AgentRecord]:
        """The agents of these ids without what can be large or is a time; the gone left out."""
        found = await self._hashes.some(map(self._keys.agent, agent_ids), _OUTLINE)
        there = {
            agent_id: _given(values) for agent_id, values in zip(agent_ids, found, strict=True)
        }
        return {agent_id: AgentRecord.read(given) for agent_id, given in there.items() if given}

    async def due_times(self, task_ids: Sequence[str]) -> dict[str, float]:
        """When those of the tasks that are scheduled are due: ms by the server's clock."""
        if not task_ids:
            return {}
        scores = self._redis.zmscore(self._keys.scheduled, list(task_ids))
        found: Any = await self._indexes.read(self._keys.scheduled, scores, [None] * len(task_ids))
        pairs = zip(task_ids, found, strict=True)
        return {task_id: float(due) for task_id, due in pairs if due is not None}

    async def offers(self) -> dict[str, str]:
        """Each kind that was offered and not forgotten, and when it last was: ISO 8601."""
        [found] = await self._hashes.all([self._keys.kinds])
        return {kind: str(_read_offer(text).get("offeredAt", "")) for kind, text in found.items()}

    async def schemas(self, kinds: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The JSON Schemas of the contexts of those of the kinds that publish one."""
        if not kinds:
            return {}
        [found] = await self._hashes.some([self._keys.kinds], kinds)
        offers = {kind: _read_offer(text) for kind, text in zip(kinds, found, strict=True) if text}
        schemas = {kind: offer.get("schema") for kind, offer in offers.items()}
        return {kind: schema for kind, schema in schemas.items() if isinstance(schema, dict)}

    async def kills_asked(self, agent_ids: Sequence[str]) -> set[str]:
        """Those of the agents whose kill was asked for and is not yet carried out."""
        if not agent_ids:
            return set()
        [found] = await self._hashes.some([self._keys.kills], agent_ids)
        return {agent_id for agent_id, kill in zip(agent_ids, found, strict=True) if kill}


def _given(values: Sequence[str | None]) -> dict[str, str]:
    pairs = zip(_OUTLINE, values, strict=True)
    return {name: text for name, text in pairs if text is not None}


def _read_offer(text: str) -> dict[str, Any]:
    try:
        offer: Any = jsons.loads(text)
    except jsons.JsonError:
        return {}  # made nonsense by hand
    return offer if isinstance(offer, dict) else {}
