"""Commands to daemons over the control channel, and their replies."""

import json
import secrets
from collections.abc import Collection
from typing import Any, Final

import anyio
from redis.asyncio import Redis

from musterd.keys import Keys

LIMIT: Final = 2.0
"""Seconds within which a live daemon replies."""


async def command(
    redis: Redis, keys: Keys, name: str, nodes: Collection[str], *, only: str | None, limit: float
) -> list[dict[str, Any]]:
    """Publish a command and gather one reply from each of `nodes`, or those that came in time.

    Args:
        redis: where.
        keys: of the prefix.
        name: the command.
        nodes: whose replies are waited for.
        only: the one daemon that shall act, if not all.
        limit: seconds.
    """
    request = secrets.token_hex(8)
    channel = keys.reply + request
    message = {"command": name, "id": request, "replyTo": channel} | (
        {"node": only} if only else {}
    )
    replies: dict[str, dict[str, Any]] = {}
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(channel)
        await pubsub.get_message(timeout=limit)  # the confirmation; a reply must not come before it
        await redis.publish(keys.control, json.dumps(message))
        with anyio.move_on_after(limit):
            while not replies.keys() >= set(nodes):
                answer = await pubsub.get_message(ignore_subscribe_messages=True, timeout=limit)
                if answer is not None:
                    reply = json.loads(answer["data"])
                    replies[reply["node"]] = reply
    return list(replies.values())
