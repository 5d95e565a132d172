"""Kill requests as they are written down: which there are on our agents, and what they say.

It only reads: the ending of an agent removes its request.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis

from musterd import jsons
from musterd.keys import Keys

PAGE: Final = 500
"""Requests asked for in one call, so that it keeps nobody else waiting."""


class KillRequest(NamedTuple):
    """What a request says.

    Attributes:
        grace: seconds between asking the agent and forcing it; None if the daemon's is meant.
        why: the reason that was given; empty if none was.
    """

    grace: float | None = None
    why: str = ""


class KillRequests:
    """The requests below one prefix.

    Args:
        redis: a client that answers bytes.
        keys: of the prefix.
    """

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis: Any = redis  # its stubs do not know that ours answers bytes
        self._key = keys.kills

    async def of(self, agent_ids: Sequence[str]) -> AsyncIterator[tuple[str, KillRequest]]:
        """Those on these agents."""
        for first in range(0, len(agent_ids), PAGE):
            page = agent_ids[first : first + PAGE]
            found = await self._redis.hmget(self._key, page)
            for agent_id, request in zip(page, found, strict=True):
                if request is not None:
                    yield agent_id, read(request)

    async def met(self, agent_ids: Sequence[str]) -> AsyncIterator[tuple[str, KillRequest]]:
        """Those on these agents, and by the way others: whichever is less to read.

        The hash holds the requests on all daemons' agents, each up to some 2 kB; to ask for one of
        ours costs its id, and nothing comes back if there is none. So the requests are only read as
        a whole where they are no more than our agents; mostly there are none at all.
        """
        count = await self._redis.hlen(self._key)
        if count <= len(agent_ids):
            found = await self._redis.hgetall(self._key) if count else {}
            for agent_id, request in found.items():
                yield agent_id.decode(errors="replace"), read(request)
            return
        async for met in self.of(agent_ids):
            yield met


def read(request: bytes) -> KillRequest:
    """Read a request; one that is nonsense is a request all the same."""
    try:
        fields = jsons.loads(request)
    except jsons.JsonError:
        return KillRequest()
    if not isinstance(fields, dict):
        return KillRequest()
    reason = fields.get("reason")
    return KillRequest(_grace(fields.get("grace")), reason if isinstance(reason, str) else "")


def _grace(value: Any) -> float | None:
    try:
        grace = float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return grace if grace >= 0 else None
