"""Commands to daemons and their replies, which anybody may imitate."""

import json

import anyio
import pytest
from redis.asyncio import Redis

from musterd.keys import Keys
from musterd.remote import command


@pytest.mark.parametrize("nonsense", ["", "{", "[]", "7", "{}", '{"node": 7}', "x"])
async def test_nonsense_is_no_reply(redis: Redis, prefix: str, nonsense: str) -> None:
    """It is passed over; the reply that follows is taken."""
    keys = Keys(prefix)

    async def answer() -> None:
        async with redis.pubsub() as heard:
            await heard.subscribe(keys.control)
            listening.set()
            while True:
                message = await heard.get_message(ignore_subscribe_messages=True, timeout=5)
                if message is not None:
                    break
            reply_to = json.loads(message["data"])["replyTo"]
            await redis.publish(reply_to, nonsense)
            await redis.publish(reply_to, '{"node": "n1", "ok": true}')

    listening = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(answer)
        await listening.wait()
        replies = await command(redis, keys, {"command": "ping"}, ["n1"])
    assert replies == [{"node": "n1", "ok": True}]
