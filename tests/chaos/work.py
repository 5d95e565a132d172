"""Submits the tasks of a plan and asks for its kills, and notes what was accepted."""

import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import anyio
from redis.asyncio import Redis
from redis.exceptions import RedisError

from musterd.errors import AlreadyTerminalError, NotFoundError, UnreachableError
from tests.chaos.plan import Task
from tests.chaos.stage import SET_BACK, Stage
from tests.checker.checking import Checker

Value = TypeVar("Value")

PAUSE = 0.03
"""Seconds until what the server has not taken is tried again."""

HEARD = 1.5
"""Seconds to wait for the reply to a kill that came as a message."""


@dataclass(slots=True)
class Work:
    """What was accepted; times are Unix seconds.

    Attributes:
        submitted: the tasks.
        asked: agents whose kill was accepted, and when that was known.
    """

    stage: Stage
    checker: Checker
    submitted: set[str] = field(default_factory=set)
    asked: dict[str, float] = field(default_factory=dict)
    _said: list[tuple[float, Callable[[], Awaitable[None]]]] = field(default_factory=list)
    _set_back: float = 0.0

    async def do(self, task: Task) -> None:
        """Submit a task and, if it is so planned, kill it."""
        await self._submit(task)
        if task.kill_after is None:
            return
        await anyio.sleep(task.kill_after)
        if task.by_message and await self._kill_by_message(task.task_id):
            return
        await self.kill(task.task_id)

    async def kill(self, task_id: str) -> None:
        """Have a task killed by a client; that it has ended already is as good."""
        client = self.stage.client
        with suppress(AlreadyTerminalError):
            outcome = await self._persist(lambda: client.kill(task_id, reason="chaos"))
            self._note(outcome.outcome, outcome.record_id)
            self._said.append((time.time(), partial(self._kill_anew, task_id, outcome.record_id)))

    async def repeat(self, since: float) -> None:
        """Say again what clients have said since then, as the server has forgotten it."""
        self._set_back = time.time()
        forgotten = [say for when, say in self._said if when >= since]
        for say in forgotten:
            await say()

    async def _kill_anew(self, task_id: str, agent_id: str) -> None:
        self.asked.pop(agent_id, None)
        self.checker.forget_kill(agent_id)
        await self.kill(task_id)

    async def _submit(self, task: Task) -> None:
        client = self.stage.client
        await self._persist(
            lambda: client.submit(
                task.kind, task.context, task_id=task.task_id, max_attempts=task.attempts
            )
        )
        self.submitted.add(task.task_id)
        self._said.append((time.time(), partial(self._submit, task)))

    async def _kill_by_message(self, task_id: str) -> bool:
        """Say it on the control channel; whether some daemon has answered that it will be done."""
        client = self.stage.client
        order = {"command": "kill", "taskId": task_id, "id": f"kill-{task_id}"}
        channel = f"{client.keys.reply}{task_id}"
        with suppress(RedisError):
            async with (
                Redis.from_url(self.stage.server.url, decode_responses=True) as redis,
                redis.pubsub() as replies,
            ):
                await replies.subscribe(channel)
                await replies.get_message(timeout=HEARD)
                await redis.publish(client.keys.control, json.dumps(order | {"replyTo": channel}))
                while message := await replies.get_message(
                    ignore_subscribe_messages=True, timeout=HEARD
                ):
                    reply = json.loads(message["data"])
                    if reply["ok"]:
                        self._note(reply["result"]["outcome"], reply["result"]["id"])
                        return True
        return False

    async def _persist(self, call: Callable[[], Awaitable[Value]]) -> Value:
        """Ask until there is an answer; what is asked is safe to be asked again.

        An answer that was on its way while the server was set back is of one that has forgotten it.
        """
        while True:
            asked = time.time()
            try:
                answer = await call()
                if asked > self._set_back:
                    return answer
            except NotFoundError:  # it is yet to be said again that there is such a task
                if not self.stage.troubles.is_during(SET_BACK, time.time()):
                    raise
            except UnreachableError:
                pass
            await anyio.sleep(PAUSE)

    def _note(self, outcome: str, record_id: str) -> None:
        if outcome == "requested":
            self.asked.setdefault(record_id, time.time())
            self.checker.expect_killed(record_id)
