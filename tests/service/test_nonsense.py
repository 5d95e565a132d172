"""Nonsense by hand, while daemons run: keys of a wrong type, records changed field by field.

What is broken is named in one warning, others go on, and once it is repaired it works again.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from musterd import keys
from musterd.client import Client
from musterd.settings import load
from tests.checker.checking import Checker
from tests.service.scene import Scene, open_unwatched
from tests.support.daemon import Daemon
from tests.support.fixtures import StartDaemon
from tests.support.server import Server
from tests.support.wait import wait_until

FAMILIES = {
    "TASK": "task:held", "AGENT": "agent:held.1", "HEARTBEAT": "heartbeat:held.1",
    "NODE": "node:{node}", "OWNED": "owned:{node}", "EPOCHS": "epochs:{node}",
    "QUEUE": "queue:echo", "TASKS": "tasks:executing", "AGENTS": "agents:running",
    "SCHEDULED": "scheduled", "SEQUENCE": "sequence", "KINDS": "kinds", "KILLS": "kills",
    "NODES": "nodes", "LOG": "events:log",
}  # fmt: skip
"""A key of each family. A new family stands here, or the first test fails."""

CHANNELS = {"EVENTS", "WAKE", "KILL_BELL", "MAIL_BELL"}

TALK = {"OUTPUT", "MESSAGES"}
"""Tried in test_talking.py, with agents that tell and listen."""

TOLD_BY_USE = {"TASK", "AGENT", "QUEUE"}
"""Looked at only by the steps of that one task or kind; a heartbeat is simply written again."""


@pytest.fixture
async def lawless(
    server: Server, prefix: str, tmp_path: Path, start_daemon: StartDaemon
) -> AsyncIterator[Scene]:
    """A scene that nobody holds to the promises: what its records say was made up."""
    (tmp_path / "ledger").mkdir()
    async with (
        Client(load(url=server.url, prefix=prefix)) as client,
        Redis.from_url(server.url, decode_responses=True) as redis,
    ):
        yield Scene(server, tmp_path, start_daemon, client, redis, Checker(redis, prefix))
        await redis.flushall()


@pytest.fixture
async def scene(
    server: Server, prefix: str, tmp_path: Path, start_daemon: StartDaemon
) -> AsyncIterator[Scene]:
    """A scene in which keys may be broken."""
    async with open_unwatched(server, prefix, tmp_path, start_daemon) as scene:
        yield scene


def test_every_family_of_keys_is_tried() -> None:
    """Those that are no channels."""
    assert FAMILIES.keys() | CHANNELS | TALK == keys._PARTS.keys()


async def replace(scene: Scene, key: str) -> tuple[bytes | None, int]:
    """Put a value of another type there; what was, and its TTL in ms."""
    async with scene.raw() as raw:
        kept = await raw.dump(key), await raw.pttl(key)
        kind = await raw.type(key)
        async with raw.pipeline() as both:  # the daemon may write there at any moment
            both.delete(key)
            both.set(key, b"\xff") if kind == b"list" else both.rpush(key, b"\xff\x00")
            await both.execute()
    return kept


async def restore(scene: Scene, key: str, kept: tuple[bytes | None, int]) -> None:
    """Put back what was there."""
    content, ttl = kept
    async with scene.raw() as raw:
        if content is None:
            await raw.delete(key)
        else:  # the daemon may have written there the moment that it could
            await raw.restore(key, max(0, ttl), content, replace=True)


def warnings(daemon: Daemon, about: str) -> list[dict[str, Any]]:
    """The warnings that name something, wherever in the line they do."""
    return [line for line in daemon.log() if line["level"] == "warning" and about in str(line)]


@pytest.mark.parametrize("family", FAMILIES)
async def test_key_of_a_wrong_type(scene: Scene, family: str) -> None:
    """One warning with the key, as many beats as it may last; then all goes on."""
    daemon = await scene.daemon()
    await scene.start("hold", task_id="held")
    key = f"{scene.keys.prefix}:{FAMILIES[family].format(node=daemon.node)}"
    kept = await replace(scene, key)
    if family == "QUEUE":
        await scene.redis.publish(scene.keys.wake, "echo")
    if family == "HEARTBEAT":  # written again by the next beat
        await wait_until(lambda: has_type(scene, key, "string"))
    elif family in {"TASK", "AGENT"}:
        await scene.publish({"command": "kill", "taskId": "held"})
        await wait_until(lambda: warnings(daemon, key))
    else:
        await wait_until(lambda: warnings(daemon, key))
        await beats(scene, daemon, 4)
        assert len(warnings(daemon, key)) == 1
    await restore(scene, key, kept)
    assert (await scene.ended(await scene.submit("echo"))).status == "completed"
    assert (await scene.task("held")).status == "executing"
    assert (await scene.ask({"command": "ping"}))["node"] == daemon.node
    await scene.client.kill("held", reason="the end", wait=True)
    assert "Traceback" not in daemon.own_log_text()
    assert len(warnings(daemon, key)) <= 1


async def has_type(scene: Scene, key: str, kind: str) -> bool:
    """Whether a key is of a type."""
    return bool(await scene.redis.type(key) == kind)


async def beats(scene: Scene, daemon: Daemon, count: int) -> None:
    """Return after so many beats' time, in which the daemon answers."""
    reply = await scene.ask({"command": "status"})
    assert reply["node"] == daemon.node
    seconds, _ = await scene.redis.time()

    async def is_later() -> bool:
        await scene.ask({"command": "ping"})
        return bool((await scene.redis.time())[0] >= seconds + (count + 2) / 3)

    await wait_until(is_later, 10)


NONSENSE = (
    b"",
    b"\xff\xfe",
    b"\x00",
    b"\n",
    b"nan",
    b"-1",
    b"1e999",
    b"9" * 400,
    b"{",
    b"[" * 2000,
)
TASK_FIELDS = (
    "taskId", "status", "agentId", "kind", "context", "priority", "attempt", "maxAttempts",
    "timeout", "createdAt", "updatedAt", "metadata", "result", "error", "reason", "killedBy",
)  # fmt: skip
AGENT_FIELDS = (
    "agentId", "taskId", "status", "kind", "node", "epoch", "token", "attempt", "createdAt",
    "startedAt", "updatedAt", "metadata", "result", "error", "reason", "killedBy",
)  # fmt: skip
NODE_FIELDS = (
    "node", "host", "pid", "process", "version", "startedAt", "capacity", "agents", "state",
    "claimed",
)  # fmt: skip


@pytest.mark.parametrize("shift", [0, 3, 7])
@pytest.mark.parametrize("state", ["pending", "running"])
async def test_records_made_nonsense_field_by_field(lawless: Scene, state: str, shift: int) -> None:
    """A task a field, and its agent's too: none of them stops the daemon or holds up a good one."""
    scene = lawless
    daemon = await scene.daemon()
    turned = NONSENSE[shift:] + NONSENSE[:shift]
    kind = "hold" if state == "running" else "echo"
    if state == "pending":
        await scene.ask({"command": "pause"})
    for number, field in enumerate(TASK_FIELDS):
        value = turned[number % len(turned)]
        task_id = f"t-{field}"
        await (scene.submit if state == "pending" else scene.start)(kind, task_id=task_id)
        await scene.redis.hset(scene.keys.task(task_id), field, value)
    if state == "running":
        for number, field in enumerate(AGENT_FIELDS):
            agent_id = await scene.start(kind, task_id=f"a-{field}")
            value = turned[number % len(turned)]
            await scene.redis.hset(scene.keys.agent(agent_id), field, value)
    for number, field in enumerate(NODE_FIELDS):
        value = turned[number % len(turned)]
        await scene.redis.hset(scene.keys.node(daemon.node), field, value)
    await scene.ask({"command": "resume"})
    await scene.publish({"command": "kill", "all": True})
    for field in TASK_FIELDS:
        await scene.publish({"command": "kill", "taskId": f"t-{field}"})
    await beats(scene, daemon, 4)
    assert (await scene.ended(await scene.submit("echo"))).status == "completed"
    assert "Traceback" not in daemon.own_log_text()
    for status in ("pending", "assigned", "executing", "completed", "failed"):
        await scene.client.tasks(status, 100)
    for status in ("spawning", "running", "completed", "failed", "killed"):
        await scene.client.agents(status, 100)
    told = [line["error"] for line in daemon.log() if "waits for a repair" in line["event"]]
    assert len(told) == len(set(told))
    daemon.kill9()


async def test_nonsense_in_what_is_shared(lawless: Scene) -> None:
    """Entries of indexes, queues and hashes that name nothing, or are no text at all."""
    scene = lawless
    daemon = await scene.daemon()
    agent_id = await scene.start("hold")
    keys_of, node = scene.keys, daemon.node
    odd = [b"\xff", b"\x00", b"", b"a b", b"../..", b"x" * 10_000, b"t.1", b"%s", b"[", b"*"]
    async with scene.raw() as raw:
        for entry in odd:
            for index in (
                keys_of.scheduled, keys_of.nodes, keys_of.queue("echo"), keys_of.epochs(node),
                *map(keys_of.tasks, ("pending", "executing", "completed", "failed")),
                *map(keys_of.agents, ("spawning", "running", "killed")),
            ):  # fmt: skip
                await raw.zadd(index, {entry: 1})
            await raw.sadd(keys_of.owned(node), entry)
            await raw.hset(keys_of.kinds, entry, b"\xff")
            await raw.hset(keys_of.kills, entry, b"\xff{")
            await raw.xadd(keys_of.events_log, {b"event": entry})
            await raw.set(keys_of.heartbeat("x") + entry.hex(), entry, px=60_000)
        await raw.zadd(keys_of.scheduled, {b"inf": "+inf", b"-inf": "-inf"})
        await raw.zadd(keys_of.epochs(node), {b"e " + b"9" * 5000: 1, b"../../.. /x/1/2": 2})
    await beats(scene, daemon, 4)
    assert (await scene.agent(agent_id)).status == "running"
    assert (await scene.ended(await scene.submit("echo"))).status == "completed"
    daemon.kill9()
    daemon.start()  # which reads its earlier lives, and what they owned
    await daemon.wait_ready()
    assert (await scene.ended(await scene.submit("echo"))).status == "completed"
    assert "Traceback" not in daemon.own_log_text()
    for event in ("agent not settled", "agent without an actor not settled"):
        told = [line for line in daemon.log() if line["event"] == event]
        assert len(told) <= 2, told  # the one entry that is no text, once a life
    daemon.kill9()
