"""Finds keys that a test left behind: what has no end grows until the server is full."""

from collections.abc import Iterator, Sequence

import redis

from musterd.keys import Keys
from musterd.states import AGENT_ENDED, AGENT_LIVE, TASK_ENDED, TASK_LIVE

_NO_TTL = -1
"""What TTL answers for a key that lasts; a key that has just expired answers -2."""


def find_leaks(client: redis.Redis, prefix: str, *, leaves_work: bool = False) -> list[str]:
    """What is wrong with the keys below the prefix, one sentence each.

    A key has a TTL or is one that is bounded by a setting; live work and what belongs to it may be
    there only if `leaves_work`.
    """
    keys = Keys(prefix)
    lasting = _bounded(keys)
    work = tuple(_work(keys))
    found = []
    names = sorted(client.scan_iter(match=f"{glob_literal(prefix)}:*", count=1000))
    for key, status, ttl in _look(client, keys, names):
        is_work = key.startswith(work) or status in TASK_LIVE | AGENT_LIVE
        if is_work and not leaves_work:
            found.append(f"{key}: work is left")
        elif not is_work and key not in lasting and ttl == _NO_TTL:
            found.append(f"{key}: has no TTL and no bound")
    return found


def _look(
    client: redis.Redis, keys: Keys, names: Sequence[str]
) -> Iterator[tuple[str, object, object]]:
    """Each key with the status of its record, or an error where it has none, and its TTL, s."""
    with client.pipeline(transaction=False) as asking:
        for key in names:
            asking.hget(_record(keys, key), "status")
            asking.ttl(key)
        answers = iter(asking.execute(raise_on_error=False))
    return zip(names, answers, answers, strict=False)


def _record(keys: Keys, key: str) -> str:
    output = keys.output("")
    return keys.agent(key.removeprefix(output)) if key.startswith(output) else key


def _bounded(keys: Keys) -> set[str]:
    """Keys that last, but that a setting or the number of kinds and nodes keeps small."""
    ended = {keys.tasks(s) for s in TASK_ENDED} | {keys.agents(s) for s in AGENT_ENDED}
    return ended | {keys.sequence, keys.kinds, keys.events_log, keys.nodes}


def _work(keys: Keys) -> Iterator[str]:
    """What every key begins with that may be there only while something lives."""
    yield from (keys.queue(""), keys.owned(""), keys.heartbeat(""), keys.kills, keys.scheduled)
    yield keys.messages("")
    yield from (keys.tasks(status) for status in TASK_LIVE)
    yield from (keys.agents(status) for status in AGENT_LIVE)


def glob_literal(text: str) -> str:
    """A glob that matches this text alone."""
    return "".join(f"\\{char}" if char in "*?[]\\^" else char for char in text)
