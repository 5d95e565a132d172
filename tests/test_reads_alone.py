"""Reads, as far as they are logic: records that people have edited, without any server."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from fakeredis import FakeAsyncRedis

from musterd.errors import NotFoundError
from musterd.keys import Keys
from musterd.reads import Reads
from musterd.records import AgentRecord, TaskRecord

KEYS = Keys("p")


@pytest.fixture
async def redis() -> AsyncIterator[FakeAsyncRedis]:
    """Empty, in this process."""
    async with FakeAsyncRedis(decode_responses=True) as client:
        yield client


async def test_id_says_which_record_is_meant(redis: FakeAsyncRedis) -> None:
    """A dot and digits at its end make it an agent's."""
    await redis.hset(KEYS.task("t"), mapping={"taskId": "t", "status": "pending"})
    await redis.hset(KEYS.agent("t.1"), mapping={"agentId": "t.1", "status": "running"})
    reads = Reads(redis, KEYS)
    assert isinstance(await reads.get("t"), TaskRecord)
    assert isinstance(await reads.get("t.1"), AgentRecord)
    with pytest.raises(NotFoundError):
        await reads.get("t.2")


async def test_values_made_nonsense_are_shown_and_do_no_harm(redis: FakeAsyncRedis) -> None:
    """What is no number is absent, what is no JSON is shown as the text that is there."""
    nonsense: Any = {
        "taskId": "t",
        "attempt": "many",
        "timeout": "soon",
        "context": "{",
        "priority": "",
    }
    await redis.hset(KEYS.task("t"), mapping=nonsense)
    task = await Reads(redis, KEYS).get("t")
    assert isinstance(task, TaskRecord)
    assert (task.attempt, task.timeout, task.context, task.priority) == (0, None, "{", 0)
