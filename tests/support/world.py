"""One prefix on a real server as the steps see it: call them, look at what they leave."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from redis.asyncio import ConnectionPool, Redis

from musterd import scripts
from musterd.keys import Keys
from musterd.scripts import Caller, Reply, Step
from tests.checker.checking import Checker
from tests.support.leaks import glob_literal

KIND = "check"
TTL_MS = 60_000
_NODE_FIELDS = {
    "host": "here",
    "pid": "1",
    "process": "p",
    "version": "1",
    "capacity": "10",
    "agents": "0",
    "state": "active",
}

_SUBMISSION: dict[str, str | int] = {
    "context": "",
    "priority": 0,
    "delay": 0,
    "timeout": "",
    "attempts": "",
    "metadata": "",
}

Dump = dict[str, tuple[bytes | None, int]]
"""Each key's content and when it expires, Unix ms, -1 for never."""


class World:
    """Steps of the daemon `n1` in its life `e1`, unless a call says otherwise.

    Attributes:
        redis: answers text.
        keys: of the prefix.
        caller: who calls, and the limits that hold.
    """

    def __init__(self, redis: Redis, prefix: str, **limits: int) -> None:
        self.redis: Any = redis  # its stubs answer bytes or None everywhere
        self.keys = Keys(prefix)
        self.caller = Caller(
            keys=self.keys,
            event_log_length=100_000,
            retention_ms=TTL_MS,
            retention_count=1000,
            node="n1",
            epoch="e1",
            heartbeat_ttl_ms=TTL_MS,
        )
        self.caller = replace(self.caller, **limits)  # type: ignore[arg-type]  # all are numbers
        self._claims = 0

    def as_caller(self, *, node: str = "n1", epoch: str = "e1") -> Caller:
        """Another daemon, or another life of this one; without both a client."""
        return replace(self.caller, node=node, epoch=epoch)

    async def steps(self, *steps: Step, **caller: str) -> list[Reply]:
        """Run steps in one call."""
        return await scripts.call(self.redis, self.as_caller(**caller), steps)

    async def step(self, *step: str | int, **caller: str) -> Reply:
        """Run one step."""
        return (await self.steps(step, **caller))[0]

    async def register(self, **caller: str) -> Reply:
        """Take the node's name."""
        return await self.step("register", "", *_pairs(_NODE_FIELDS), **caller)

    async def succeed_itself(self) -> None:
        """The daemon died, and another life of it, `e2`, took the name over."""
        reply = await self.step("register", "e1", *_pairs(_NODE_FIELDS), epoch="e2")
        assert reply[0] == "ok"

    async def submit(self, task_id: str = "t", kind: str = KIND, **options: str | int) -> Reply:
        """A new task; options as in submit.lua's header, `delay` in ms."""
        values = _SUBMISSION | options
        assert values.keys() == _SUBMISSION.keys()
        return await self.step("submit", task_id, kind, *values.values())

    async def claim_reply(self, count: int = 100, *kinds: str, **caller: str) -> Reply:
        """The next claim of these kinds, without a default timeout and with one attempt each."""
        self._claims += 1
        offers = [part for kind in kinds or (KIND,) for part in (kind, count, 1, "")]
        return await self.step("claim", self._claims, f"c{self._claims}", count, *offers, **caller)

    async def claim(self, count: int = 100, *kinds: str, **caller: str) -> list[list[str]]:
        """The agents that the next claim makes, each as claim.lua's header lists them."""
        reply = await self.claim_reply(count, *kinds, **caller)
        assert reply[0] == "ok", reply
        return list(reply[3])

    async def spawned(self, task_id: str = "t", **options: Any) -> tuple[str, str]:
        """A task whose agent spawns, taken again by its owner; the agent's id and token."""
        await self.register()
        await self.submit(task_id, **options)
        step = ("reclaim", f"{task_id}.1", "c1.0", task_id, options.get("kind", KIND), 1, 1, "", "")
        assert await self.step(*step) == ["ok"]
        return f"{task_id}.1", "c1.0"

    async def running(self, task_id: str = "t", **options: Any) -> tuple[str, str]:
        """A task whose agent runs; the agent's id and token."""
        await self.register()
        await self.submit(task_id, **options)
        (agent,) = await self.claim()
        return agent[0], agent[1]

    async def finish(
        self,
        agent_id: str,
        token: str,
        status: str = "completed",
        *,
        reason: str = "",
        error: str = "",
        result: str = "",
        delay: int = 0,
    ) -> Reply:
        """An agent's ending; `delay` of a retry is ms."""
        return await self.step("finish", agent_id, token, status, reason, error, result, delay)

    async def fail(self, agent_id: str, token: str, reason: str = "error", delay: int = 0) -> Reply:
        """An agent's failure."""
        return await self.finish(
            agent_id, token, "failed", reason=reason, error="it broke", delay=delay
        )

    async def kill(
        self, record_id: str, *, why: str = "", by: str = "", grace: str = "", **caller: str
    ) -> Reply:
        """Ask for the end of a task, or of an agent if the id ends in a number."""
        what = "agent" if record_id.rpartition(".")[2].isdecimal() else "task"
        return await self.step("kill", what, record_id, "", why, by, grace, **caller)

    async def task(self, task_id: str = "t") -> dict[str, str]:
        """A task's record."""
        return dict(await self.redis.hgetall(self.keys.task(task_id)))

    async def agent(self, agent_id: str = "t.1") -> dict[str, str]:
        """An agent's record."""
        return dict(await self.redis.hgetall(self.keys.agent(agent_id)))

    async def queue(self, kind: str = KIND) -> list[str]:
        """The tasks in a queue, the next one first."""
        return list(await self.redis.zrange(self.keys.queue(kind), 0, -1))

    async def events(self) -> list[dict[str, Any]]:
        """All that was told."""
        entries = await self.redis.xrange(self.keys.events_log)
        return [json.loads(fields["event"]) for _, fields in entries]

    async def told(self) -> list[str]:
        """The types of all events."""
        return [event["type"] for event in await self.events()]

    async def dump(self, *, without: Sequence[str] = ()) -> Dump:
        """Every key below the prefix, byte for byte."""
        async with self._undecoded() as redis:
            pattern = f"{glob_literal(self.keys.prefix)}:*"
            names = [key async for key in redis.scan_iter(match=pattern)]
            return {
                key.decode(): (await redis.dump(key), await redis.pexpiretime(key))
                for key in names
                if key.decode() not in without
            }

    async def plant(self, key: str, *, text: str = "not ours") -> None:
        """Put a string where something else belongs; it expires, so that it is no leak."""
        await self.redis.set(key, text, px=TTL_MS)

    async def check(self) -> None:
        """Hold records and events to the promises."""
        checker = Checker(self.redis, self.keys.prefix)
        await checker.check_records()
        assert not checker.breaks, [found.what for found in checker.breaks]

    def _undecoded(self) -> Redis:
        """DUMP answers bytes that are no text."""
        pool = self.redis.connection_pool
        options = pool.connection_kwargs | {"decode_responses": False}
        return Redis.from_pool(ConnectionPool(pool.connection_class, **options))


class Plain:
    """Sends each step at once, as somebody who has only one; keeps what it sent."""

    def __init__(self, world: World, *, node: str = "n1", epoch: str = "e1") -> None:
        self.calls: list[int] = []
        self._world = world
        self._caller = world.as_caller(node=node, epoch=epoch)

    async def commit(self, step: Step) -> Reply:
        """Send one."""
        return (await self.commit_all([step]))[0]

    async def commit_all(self, steps: Sequence[Step]) -> list[Reply]:
        """Send many."""
        self.calls.append(len(steps))
        return await scripts.call(self._world.redis, self._caller, steps)


def _pairs(fields: dict[str, str]) -> list[str]:
    return [part for pair in fields.items() for part in pair]
