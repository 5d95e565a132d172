"""Commands to daemons over the control channel, and their replies."""

import json
import secrets
from collections.abc import Collection, Mapping
from typing import Any, Final

import anyio
from redis.asyncio import Redis

from musterd import jsons
from musterd.keys import Keys

LIMIT: Final = 2.0
"""Seconds within which a live daemon replies."""


async def command(
    redis: Redis,
    keys: Keys,
    fields: Mapping[str, str | None],
    nodes: Collection[str],
    *,
    limit: float = LIMIT,
) -> list[dict[str, Any]]:
    """Publish a command and gather one reply from each of `nodes`, or those that came in time.

    Args:
        redis: where.
        keys: of the prefix.
        fields: of the command; one that is None is left out.
        nodes: whose replies are waited for.
        limit: seconds.
    """
    request = secrets.token_hex(8)
    channel = keys.reply + request
    given = {name: value for name, value in fields.items() if value is not None}
    message = given | {"id": request, "replyTo": channel}
    replies: dict[str, dict[str, Any]] = {}
    async with redis.pubsub() as pubsub:
        await pubsub.subscribe(channel)
        await pubsub.get_message(timeout=limit)  # the confirmation; a reply must not come before it
        await redis.publish(keys.control, json.dumps(message))
        with anyio.move_on_after(limit):
            while not replies.keys() >= set(nodes):
                answer = await pubsub.get_message(ignore_subscribe_messages=True, timeout=limit)
                if answer is not None:
                    replies |= _read(answer["data"])
    return list(replies.values())


def _read(text: str) -> dict[str, dict[str, Any]]:
    """A reply by its node; nothing if it is none, as anybody may publish there."""
    try:
        reply = jsons.loads(text)
    except jsons.JsonError:
        return {}
    is_reply = isinstance(reply, dict) and isinstance(reply.get("node"), str)
    return {reply["node"]: reply} if is_reply else {}
