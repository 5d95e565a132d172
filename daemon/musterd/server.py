"""The server as a whole: waits for it at the start, and sees whether it still is the same one."""

from typing import Final

import anyio
from redis.asyncio import Redis

from musterd import valkey
from musterd.errors import RefusedError
from musterd.link import HOLD, Link
from musterd.settings import Settings

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 0.2
"""Seconds between two tries to reach it."""

YOUNG: Final = 2
"""Seconds since a server's start in which daemons may still be restoring."""


class Server:
    """What is asked of the server beside steps and reads.

    Args:
        redis: answers text.
        link: told what is seen.
        settings: the prefix, and whether the server is our own.
    """

    def __init__(self, redis: Redis, link: Link, settings: Settings) -> None:
        self._redis = redis
        self._link = link
        self._settings = settings

    async def reach(self) -> None:
        """Return when it answers, and is one that can be used.

        Raises:
            RefusedError: it never will be.
        """
        pause = FIRST_PAUSE
        while True:
            try:
                cluster = await self._redis.info("cluster")
                await self.look()
                if not self._settings.embedded:  # nobody else is there to restore anything
                    await self._wait_for_others()
            except valkey.FAULTS as error:
                if not valkey.passes(error):
                    raise valkey.explain(error, self._link.server) from error
                self._link.failed(error)
                await anyio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._link.answered()
                break
        if cluster.get("cluster_enabled") and "{" not in self._settings.prefix:
            problem = "it is in cluster mode; give MUSTERD_PREFIX a hash tag, {orchestrator} say"
            raise RefusedError(self._link.server, problem)

    async def _wait_for_others(self) -> None:
        """Of a server that has just come back: other daemons have to restore theirs first."""
        server = await self._redis.info("server")
        if server.get("uptime_in_seconds", YOUNG) < YOUNG:
            await anyio.sleep(HOLD)

    async def look(self) -> None:
        """See whether it was restarted: that may pass between two calls, and no call fails.

        Raises:
            redis.RedisError, OSError: it cannot be seen.
        """
        server = await self._redis.info("server")
        self._link.seen(str(server.get("run_id", "")))
