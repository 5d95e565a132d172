"""Looking at the state: records by id, and by status from the index sets. Writes nothing."""

from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis

from musterd import ids
from musterd.errors import NotFoundError
from musterd.keys import Keys
from musterd.records import AgentRecord, NodeRecord, TaskRecord
from musterd.states import TASK_LIVE


class Reads:
    """What can be seen on a server below a prefix."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    async def get(self, record_id: str) -> TaskRecord | AgentRecord:
        """A task's record or an agent's, as the id says.

        Raises:
            NotFoundError: there is none.
        """
        is_agent = ids.is_agent_id(record_id)
        key = self._keys.agent(record_id) if is_agent else self._keys.task(record_id)
        fields: Any = await self._redis.hgetall(key)  # redis-py cannot say that ours answers text
        if not fields:
            raise NotFoundError(record_id)
        return AgentRecord.read(fields) if is_agent else TaskRecord.read(fields)

    async def tasks(self, status: str, limit: int) -> list[TaskRecord]:
        """The tasks of one status, the last changed first."""
        found = await self._page(self._keys.tasks(status), self._keys.task, limit)
        return [TaskRecord.read(fields) for fields in found]

    async def agents(self, status: str, limit: int) -> list[AgentRecord]:
        """The agents of one status, the last changed first."""
        found = await self._page(self._keys.agents(status), self._keys.agent, limit)
        return [AgentRecord.read(fields) for fields in found]

    async def nodes(self) -> list[NodeRecord]:
        """The daemons that are alive."""
        found = await self._page(self._keys.nodes, self._keys.node, limit=1000)
        return [NodeRecord.read(fields) for fields in found]

    async def live_tasks(self) -> list[str]:
        """The ids of all tasks that have not ended, as of one moment."""
        async with self._redis.pipeline(transaction=True) as pipe:
            for status in sorted(TASK_LIVE):
                pipe.zrange(self._keys.tasks(status), 0, -1)
            found = await pipe.execute()
        return [task_id for part in found for task_id in part]

    async def _page(
        self, index: str, key_of: Callable[[str], str], limit: int
    ) -> list[dict[str, Any]]:
        """The records behind the newest entries of an index; those that have expired left out."""
        found: Any = await self._redis.zrange(index, 0, limit - 1, desc=True)
        async with self._redis.pipeline(transaction=False) as pipe:
            for record_id in found:
                pipe.hgetall(key_of(record_id))
            records: list[dict[str, Any]] = await pipe.execute()
        return [fields for fields in records if fields]
