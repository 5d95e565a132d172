"""Steps sent by a program that is no daemon: each call at once, on a connection of its own."""

from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis

from musterd import scripts, valkey
from musterd.batches import batches
from musterd.errors import UnreachableError
from musterd.scripts import Caller, Reply, Step

BATCH: Final = 500
"""Steps in one call."""

TRIES: Final = 2
"""A pooled connection may have died unnoticed; every step is safe to send again."""


class Direct:
    """Sends steps and tells in a sentence why the server did not take them."""

    def __init__(self, redis: Redis, caller: Caller, where: str) -> None:
        self._redis = redis
        self._caller = caller
        self._where = where

    async def commit(self, step: Step) -> Reply:
        """Send one step.

        Raises:
            UnreachableError, RefusedError: it was not answered, or not taken.
        """
        return (await self._call([step]))[0]

    async def commit_all(self, steps: Sequence[Step]) -> list[Reply]:
        """Send many, in calls of BATCH at most; the answers come in their order.

        Raises:
            UnreachableError, RefusedError: some were not answered, or not taken.
        """
        replies: list[Reply] = []
        for batch in batches(steps, BATCH):
            replies += await self._call(batch)
        return replies

    async def _call(self, steps: Sequence[Step]) -> list[Reply]:
        for tries_left in reversed(range(TRIES)):
            try:
                replies = await scripts.call(self._redis, self._caller, steps)
            except valkey.FAULTS as error:
                if not (tries_left and valkey.passes(error)):
                    raise valkey.explain(error, self._where) from error
            else:
                break
        later = next((reply for reply in replies if reply[0] == "later"), None)
        if later is not None:
            raise UnreachableError(self._where, later[1])
        return replies
