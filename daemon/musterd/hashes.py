"""Many hashes read in one round trip; a key of another type is skipped, and named once."""

from collections.abc import Iterable, Sequence
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from musterd import late_log


class Hashes:
    """Reads below one server; remembers what it has warned of."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._skipped: set[str] = set()

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
            answer if self._is_readable(key, answer) else {}
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
            answer if self._is_readable(key, answer) else [None] * len(fields)
            for key, answer in zip(names, found, strict=True)
        ]

    def _is_readable(self, key: str, answer: object) -> bool:
        if isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE"):
            if key not in self._skipped:
                self._skipped.add(key)
                late_log.logger().warning(
                    "record skipped", key=key, error="it is no hash, repair or delete it"
                )
            return False
        if isinstance(answer, Exception):
            raise answer
        return True
