"""The daemons of the prefix: who is alive and answers, who died, and which tasks nobody can run."""

import json
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Final

from musterd import __version__, remote
from musterd.doctor.findings import Area, Finding
from musterd.doctor.state import key_types
from musterd.doctor.subject import Subject
from musterd.reads import Reads
from musterd.records import NodeRecord

DAEMONS = Area.DAEMONS

MOST: Final = 50
"""Daemons that are asked one by one."""

PATIENCE: Final = 60.0
"""Seconds for which an offer counts at least: a daemon's TTL may be longer than ours."""


async def live_daemons(subject: Subject) -> AsyncIterator[Finding]:
    """Each live daemon: asked over the control channel, with the time that its answer took."""
    nodes = await Reads(subject.redis, subject.keys).nodes()
    if not nodes:
        yield DAEMONS.note("none is alive: tasks wait", "`musterd run` starts one")
    for node in nodes[:MOST]:
        began = time.perf_counter()
        fields = {"command": "ping", "node": node.node}
        replies = await remote.command(subject.redis, subject.keys, fields, [node.node])
        yield _answered(node, time.perf_counter() - began if replies else None)
    if len(nodes) > MOST:
        yield DAEMONS.note(f"{len(nodes) - MOST} more are alive and were not asked")


def _answered(node: NodeRecord, took: float | None) -> Finding:
    about = f"{node.node}: {node.state}, {node.agents} of {node.capacity} agents, {node.version}"
    if took is None:
        do = f"see its log; if its process {node.pid} on {node.host} is stopped, let it go on"
        return DAEMONS.warning(f"{about}, did not answer within {remote.LIMIT:g} s", do)
    what = f"{about}, answered in {took * 1000:.3g} ms"
    if node.version != __version__:
        do = "use the same version everywhere, soon: the scripts of both write to these keys"
        return DAEMONS.warning(f"{what}; this is {__version__}", do)
    if node.state == "paused":
        return DAEMONS.note(what, f"`musterd resume --node {node.node}` has it claim again")
    if node.paused_kinds:
        do = f"`musterd resume --node {node.node}` has it claim them again"
        return DAEMONS.note(f"{what}; paused kinds: {', '.join(node.paused_kinds)}", do)
    return DAEMONS.ok(what)


async def dead_daemons(subject: Subject) -> AsyncIterator[Finding]:
    """Daemons that are gone and still own agents."""
    keys, redis = subject.keys, subject.redis
    silence = subject.settings.heartbeat_ttl + subject.settings.heartbeat_interval
    now = (await redis.time())[0]
    listed: Any = await redis.zrange(keys.nodes, 0, -1, withscores=True)
    for node, seen in listed:
        if await redis.exists(keys.node(node)):
            continue
        owned, gone = await redis.scard(keys.owned(node)), now - seen / 1000
        if owned:
            agents = "1 agent is" if owned == 1 else f"{owned} agents are"
            what = f"{node} is gone for {gone:.0f} s, and {agents} listed as its own"
            late = gone > 2 * silence
            do = (
                "start a daemon, best of that name: it settles them and their tasks are retried"
                if late
                else f"a daemon that is alive settles them {silence:g} s after its last sign"
            )
            yield (DAEMONS.warning if late else DAEMONS.note)(what, do)


async def waiting_tasks(subject: Subject) -> AsyncIterator[Finding]:
    """Queues of kinds that no daemon has offered of late."""
    kinds: Any = await subject.redis.hgetall(subject.keys.kinds)
    now = (await subject.redis.time())[0]
    patience = max(PATIENCE, 2 * subject.settings.heartbeat_ttl)
    idle = [kind for kind, offer in kinds.items() if now - _offered_at(offer) > patience]
    queues = {subject.keys.queue(kind): kind for kind in idle}
    for queue, found in (await key_types(subject, list(queues))).items():
        if found not in {"zset", "none"}:
            what = f"{queue} holds a {found} where a zset belongs"
            yield DAEMONS.problem(what, "rename or delete it: tasks of this kind are refused")
        elif found == "zset":
            count = await subject.redis.zcard(queue)
            tasks = "1 task waits" if count == 1 else f"{count} tasks wait"
            do = "start a daemon whose MUSTERD_AGENTS has this kind, or kill them"
            yield DAEMONS.warning(f"{tasks} for {queues[queue]}, which no live daemon offers", do)


def _offered_at(offer: str) -> float:
    """Unix time; 0 for an offer that was made nonsense by hand."""
    try:
        fields: Any = json.loads(offer)
        return datetime.fromisoformat(fields["offeredAt"]).timestamp()
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return 0.0


CHECKS: Final = (live_daemons, dead_daemons, waiting_tasks)
