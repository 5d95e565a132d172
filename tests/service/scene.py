"""The scene of tests with real daemons: what they offer, a client, the checker of the promises."""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import anyio
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from musterd.client import Client
from musterd.records import AgentRecord, TaskRecord
from musterd.settings import load
from tests.checker.checking import Checker, checking
from tests.checker.ledger import Ledger
from tests.support.daemon import Daemon
from tests.support.fixtures import StartDaemon
from tests.support.pace import within
from tests.support.server import Server
from tests.support.wait import wait_until

KINDS: Final = f"tests.agents.examples,{Path(__file__).parents[1] / 'agents/commands.toml'}"

Reply = dict[str, Any]

_RETRY: Final = Retry(ConstantBackoff(0.01), 100)
"""A test's own looks survive a restart of the server."""


class OpenOwn(Protocol):
    """What the fixture `open_own` is."""

    def __call__(self, *, lost_limit: float = 0.0) -> AbstractAsyncContextManager["Scene"]:
        """Open a scene on a server of its own that loses nothing it has answered."""


class Scene:
    """One prefix on one server, and the daemons on it.

    Attributes:
        server: where.
        keys: of the prefix.
        folder: the test's own; the ledger is below it.
        client: submits, kills and looks.
        redis: answers text.
        checker: follows the prefix until the test ends.
    """

    def __init__(
        self,
        server: Server,
        folder: Path,
        start_daemon: StartDaemon,
        client: Client,
        redis: Redis,
        checker: Checker,
    ) -> None:
        self.server = server
        self.folder = folder
        self.client = client
        self.keys = client.keys
        self.redis: Any = redis  # its stubs answer bytes or None everywhere
        self.checker = checker
        self._start_daemon = start_daemon

    def raw(self) -> Any:
        """A client that answers bytes; the caller closes it."""
        return Redis.from_url(self.server.url)

    async def daemon(self, *, node: str = "", wait: bool = True, **env: str) -> Daemon:
        """Start a daemon that offers the kinds of `tests/agents`; quick ones, unless told."""
        ours = {"MUSTERD_AGENTS": KINDS, "LEDGER": str(self.folder / "ledger")}
        quick = {"MUSTERD_HEARTBEAT_TTL": "1", "MUSTERD_KILL_GRACE": "1"}
        return await self._start_daemon(
            server=self.server, node=node, wait=wait, **(ours | quick | env)
        )

    async def submit(self, kind: str, context: Any = None, **options: Any) -> str:
        """Submit a task; its id."""
        return await self.client.submit(kind, context, **options)

    async def start(self, kind: str, context: Any = None, **options: Any) -> str:
        """Submit a task and wait until its body runs; the id of its first agent."""
        agent_id = f"{await self.submit(kind, context, **options)}.1"
        await self.runs(agent_id)
        return agent_id

    async def runs(self, agent_id: str, limit: float = 10) -> None:
        """Return when an agent's body runs."""
        await wait_until(lambda: self.noted("start", agent_id), limit, f"{agent_id} runs")
        await wait_until(lambda: self._is_running(agent_id), limit, f"{agent_id} is running")

    async def task(self, task_id: str) -> TaskRecord:
        """A task's record."""
        record = await self.client.get(task_id)
        assert isinstance(record, TaskRecord)
        return record

    async def agent(self, agent_id: str) -> AgentRecord:
        """An agent's record."""
        record = await self.client.get(agent_id)
        assert isinstance(record, AgentRecord)
        return record

    async def ended(self, record_id: str, limit: float = 10) -> TaskRecord | AgentRecord:
        """A record once it has ended for good."""
        return await self.client.wait_for(record_id, within(limit))

    async def ending(self, record_id: str, limit: float = 10) -> tuple[str, str | None]:
        """How a record ended: its status and reason."""
        record = await self.ended(record_id, limit)
        return record.status, record.reason

    async def events(self, task_id: str) -> list[str]:
        """The types of all events of a task, in order."""
        entries = await self.redis.xrange(self.keys.events_log)
        found = (json.loads(fields["event"]) for _, fields in entries)
        return [event["type"] for event in found if event["taskId"] == task_id]

    def ledger_text(self) -> str:
        """All that bodies have noted."""
        path = self.folder / "ledger" / "ledger"
        return path.read_text() if path.exists() else ""

    def noted(self, what: str, agent_id: str) -> bool:
        """Whether the ledger has a body's `start` or `end`."""
        return f"{what} {agent_id} " in self.ledger_text()

    def pid(self, name: str) -> int:
        """The process id that a body has left in the test's folder; 0 if it has not yet."""
        path = self.folder / f"{name}.pid"
        text = path.read_text() if path.exists() else ""
        return int(text) if text.endswith("\n") else 0

    async def node(self, daemon: Daemon) -> dict[str, str]:
        """The node record of a daemon; empty if there is none."""
        record: dict[str, str] = await self.redis.hgetall(self.keys.node(daemon.node))
        return record

    async def publish(self, command: Any, *, channel: str = "") -> int:
        """A raw message on the control channel, or another; how many heard it."""
        text = command if isinstance(command, str | bytes) else json.dumps(command)
        heard: int = await self.redis.publish(channel or self.keys.control, text)
        return heard

    async def ask(self, command: dict[str, Any], count: int = 1, *, channel: str = "") -> Any:
        """Publish a command with a reply channel; the one reply, or a list of `count` of them."""
        async with self.replies() as (reply_to, pubsub):
            await self.publish({"replyTo": reply_to} | command, channel=channel)
            found = [await next_reply(pubsub) for _ in range(count)]
        return found[0] if count == 1 else found

    @asynccontextmanager
    async def replies(self) -> AsyncIterator[tuple[str, PubSub]]:
        """A fresh reply channel, and the subscription to it."""
        channel = f"{self.keys.reply}{secrets.token_hex(4)}"
        async with self.redis.pubsub() as pubsub:
            await pubsub.subscribe(channel)
            assert await pubsub.get_message(timeout=30)
            yield channel, pubsub

    async def quiet(self) -> None:
        """Kill what is live, and hold the state to the promises once nothing is."""
        await self.client.kill_all(reason="the test is over")
        await wait_until(self._is_quiet, 10, "nothing is live")
        await self.checker.check_quiet()

    async def _is_running(self, agent_id: str) -> bool:
        status = await self.redis.hget(self.keys.agent(agent_id), "status")
        return bool(status == "running")

    async def _is_quiet(self) -> bool:
        statuses = ("pending", "assigned", "executing")
        return not any([await self.redis.zcard(self.keys.tasks(status)) for status in statuses])


async def next_reply(pubsub: PubSub, limit: float = 5) -> Reply:
    """The next message of a subscription, as JSON."""
    with anyio.fail_after(within(limit)):
        while True:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=30)
            if message is not None:
                reply: Reply = json.loads(message["data"])
                return reply


@asynccontextmanager
async def open_scene(
    server: Server,
    prefix: str,
    folder: Path,
    start_daemon: StartDaemon,
    *,
    lost_limit: float = 0.0,
    records_expire: bool = False,
) -> AsyncIterator[Scene]:
    """A scene whose every event is held to the promises; `lost_limit` is that of the ledger.

    Where records expire, those of tasks that have ended may be gone.
    """
    (folder / "ledger").mkdir()
    ledger = Ledger(folder / "ledger", lost_limit)
    async with (
        Client(load(url=server.url, prefix=prefix)) as client,
        Redis.from_url(server.url, decode_responses=True, retry=_RETRY) as redis,
        checking(server.url, prefix, ledger, records_expire=records_expire) as checker,
    ):
        yield Scene(server, folder, start_daemon, client, redis, checker)


@asynccontextmanager
async def open_unwatched(
    server: Server,
    prefix: str,
    folder: Path,
    start_daemon: StartDaemon,
    *,
    told_again: bool = False,
) -> AsyncIterator[Scene]:
    """A scene in which keys are broken on purpose: it is held to the promises at its end alone.

    Where events may be told again, of what ran before, their times do not fit those of the bodies.
    """
    (folder / "ledger").mkdir()
    async with (
        Client(load(url=server.url, prefix=prefix)) as client,
        Redis.from_url(server.url, decode_responses=True, retry=_RETRY) as redis,
    ):
        checker = Checker(redis, prefix, None if told_again else Ledger(folder / "ledger"))
        yield Scene(server, folder, start_daemon, client, redis, checker)
        await checker.conclude()
