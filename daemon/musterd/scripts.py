"""The Lua files as one script, and one call of it with many steps.

`call` is the only place that sends steps to Valkey. It neither retries nor groups.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from redis.exceptions import NoScriptError

from musterd import keys, states
from musterd.keys import Keys
from musterd.settings import Settings

if TYPE_CHECKING:
    from redis.asyncio import Redis

Step: TypeAlias = tuple[str | int, ...]
"""A step's name and its arguments, as its Lua file's header lists them."""

Reply: TypeAlias = list[Any]
"""What a step answered: `["ok", …]`, or its refusal."""

# One argument instead of ten a step: packing each by itself takes redis-py ten times as long.
_pack = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_FILES = (
    "prelude", "lists", "ending", "submit", "claim", "start", "report", "message", "finish", "kill",
    "renew", "node", "recover", "trim", "dispatch",
)  # fmt: skip


@cache
def source() -> str:
    """The whole script."""
    folder = files("musterd") / "lua"
    parts = [(folder / f"{name}.lua").read_text(encoding="utf-8") for name in _FILES]
    return "".join(["local P = ARGV[1]\n", keys.lua(), states.lua(), *parts])


@cache
def digest() -> str:
    """Its name on the server."""
    return hashlib.sha1(source().encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who calls, and the limits that its steps apply; the script's first seven arguments."""

    keys: Keys
    event_log_length: int
    retention_ms: int
    retention_count: int
    node: str = ""
    epoch: str = ""
    heartbeat_ttl_ms: int = 0

    @classmethod
    def of(cls, settings: Settings, *, epoch: str = "") -> Self:
        """The caller that the settings describe: a daemon in one of its lives, or a client."""
        return cls(
            keys=Keys(settings.prefix),
            event_log_length=settings.event_log_length,
            retention_ms=int(settings.retention * 1000),
            retention_count=settings.retention_count,
            node=settings.node if epoch else "",
            epoch=epoch,
            heartbeat_ttl_ms=int(settings.heartbeat_ttl * 1000),
        )

    def header(self) -> tuple[str | int, ...]:
        """The arguments that come before the steps."""
        return (
            self.keys.prefix,
            self.event_log_length,
            self.retention_ms,
            self.retention_count,
            self.node,
            self.epoch,
            self.heartbeat_ttl_ms,
        )


async def call(redis: "Redis", caller: Caller, steps: Sequence[Step]) -> list[Reply]:
    """Run steps in one call; the replies come in the order of the steps.

    Raises:
        redis.RedisError: the call as a whole was refused or got no answer. Steps of an unanswered
            call may have been applied; each is made so that sending it again is safe.
    """
    arguments = (caller.keys.sequence, *caller.header(), _pack(steps))
    try:
        replies = await redis.evalsha(digest(), 1, *arguments)
    except NoScriptError:
        replies = await redis.eval(source(), 1, *arguments)
    return list(replies)
