"""The control channel: hears, reads strictly, hands over, answers.

A message may be lost at any time, so nothing relies on one: kill requests are read again, and the
queues looked at again, after each confirmed subscription and with each heartbeat.
"""

from typing import Any, Final

import anyio
import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from musterd import jsons
from musterd.commands import MAX_TEXT, BadCommandError, Spawn, parse
from musterd.errors import BrokenRecordError, MalformedError, MusterdError, shorten
from musterd.jsons import Json
from musterd.keys import Keys
from musterd.kill_requests import KillRequests
from musterd.orders import Orders
from musterd.settings import Settings
from musterd.subscription import Message, Subscription
from musterd.supervisor import Supervisor
from musterd.troubles import Troubles
from musterd.valkey import FAULTS, passes

HANDLERS: Final = 256
"""Commands carried out at once, more than HELD; further ones wait in the socket."""

LOGGED: Final = 200
"""Bytes of a bad command that the log shows."""

log = structlog.get_logger()


class Control:
    """Listens for one daemon.

    Args:
        subscription: where commands and bells are heard.
        redis: a client that answers bytes, with room for replies.
        keys: of the prefix.
        settings: this daemon's name, and how long a command may be.
        orders: what carries commands out.
        supervisor: told of new work, of kills and of messages.
        troubles: told of kill requests that cannot be read.
    """

    def __init__(
        self,
        subscription: Subscription,
        redis: Redis,
        keys: Keys,
        settings: Settings,
        orders: Orders,
        supervisor: Supervisor,
        troubles: Troubles,
    ) -> None:
        self._subscription = subscription
        self._redis = redis
        self._keys = keys
        self._node = settings.node
        self._longest = settings.max_command
        self._orders = orders
        self._supervisor = supervisor
        self._troubles = troubles
        self._kills = KillRequests(redis, keys)
        self._kill_bell = keys.kill_bell(settings.node)
        self._mail_bell = keys.mail_bell(settings.node)
        self._free = anyio.Semaphore(HANDLERS)
        self._handlers = anyio.create_task_group()
        self._hearing = anyio.CancelScope()
        self._ended = anyio.Event()

    async def run(self) -> None:
        """Listen until stopped."""
        bells = (self._keys.wake, self._kill_bell, self._mail_bell)
        channels = (self._keys.control, self._keys.submit, *bells)
        async with self._orders.holding(), self._handlers:
            with self._hearing:
                await self._subscription.keep(channels, self.sweep, self._hear)
        self._subscription.pulse.rest()
        self._ended.set()

    async def stop(self) -> None:
        """Hear nothing more, and return when what was heard is answered."""
        self._hearing.cancel()
        await self._ended.wait()

    async def sweep(self) -> None:
        """Read the kill requests again, and have the queues looked at."""
        try:
            async for agent_id, request in self._kills.met(list(self._supervisor.crew.actors)):
                self._supervisor.crew.kill(agent_id, *request)
        except ResponseError as error:  # the key is broken, the channel is not
            if passes(error):
                raise
            broken = BrokenRecordError("kills", f"{self._keys.kills} is not read, {error}")
            self._troubles.met("kill requests not read", "sweep", broken)
        else:
            self._troubles.over("sweep")
        self._supervisor.wake()
        self._supervisor.ring_all()

    async def _hear(self, message: Message) -> None:
        channel, data = message["channel"].decode(), message["data"]
        if channel == self._keys.wake:
            self._supervisor.wake(data.decode(errors="replace"))
        elif channel == self._mail_bell:
            self._supervisor.ring(data.decode(errors="replace"))
        elif channel == self._kill_bell:
            await self._free.acquire()
            self._handlers.start_soon(self._answer_bell, data.decode(errors="replace"))
        else:
            await self._free.acquire()
            self._handlers.start_soon(self._handle, channel, data)

    async def _answer_bell(self, agent_ids: str) -> None:
        """Kills were recorded by somebody else. The bell may be false: the record decides."""
        try:
            async for agent_id, request in self._kills.of(agent_ids.split()):
                self._supervisor.crew.kill(agent_id, *request)
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
