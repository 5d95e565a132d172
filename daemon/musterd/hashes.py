"""Many hashes read in one round trip; a key of another type is skipped, and named once."""

from collections.abc import Iterable, Sequence
from typing import Any

from redis.asyncio import Redis

from musterd.skipped import Skipped


class Hashes:
    """Reads below one server."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._skipped = Skipped("a hash")

    async def all(self, keys: Iterable[str]) -> list[dict[str, str]]:
        """All fields of each; empty where there is none, or no hash.

        Raises:
            redis.RedisError: the server does not serve us.
        """
        names = list(keys)
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in names:
                pipe.hgetall(key)
            found: list[Any] = await pipe.execute(raise_on_error=False)
        return [
            answer if self._skipped.is_readable(key, answer) else {}
            for key, answer in zip(names, found, strict=True)
        ]

    async def some(self, keys: Iterable[str], fields: Sequence[str]) -> list[list[str | None]]:
        """Some fields of each, None where there is none.

        Raises:
            redis.RedisError: the server does not serve us.
        """
        names = list(keys)
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in names:
                pipe.hmget(key, fields)
            found: list[Any] = await pipe.execute(raise_on_error=False)
        return [
            answer if self._skipped.is_readable(key, answer) else [None] * len(fields)
            for key, answer in zip(names, found, strict=True)
        ]
