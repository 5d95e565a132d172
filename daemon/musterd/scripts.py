"""The Lua files as scripts, and one call of one with many steps.

`call` is the only place that sends steps to Valkey. It neither retries nor groups.

A script is made of what its steps need. Every function in it is made anew with each call, which for
all of them takes longer than most steps; so the frequent steps have scripts without the rest.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

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

_FILES: Final = (
    "prelude", "lists", "records", "heartbeats", "agents", "retention", "ending", "submit", "claim",
    "reclaim", "start", "report", "message", "finish", "kill", "renew", "node", "recover", "trim",
    "dispatch",
)  # fmt: skip
"""In the order in which they build on each other."""

FREQUENT: Final = frozenset({"submit", "claim", "start", "finish", "renew"})
"""Steps that have scripts of their own, one for each choice of them; a server keeps what it met."""


@dataclass(frozen=True)
class Script:
    """A script, and its name on the server."""

    source: str

    @cached_property
    def digest(self) -> str:
        """The SHA-1 of its source."""
        return hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


def script(steps: frozenset[str] | None = None) -> Script:
    """The script for these steps; without them, or with a rare one among them, the one for all."""
    return _script(None if steps is None or not steps <= FREQUENT else steps)


@cache  # one for each choice of rare ones would be the same again, 60 kB each time
def _script(steps: frozenset[str] | None) -> Script:
    chosen = frozenset(_FILES) if steps is None else _needed_by({"prelude", "dispatch", *steps})
    body = states.lua() + "".join(_read(name) for name in _FILES if name in chosen)
    return Script(f"local P = ARGV[1]\n{keys.lua(body)}{body}")


def _needed_by(files: set[str]) -> frozenset[str]:
    """These files and those that they need, by the words behind `-- NEEDS` in each."""
    needed, left = frozenset[str](), set(files)
    while left:
        needed |= left
        left = {name for file in left for name in _needs(file)} - needed
    return needed


def _needs(file: str) -> list[str]:
    found = re.search(r"^-- NEEDS (.+)$", _read(file), re.MULTILINE)
    return found[1].split() if found else []


@cache
def _read(file: str) -> str:
    return (files("musterd") / "lua" / f"{file}.lua").read_text(encoding="utf-8")


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
    chosen = script(frozenset(str(step[0]) for step in steps))
    arguments = (caller.keys.sequence, *caller.header(), _pack(steps))
    try:
        replies = await redis.evalsha(chosen.digest, 1, *arguments)
    except NoScriptError:
        replies = await redis.eval(chosen.source, 1, *arguments)
    return list(replies)
