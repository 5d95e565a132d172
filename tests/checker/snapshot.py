"""Everything below a prefix at one moment, read by one script so that nothing moves meanwhile."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from redis.asyncio import Redis

from musterd.keys import Keys
from tests.support.leaks import glob_literal

_READ = """
local found = {}
for i, key in ipairs(#ARGV > 0 and ARGV or redis.call('KEYS', KEYS[1])) do
  local kind, value = redis.call('TYPE', key).ok, ''
  if kind == 'hash' then value = redis.call('HGETALL', key)
  elseif kind == 'zset' then value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'set' then value = redis.call('SMEMBERS', key)
  elseif kind == 'string' then value = redis.call('GET', key)
  elseif kind == 'stream' then value = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)
  end
  found[i] = {key, kind, redis.call('PTTL', key), value}
end
return found
"""
"""KEYS[1]: a pattern. ARGV: keys to read instead. Answers {key, type, TTL in ms, content} each."""
_CHUNK = 1000

Record: TypeAlias = Mapping[str, str]


@dataclass(slots=True)
class Snapshot:
    """What was there, by id, with the prefix taken off; `ttl` is by whole key, ms, -1 for none."""

    tasks: dict[str, dict[str, str]] = field(default_factory=dict)
    agents: dict[str, dict[str, str]] = field(default_factory=dict)
    nodes: dict[str, dict[str, str]] = field(default_factory=dict)
    heartbeats: dict[str, str] = field(default_factory=dict)
    owned: dict[str, set[str]] = field(default_factory=dict)
    queues: dict[str, dict[str, float]] = field(default_factory=dict)
    task_index: dict[str, dict[str, float]] = field(default_factory=dict)
    agent_index: dict[str, dict[str, float]] = field(default_factory=dict)
    scheduled: dict[str, float] = field(default_factory=dict)
    kills: dict[str, str] = field(default_factory=dict)
    owners: dict[str, float] = field(default_factory=dict)
    """The index of nodes that may own agents."""
    last_event: str = "0-0"
    ttl: dict[str, int] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)
    """Keys that the contract does not name, or of another type than it says."""


async def take(redis: Redis, prefix: str, *, quiet: bool = False) -> Snapshot:
    """Read it all.

    Args:
        redis: answers text.
        prefix: of the keys.
        quiet: nothing is being written, so it may be read in pieces; for large ones, since one
            script for all of it would hold up the server.
    """
    keys = Keys(prefix)
    pattern = f"{glob_literal(prefix)}:*"
    snapshot = Snapshot()
    if not quiet:
        _place(snapshot, keys, await redis.eval(_READ, 1, pattern))
        return snapshot
    names = [key async for key in redis.scan_iter(match=pattern, count=_CHUNK)]
    for chunk in _chunks(names):
        _place(snapshot, keys, await redis.eval(_READ, 1, pattern, *chunk))
    return snapshot


def _chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + _CHUNK] for start in range(0, len(names), _CHUNK))


def _place(snapshot: Snapshot, keys: Keys, found: Sequence[Any]) -> None:
    for key, kind, ttl, value in found:
        snapshot.ttl[key] = ttl
        if not (_place_family(snapshot, keys, key, kind, value) or kind == "none"):
            snapshot.strange.append(f"{key} ({kind})")


def _place_family(snapshot: Snapshot, keys: Keys, key: str, kind: str, value: Any) -> bool:
    families: tuple[tuple[str, str, dict[str, Any]], ...] = (
        (keys.task(""), "hash", snapshot.tasks),
        (keys.agent(""), "hash", snapshot.agents),
        (keys.node(""), "hash", snapshot.nodes),
        (keys.heartbeat(""), "string", snapshot.heartbeats),
        (keys.owned(""), "set", snapshot.owned),
        (keys.queue(""), "zset", snapshot.queues),
        (keys.tasks(""), "zset", snapshot.task_index),
        (keys.agents(""), "zset", snapshot.agent_index),
    )
    for start, wanted, place in families:
        if key.startswith(start) and kind == wanted:
            place[key.removeprefix(start)] = _content(kind, value)
            return True
    return _place_single(snapshot, keys, key, kind, value)


def _place_single(snapshot: Snapshot, keys: Keys, key: str, kind: str, value: Any) -> bool:
    singles: dict[tuple[str, str], dict[str, Any]] = {
        (keys.scheduled, "zset"): snapshot.scheduled,
        (keys.nodes, "zset"): snapshot.owners,
        (keys.kills, "hash"): snapshot.kills,
    }
    if (key, kind) in singles:
        singles[key, kind].update(_content(kind, value))
    elif (key, kind) == (keys.events_log, "stream"):
        snapshot.last_event = value[0][0] if value else snapshot.last_event
    else:
        return (key, kind) in {(keys.sequence, "string"), (keys.kinds, "hash")}
    return True


def _content(kind: str, value: Any) -> Any:
    if kind == "set":
        return set(value)
    if kind == "string":
        return value
    pairs = zip(value[::2], value[1::2], strict=True)
    return {name: float(score) for name, score in pairs} if kind == "zset" else dict(pairs)
