"""What the server says of itself, and judging it. Pure: the questions are asked elsewhere."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from musterd.doctor.findings import Area, Finding
from musterd.doctor.machine import CONNECTIONS

SERVER = Area.SERVER

CONFIG: Final = ("save", "appendfsync")
"""What is read from the server's configuration, where that is allowed."""

_OLDEST: Final = {"valkey": (7, 2), "redis": (7, 0)}
_FULL: Final = 80
"""Percent from which on a limit is worth a warning."""

_APPEND: Final = "CONFIG SET appendonly yes, and the same in its configuration file"
_UNSEEN: Final = "look at it on the server: CONFIG GET is not allowed here"


@dataclass(frozen=True)
class Facts:
    """The answers of INFO and CONFIG GET; what may not be asked is missing."""

    info: Mapping[str, Any]
    config: Mapping[str, str]
    prefix: str

    def status_bad(self, name: str) -> bool:
        """Whether a status of INFO is there and not `ok`."""
        return bool(self.info.get(name, "ok") != "ok")


def version(facts: Facts) -> Iterator[Finding]:
    """Which server it is."""
    name = "valkey" if "valkey_version" in facts.info else "redis"
    text = str(facts.info.get(f"{name}_version", "unknown"))
    number = tuple(map(int, re.findall(r"\d+", text)[:2]))
    what = f"{name.capitalize()} {text}"
    if number < _OLDEST[name]:
        oldest = ".".join(map(str, _OLDEST[name]))
        yield SERVER.warning(f"{what} is older than {oldest}", "use a newer one, best Valkey")
    elif name == "redis":
        yield SERVER.note(f"{what}; musterd is tested with Valkey")
    else:
        yield SERVER.ok(what)


def role(facts: Facts) -> Iterator[Finding]:
    """Whether it takes writes at all, and has followers."""
    if facts.info.get("role") == "slave":
        primary = f"{facts.info.get('master_host')}:{facts.info.get('master_port')}"
        yield SERVER.problem("it is a replica and takes no writes", f"use its primary, {primary}")
    elif replicas := facts.info.get("connected_slaves"):
        what = f"it has {replicas} replicas; a failover may lose the writes of its last moments"
        yield SERVER.note(what, "tasks that ran then may run again")


def cluster(facts: Facts) -> Iterator[Finding]:
    """In cluster mode all our keys must live on one node."""
    if not facts.info.get("cluster_enabled"):
        return
    if "{" in facts.prefix:
        yield SERVER.ok(f"it is in cluster mode, and {facts.prefix} holds a hash tag")
    else:
        what = f"it is in cluster mode, and the prefix {facts.prefix} holds no hash tag"
        do = f"MUSTERD_PREFIX={{{facts.prefix}}}, with the braces: the daemon refuses to start"
        yield SERVER.problem(what, do)


def persistence(facts: Facts) -> Iterator[Finding]:
    """What it keeps if it ends without warning."""
    if not facts.info.get("aof_enabled"):
        yield _without_file(facts.config.get("save"))
    else:
        yield _with_file(facts.config.get("appendfsync"))
    if facts.status_bad("aof_last_write_status"):
        what = "its last write to the append-only file failed"
        yield SERVER.problem(what, "free space on its disk, and read its log")
    for name in ("rdb_last_bgsave_status", "aof_last_bgrewrite_status"):
        if facts.status_bad(name):
            do = "read its log: writes may be refused (MISCONF) until one succeeds"
            yield SERVER.warning(f"{name} is {facts.info[name]}", do)


def _without_file(save: str | None) -> Finding:
    kept = {
        None: "no append-only file: what came after its last snapshot, if it makes any, is lost",
        "": "neither append-only file nor snapshots: all tasks are lost when it ends",
    }
    snapshots = f"snapshots only ({save}): what came after the last one is lost when it ends"
    return SERVER.problem(kept.get(save, snapshots), _APPEND)


def _with_file(fsync: str | None) -> Finding:
    if fsync is None:
        return SERVER.note("append-only file on; how often it is synced cannot be seen", _UNSEEN)
    if fsync == "always":
        return SERVER.ok("append-only file on, synced with each write")
    if fsync == "everysec":
        what = "append-only file synced each second: if its machine dies, that second is lost"
        do = "CONFIG SET appendfsync always, if that is too much; batches hide most of its cost"
        return SERVER.warning(what, do)
    what = "append-only file never synced: if its machine dies, half a minute may be lost"
    return SERVER.problem(what, "CONFIG SET appendfsync always, or everysec")


def memory(facts: Facts) -> Iterator[Finding]:
    """How near it is to refusing writes, and whether it would throw keys away instead."""
    most, used = int(facts.info.get("maxmemory", 0)), int(facts.info.get("used_memory", 0))
    yield from _eviction(facts, limited=most > 0)
    what = f"memory: {_size(used)} used of {_size(most) if most else 'no limit of its own'}"
    if most and used * 100 >= most * _FULL:
        do = "raise maxmemory, or lower MUSTERD_RETENTION: at the limit writes are refused and wait"
        yield SERVER.warning(what, do)
    elif not most:
        do = "set maxmemory below the machine's: a full server then refuses, and is not killed"
        yield SERVER.note(what, do)
    else:
        yield SERVER.ok(what)


def _eviction(facts: Facts, *, limited: bool) -> Iterator[Finding]:
    policy = facts.info.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        yield SERVER.ok("maxmemory-policy is noeviction")
    else:
        when = "at its limit" if limited else "as soon as maxmemory is set and reached"
        what = f"maxmemory-policy is {policy}: {when} it throws tasks and heartbeats away"
        yield SERVER.problem(what, "CONFIG SET maxmemory-policy noeviction, and in its file")
    if evicted := facts.info.get("evicted_keys"):
        what = f"{evicted} keys were thrown away for want of memory since it started"
        yield SERVER.warning(what, "tasks may be among them; give it more memory and noeviction")


def clients(facts: Facts) -> Iterator[Finding]:
    """Whether another daemon finds room."""
    if "maxclients" not in facts.info:
        return
    most, there = int(facts.info["maxclients"]), int(facts.info.get("connected_clients", 0))
    what = f"{there} clients of at most {most}"
    if most - there < CONNECTIONS:
        do = f"raise maxclients: a daemon under load takes up to {CONNECTIONS}"
        yield SERVER.warning(what, do)
    else:
        yield SERVER.ok(what)


def _size(count: int) -> str:
    """Bytes for people."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:  # noqa: PLR2004 - the next unit
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} TiB"


CHECKS: Final = (version, role, cluster, persistence, memory, clients)
"""Each looks at the facts alone."""
