"""The daemon's subscription: made again whenever it is lost, silent, or older than its leases.

It knows no command and no channel by name; what it hears it hands on.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final

import anyio
import structlog
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from musterd.link import Link
from musterd.pulse import Pulse
from musterd.settings import Settings
from musterd.valkey import FAULTS, passes

CONFIRM: Final = 1.0
"""Seconds within which a subscription is confirmed, also by a server that is busy."""

PAUSE: Final = 0.1
"""Seconds before a lost subscription is tried again."""

Message = dict[str, Any]
"""As redis-py gives it: `type`, `channel` and `data`."""

log = structlog.get_logger()


class Subscription:
    """Listens to some channels for one daemon.

    Args:
        redis: a client that answers bytes, with room for a subscription.
        settings: the interval after which silence is looked into, and how long leases last.
        link: what tells of an outage, which is not the channel's alone.
        standing: for how many seconds this process has stood still.
        relearn: finds out which agents are lost, and stops them.

    Attributes:
        confirmed: set with the first confirmed subscription.
    """

    def __init__(
        self,
        redis: Redis,
        settings: Settings,
        link: Link,
        standing: Callable[[], float],
        relearn: Callable[[], Awaitable[None]],
    ) -> None:
        self._redis = redis
        self._patience = settings.heartbeat_interval
        self._lease = settings.heartbeat_ttl
        self._link = link
        self._standing = standing
        self._relearn = relearn
        self._listening = anyio.CancelScope()
        self._woken = False
        self.confirmed = anyio.Event()
        self.pulse = Pulse("control")

    def wake_up(self) -> None:
        """This process stood still for longer than its leases last: it may have lost its agents.

        What waits in the socket was meant for another time, so the connection is given up. Lost
        agents are stopped and the kill requests read again before anything new is heard.
        """
        if not self._woken:
            self._woken = True
            log.warning("woken after its leases may have run out, commands that waited are dropped")
            self._listening.cancel()

    async def keep(
        self,
        channels: Collection[str],
        catch_up: Callable[[], Awaitable[None]],
        hear: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Listen until cancelled.

        Args:
            channels: to which.
            catch_up: looks for what may have passed by; after each confirmed subscription.
            hear: takes a message. The next one waits for it.
        """
        told = False
        while True:
            self.pulse.beat(self._patience * len(channels))
            served = self._link.up  # a try that began in an outage fails by it, also after its end
            try:
                if self._woken:
                    await self._relearn()
                    self._woken = False
                async with self._redis.pubsub() as pubsub:
                    await self._subscribe(pubsub, channels)
                    await catch_up()
                    if told:
                        log.info("control channel back")
                    told, served = False, True
                    self.confirmed.set()
                    with anyio.CancelScope() as self._listening:
                        if not self._woken:
                            await self._listen(pubsub, catch_up, hear)
            except FAULTS as error:
                told = await self._bear(error, served=served, told=told)

    async def _bear(self, error: Exception, *, served: bool, told: bool) -> bool:
        """Wait a moment, and tell of a loss that is the channel's alone; whether it was told."""
        alone = served and self._link.up
        if isinstance(error, RedisTimeoutError):
            alone = False  # silence is the server's
            self._link.failed(error, self._patience)
        if not (told and self._link.up):  # while only the channel is away, there is nothing to ask
            self._link.ask()
        await anyio.sleep(PAUSE)
        if told or not (alone and self._link.up):
            return told
        log.warning("control channel lost", error=str(error))
        return True

    async def _subscribe(self, pubsub: PubSub, channels: Collection[str]) -> None:
        """Return when the server has confirmed every channel: before that, messages may pass by."""
        await pubsub.subscribe(*channels)
        for _ in channels:
            if await pubsub.get_message(timeout=max(self._patience, CONFIRM)) is None:
                raise RedisTimeoutError("no confirmation of the subscription")

    async def _listen(
        self,
        pubsub: PubSub,
        catch_up: Callable[[], Awaitable[None]],
        hear: Callable[[Message], Awaitable[None]],
    ) -> None:
        tested = False
        while True:
            self.pulse.beat(self._patience)
            try:
                message = await pubsub.get_message(timeout=self._patience)
            except ResponseError as error:  # to the ping, of a server that takes nothing: it lives
                if not passes(error):
                    raise
                tested = False
                continue
            if message is None:
                if tested:
                    raise RedisTimeoutError("no answer on the control channel")
                await pubsub.ping()
            elif self._standing() > self._lease:
                self.wake_up()
            elif message["type"] == "subscribe":  # redis-py has reconnected by itself
                await catch_up()
            elif message["type"] == "message":
                await hear(message)
            tested = message is None
