"""The control channel: hears, reads strictly, hands over, answers.

A message may be lost at any time, so nothing relies on one: kill requests are read again, and the
queues looked at again, after each confirmed subscription and with each heartbeat.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import anyio
import anyio.lowlevel
import structlog
from anyio.abc import TaskGroup
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from musterd import jsons
from musterd.commands import MAX_TEXT, BadCommandError, Spawn, parse
from musterd.errors import BrokenRecordError, MalformedError, MusterdError, shorten
from musterd.jsons import Json
from musterd.keys import Keys
from musterd.link import Link
from musterd.orders import Orders
from musterd.pulse import Pulse
from musterd.settings import Settings
from musterd.supervisor import Supervisor
from musterd.troubles import Troubles
from musterd.valkey import FAULTS

HANDLERS: Final = 256
"""Commands carried out at once, more than HELD; further ones wait in the socket."""

PAGE: Final = 500
"""Kill requests asked for in one call, so that it keeps nobody else waiting."""

LOGGED: Final = 200
"""Bytes of a bad command that the log shows."""

CONFIRM: Final = 1.0
"""Seconds within which a subscription is confirmed, also by a server that is busy."""

PAUSE: Final = 0.1
"""Seconds before a lost subscription is tried again."""

log = structlog.get_logger()


class Control:
    """Listens for one daemon.

    Attributes:
        subscribed: set with the first confirmed subscription.
        standing: for how many seconds this process has stood still, before it heard a message.
        relearn: finds out which agents are lost, and stops them.

    Args:
        redis: a client that answers bytes, with room for a subscription and replies.
        keys: of the prefix.
        settings: this daemon's name, and the interval after which silence is looked into.
        orders: what carries commands out.
        supervisor: told of new work, of kills and of messages.
        link: told of each subscription that broke: the server may be another one now.
        troubles: told of kill requests that cannot be read.
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        settings: Settings,
        orders: Orders,
        supervisor: Supervisor,
        link: Link,
        troubles: Troubles,
    ) -> None:
        self._redis = redis
        self._keys = keys
        self._node = settings.node
        self._orders = orders
        self._supervisor = supervisor
        self._link = link
        self._troubles = troubles
        self._patience = settings.heartbeat_interval
        self.subscribed = anyio.Event()
        self._free = anyio.Semaphore(HANDLERS)
        bells = (keys.kill_bell(settings.node), keys.mail_bell(settings.node))
        self._channels = (keys.control, keys.submit, keys.wake, *bells)
        self._longest = settings.max_command
        self._hearing = anyio.CancelScope()
        self._ended = anyio.Event()
        self.standing: Callable[[], float] = float
        self.relearn: Callable[[], Awaitable[None]] = anyio.lowlevel.checkpoint
        self._lease = settings.heartbeat_ttl
        self._listening = anyio.CancelScope()
        self._woken = False
        self.pulse = Pulse("control")

    async def run(self) -> None:
        """Listen until stopped. `subscribed` is set with the first confirmed subscription."""
        async with self._orders.holding(), anyio.create_task_group() as handlers:
            with self._hearing:
                await self._stay_subscribed(handlers)
        self.pulse.rest()
        self._ended.set()

    async def stop(self) -> None:
        """Hear nothing more, and return when what was heard is answered."""
        self._hearing.cancel()
        await self._ended.wait()

    def wake_up(self) -> None:
        """This process stood still for longer than its leases last: it may have lost its agents.

        What waits in the socket was meant for another time, so the connection is given up. Lost
        agents are stopped and the kill requests read again before anything new is heard.
        """
        if not self._woken:
            self._woken = True
            log.warning("woken after its leases may have run out, commands that waited are dropped")
            self._listening.cancel()

    async def _stay_subscribed(self, handlers: TaskGroup) -> None:
        lost = False
        while True:
            self.pulse.beat(self._patience * len(self._channels))
            try:
                if self._woken:
                    await self.relearn()
                    self._woken = False
                async with self._redis.pubsub() as pubsub:
                    await self._subscribe(pubsub)
                    await self.sweep()
                    if lost:
                        log.info("control channel back")
                    lost = False
                    self.subscribed.set()
                    with anyio.CancelScope() as self._listening:
                        if not self._woken:
                            await self._listen(pubsub, handlers)
            except FAULTS as error:
                self._link.interrupted()
                if not lost:
                    log.warning("control channel lost", error=str(error))
                lost = True
                await anyio.sleep(PAUSE)

    async def sweep(self) -> None:
        """Read the kill requests again, and have the queues looked at."""
        try:
            async for agent_id, request in self._kill_requests():
                self._supervisor.crew.kill(agent_id, *_read_request(request))
        except ResponseError as error:  # the key is broken, the channel is not
            broken = BrokenRecordError("kills", f"{self._keys.kills} is not read, {error}")
            self._troubles.met("kill requests not read", "sweep", broken)
        else:
            self._troubles.over("sweep")
        self._supervisor.wake()
        self._supervisor.ring_all()

    async def _kill_requests(self) -> AsyncIterator[tuple[str, bytes]]:
        """Those on our agents, and by the way others: whichever is less to read.

        The hash holds the requests on all daemons' agents, each up to some 2 kB; to ask for one of
        ours costs its id, and nothing comes back if there is none. So the requests are only read as
        a whole where they are no more than our agents; mostly there are none at all.
        """
        redis: Any = self._redis  # its stubs do not know that ours answers bytes
        ours = list(self._supervisor.crew.actors)
        count = await redis.hlen(self._keys.kills)
        if count <= len(ours):
            found = await redis.hgetall(self._keys.kills) if count else {}
            for agent_id, request in found.items():
                yield agent_id.decode(errors="replace"), request
            return
        for first in range(0, len(ours), PAGE):
            page = ours[first : first + PAGE]
            found = await redis.hmget(self._keys.kills, page)
            for agent_id, request in zip(page, found, strict=True):
                if request is not None:
                    yield agent_id, request

    async def _subscribe(self, pubsub: PubSub) -> None:
        """Return when the server has confirmed every channel: before that, messages may pass by."""
        await pubsub.subscribe(*self._channels)
        for _ in self._channels:
            if await pubsub.get_message(timeout=max(self._patience, CONFIRM)) is None:
                raise RedisTimeoutError("no confirmation of the subscription")

    async def _listen(self, pubsub: PubSub, handlers: TaskGroup) -> None:
        tested = False
        while True:
            self.pulse.beat(self._patience)
            message = await pubsub.get_message(timeout=self._patience)
            if message is not None:
                tested = False
                await self._hear(message, handlers)
            elif tested:
                raise RedisTimeoutError("no answer on the control channel")
            else:
                await pubsub.ping()
                tested = True

    async def _hear(self, message: dict[str, Any], handlers: TaskGroup) -> None:
        if self.standing() > self._lease:
            self.wake_up()
            return
        if message["type"] == "subscribe":  # redis-py has reconnected by itself
            self._link.interrupted()
            await self.sweep()
        if message["type"] != "message":
            return
        channel, data = message["channel"].decode(), message["data"]
        if channel == self._keys.wake:
            self._supervisor.wake(data.decode(errors="replace"))
        elif channel == self._keys.mail_bell(self._node):
            self._supervisor.ring(data.decode(errors="replace"))
        elif channel == self._keys.kill_bell(self._node):
            await self._free.acquire()
            handlers.start_soon(self._answer_bell, data.decode(errors="replace"))
        else:
            await self._free.acquire()
            handlers.start_soon(self._handle, channel, data)

    async def _answer_bell(self, agent_id: str) -> None:
        """A kill was recorded by somebody else. The bell may be false: the record decides."""
        try:
            request: Any = await self._redis.hget(self._keys.kills, agent_id)
            if request is not None:
                self._supervisor.crew.kill(agent_id, *_read_request(request))
        except FAULTS as error:
            log.debug("kill request not read, the next sweep will", error=str(error))
        finally:
            self._free.release()

    async def _handle(self, channel: str, data: bytes) -> None:
        """One command, whatever it is, harms nobody else."""
        try:
            await self._answer(channel, data)
        except Exception:
            log.exception("command failed by a fault of musterd", command=data[:LOGGED])
        finally:
            self._free.release()

    async def _answer(self, channel: str, data: bytes) -> None:
        fields: dict[str, Any] = {}
        try:
            command = parse(data, self._longest)
            fields = {"id": command.id, "replyTo": command.reply_to}
            if command.node not in {None, self._node}:
                return
            if channel == self._keys.submit and not isinstance(command, Spawn):
                raise MalformedError(f"only spawn is taken on {channel}")
            reply = await self._orders.carry_out(command)
            if reply is None:
                return
            answer: dict[str, Json] = {"ok": True, "result": reply}
        except MusterdError as error:
            if isinstance(error, BadCommandError):
                fields = error.fields
            if isinstance(node := fields.get("node"), str) and node != self._node:
                return
            log.warning("command refused", code=error.code, error=str(error), command=data[:LOGGED])
            answer = {"ok": False, "error": {"code": error.code, "message": str(error)}}
        await self._reply(fields, answer)

    async def _reply(self, fields: dict[str, Any], answer: dict[str, Json]) -> None:
        channel = fields.get("replyTo")
        if channel is None:
            return
        if not (isinstance(channel, str) and self._is_for_replies(channel)):
            log.warning(
                "no reply: replyTo is not below the reply channel", reply_to=shorten(str(channel))
            )
            return
        text = jsons.dumps(_echo(fields.get("id")) | {"node": self._node} | answer)
        try:
            await self._redis.publish(channel, text)
        except FAULTS as error:
            log.warning("reply not sent", error=str(error))

    def _is_for_replies(self, channel: str) -> bool:
        return channel.startswith(self._keys.reply) and len(channel) <= MAX_TEXT


def _echo(request: object) -> dict[str, Json]:
    """The id of a request as its reply has it, if it is one that a command may have."""
    if isinstance(request, int) or (isinstance(request, str) and len(request) <= MAX_TEXT):
        return {"id": request}
    return {}


def _read_request(request: bytes) -> tuple[float | None, str]:
    """Grace and reason of a kill; a request that is nonsense is a request all the same."""
    try:
        fields = jsons.loads(request)
    except jsons.JsonError:
        return None, ""
    if not isinstance(fields, dict):
        return None, ""
    reason = fields.get("reason")
    return _grace(fields.get("grace")), reason if isinstance(reason, str) else ""


def _grace(value: Any) -> float | None:
    try:
        grace = float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return grace if grace >= 0 else None
