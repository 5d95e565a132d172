"""Nothing that arrives stops a daemon: garbage on its channels, keys of a wrong type, no state."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from tests.service.scene import OpenOwn, Scene, open_unwatched
from tests.support.daemon import Daemon
from tests.support.fixtures import StartDaemon
from tests.support.pace import within
from tests.support.server import Server
from tests.support.wait import wait_until

GARBAGE = (
    b"",
    b"\x00",
    b"\xff" * 100,
    b"{",
    b"[" * 100_000,
    b'"',
    b"x" * 2_000_000,
    os.urandom(64),
)


@pytest.fixture
async def unwatched(
    server: Server, prefix: str, tmp_path: Path, start_daemon: StartDaemon
) -> AsyncIterator[Scene]:
    """A scene in which keys may be broken."""
    async with open_unwatched(server, prefix, tmp_path, start_daemon) as scene:
        yield scene


async def test_garbage_on_every_channel(scene: Scene) -> None:
    """It is logged or passed over; the agent runs on and new work is done."""
    daemon = await scene.daemon()
    agent_id = await scene.start("hold")
    keys = scene.keys
    channels = (
        keys.control, keys.submit, keys.wake, keys.events, keys.kill_bell(daemon.node),
        f"{keys.reply}x",
    )  # fmt: skip
    for channel in channels:
        for data in GARBAGE:
            await scene.redis.publish(channel, data)
    assert (await scene.ended(await scene.submit("echo"))).status == "completed"
    assert (await scene.ask({"command": "ping"}))["node"] == daemon.node
    assert (await scene.agent(agent_id)).status == "running"
    assert "Traceback" not in daemon.own_log_text()
    await scene.quiet()


KEYS = [
    "tasks:pending", "tasks:assigned", "tasks:executing", "tasks:completed", "tasks:failed",
    "agents:spawning", "agents:running", "agents:completed", "agents:failed", "agents:killed",
    "scheduled", "sequence", "kinds", "kills", "nodes", "events:log", "queue:echo",
    "task:held", "agent:held.1", "heartbeat:held.1", "owned:{node}", "node:{node}", "epochs:{node}",
]  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
async def test_key_of_a_wrong_type(unwatched: Scene, name: str) -> None:
    """The daemon lives and answers meanwhile, and does its work once the key is repaired."""
    scene = unwatched
    daemon = await scene.daemon()
    agent_id = await scene.start("hold", task_id="held")
    key = f"{scene.keys.prefix}:{name.format(node=daemon.node)}"
    kept = await _break(scene, key)
    deadline = anyio.current_time() + 1
    while anyio.current_time() < deadline:  # two or three heartbeats and a slow look
        assert (await scene.ask({"command": "ping"}))["ok"]
    await scene.publish({"command": "spawn", "kind": "echo", "taskId": "s1"})
    await scene.publish({"command": "kill", "taskId": "nobody"})
    await scene.publish("echo", channel=scene.keys.wake)
    assert (await scene.ask({"command": "ping"}))["ok"]
    await _repair(scene, key, kept)
    assert (await scene.ended(await scene.submit("echo"))).status == "completed"
    await _beats(scene, daemon, 1)
    assert "Traceback" not in daemon.own_log_text()
    await scene.client.kill_all()
    await scene.ended(agent_id)


async def test_subscription_is_made_again_though_the_kills_are_broken(unwatched: Scene) -> None:
    """A daemon that cannot read the requests still hears; repaired, they are carried out."""
    scene = unwatched
    daemon = await scene.daemon()
    agent_id = await scene.start("hold")
    await _break(scene, scene.keys.kills)
    await scene.redis.client_kill_filter(_type="pubsub")

    async def answers() -> bool:
        replies = await scene.client.command("ping", node=daemon.node, limit=within(0.2))
        return [reply["node"] for reply in replies] == [daemon.node]

    await wait_until(answers)
    await scene.redis.delete(scene.keys.kills)
    await scene.client.kill(agent_id, wait=True)


async def _break(scene: Scene, key: str) -> tuple[bytes | None, int]:
    """Put something else there; returns what was, and its TTL in ms."""
    async with scene.raw() as raw:
        kept, ttl = await raw.dump(key), await raw.pttl(key)
        kind = await raw.type(key)
        async with raw.pipeline() as both:  # the daemon may write there at any moment
            both.delete(key)
            both.set(key, "nonsense") if kind == b"list" else both.rpush(key, "nonsense")
            await both.execute()
    return kept, ttl


async def _repair(scene: Scene, key: str, kept: tuple[bytes | None, int]) -> None:
    content, ttl = kept
    async with scene.raw() as raw:
        if content is None:
            await raw.delete(key)
        else:
            await raw.restore(key, max(0, ttl), content, replace=True)


async def test_all_state_is_deleted(open_own: OpenOwn) -> None:
    """FLUSHALL under a daemon: its agents stop, it lives, and new work runs."""
    async with open_own() as scene:
        daemon = await scene.daemon()
        agents = [await scene.start("hold"), await scene.start("family", str(scene.folder))]
        pid = await wait_until(lambda: scene.pid("child"))
        await scene.redis.flushall()
        await wait_until(lambda: scene.noted("end", agents[0]), 5)
        await wait_until(lambda: not Path(f"/proc/{pid}").exists(), 5)
        await _beats(scene, daemon, 1)

        async def submits() -> bool:
            return bool(await scene.redis.exists(scene.keys.kinds))

        await wait_until(submits)
        assert (await scene.ended(await scene.submit("echo"))).status == "completed"
        for agent_id in agents:
            assert not await scene.redis.exists(scene.keys.agent(agent_id))
        await scene.quiet()


async def test_restart_of_the_server_leaves_agents_running(open_own: OpenOwn) -> None:
    """With the append-only file on, agents run through it and their leases are set again."""
    async with open_own() as scene:
        daemon = await scene.daemon()
        agent_id = await scene.start("hold")
        for _ in range(3):
            scene.server.restart()
            await scene.redis.delete(scene.keys.heartbeat(agent_id))

            async def is_renewed() -> bool:
                return bool(await scene.redis.exists(scene.keys.heartbeat(agent_id)))

            await wait_until(is_renewed)
            assert await scene.redis.get(scene.keys.heartbeat(agent_id)) == (
                f"{daemon.node}/{(await scene.node(daemon))['epoch']}"
            )
            assert (await scene.ended(await scene.submit("echo"))).status == "completed"
            assert (await scene.agent(agent_id)).status == "running"
        assert not scene.noted("end", agent_id)
        await scene.client.kill(agent_id, wait=True)
        await scene.quiet()


async def test_restart_between_two_calls_makes_nobody_dead(open_own: OpenOwn) -> None:
    """In that gap the server comes back with an old state.

    The neighbour's record and leases have run out in it; it has not had the time to renew them.
    """
    async with open_own() as scene:
        neighbour = await scene.daemon()
        agent_id = await scene.start("hold")
        daemon = await scene.daemon()
        await _beats(scene, daemon, 6)  # it would settle what is dead by now
        daemon.stop()
        neighbour.stop()
        scene.server.restart()
        keys = scene.keys
        await scene.redis.delete(keys.node(neighbour.node), keys.heartbeat(agent_id))
        await scene.redis.zadd(keys.nodes, {neighbour.node: 1})
        daemon.cont()
        await _beats(scene, daemon, 2)
        neighbour.cont()
        await _beats(scene, neighbour, 2)
        assert (await scene.agent(agent_id)).status == "running"
        await scene.client.kill(agent_id, wait=True)
        await scene.quiet()


async def _beats(scene: Scene, daemon: Daemon, count: int) -> None:
    """Return when a daemon has renewed its record so many times."""
    key = scene.keys.node(daemon.node)
    for _ in range(count):
        before = await scene.redis.pexpiretime(key)

        async def is_renewed(before: int = before) -> bool:
            return bool(await scene.redis.pexpiretime(key) > before)

        await wait_until(is_renewed)


async def test_killed_connections_are_made_again(scene: Scene) -> None:
    """Whatever connection is cut, and how often: no task is lost and none runs twice."""
    daemon = await scene.daemon()
    for number in range(20):
        task_id = await scene.submit("brief", 0.01)
        await scene.redis.client_kill_filter(_type="normal", skipme=True)
        if number % 5 == 0:
            await scene.redis.client_kill_filter(_type="pubsub")
        assert (await scene.ended(task_id)).status == "completed"
    assert "Traceback" not in daemon.own_log_text()
    await scene.quiet()
