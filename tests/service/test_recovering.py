"""A daemon that died, froze, or came back: its agents are found, ended once, and retried."""

import json
import math
from functools import partial

import anyio
import pytest

from musterd import procfs
from tests.service.scene import OpenOwn, Scene
from tests.support.daemon import Daemon
from tests.support.pace import within
from tests.support.wait import pass_time, wait_until

RECOVERED = 1 + 1 / 3 + 2
"""Seconds within which a dead daemon's agents are settled at a TTL of 1 s, with some to spare."""


def is_alive(pid: int) -> bool:
    """Whether a process runs; one whose daemon died is a zombie until init takes note of it."""
    stat = procfs.stat(pid)
    return stat is not None and stat.alive


async def test_same_node_settles_its_past_at_once(scene: Scene) -> None:
    """After kill -9 and a restart leftover processes end before their agents are told as lost."""
    daemon = await scene.daemon(MUSTERD_HEARTBEAT_TTL="60")
    retried = await scene.start("family", str(scene.folder))
    pids = [await wait_until(partial(scene.pid, name)) for name in ("child", "grandchild")]
    last = await scene.start("brief", 600)
    killed = await scene.start("worker")
    daemon.kill9()
    assert all(map(is_alive, pids))
    outcome = await scene.client.kill(killed)
    assert outcome.outcome == "requested"
    async with scene.redis.pubsub() as events:
        await events.subscribe(scene.keys.events)
        daemon.start()
        with anyio.fail_after(within(10)):
            while True:
                message = await events.get_message(ignore_subscribe_messages=True, timeout=30)
                if message and json.loads(message["data"])["type"].startswith("agent."):
                    break
        assert not any(map(is_alive, pids))
    await daemon.wait_ready()
    assert await scene.ending(retried) == ("failed", "lost")
    assert await scene.ending(last[:-2]) == ("failed", "lost")
    assert await scene.ending(killed) == ("killed", "killed")
    assert await scene.ending(killed[:-2]) == ("failed", "killed")
    await scene.runs(retried[:-1] + "2")
    await scene.quiet()


async def test_leftover_that_ignores_sigterm_is_forced(scene: Scene) -> None:
    """A stubborn process of the earlier life is gone before the next attempt starts."""
    daemon = await scene.daemon(MUSTERD_KILL_GRACE="0.2")
    agent_id = await scene.start("stubborn", str(scene.folder))
    pid = await wait_until(lambda: scene.pid("stubborn"))
    daemon.kill9()
    daemon.start()
    await daemon.wait_ready()
    assert not is_alive(pid)
    assert await scene.ending(agent_id) == ("failed", "lost")
    await scene.runs(agent_id[:-1] + "2")
    await scene.quiet()


async def test_survivor_settles_a_dead_nodes_agents(scene: Scene) -> None:
    """Within the TTL and a renewal, with its kills carried out as far as can be known."""
    survivor = await scene.daemon()
    await scene.ask({"command": "pause"})
    victim = await scene.daemon()
    retried = await scene.start("hold")
    last = await scene.start("limited")
    killed = await scene.start("hold")
    await scene.ask({"command": "resume", "node": survivor.node})
    victim.kill9()
    began = anyio.current_time()
    assert (await scene.client.kill(killed)).outcome == "requested"
    assert await scene.ending(retried) == ("failed", "lost")
    assert anyio.current_time() - began < within(RECOVERED)
    assert await scene.ending(last[:-2]) == ("failed", "lost")
    assert await scene.ending(killed) == ("failed", "lost")
    assert await scene.ending(killed[:-2]) == ("failed", "killed")
    await scene.runs(retried[:-1] + "2")
    assert (await scene.agent(retried[:-1] + "2")).node == survivor.node

    async def is_forgotten() -> bool:
        return await scene.redis.zscore(scene.keys.nodes, victim.node) is None

    await wait_until(is_forgotten, RECOVERED)
    await scene.quiet()


async def test_two_survivors_settle_each_agent_once(scene: Scene) -> None:
    """Whoever comes second finds nothing left to do; attempts are not spent twice."""
    victim = await scene.daemon()
    agents = [await scene.start("hold") for _ in range(20)]
    for _ in range(2):
        await scene.daemon()
    victim.kill9()
    for agent_id in agents:
        assert await scene.ending(agent_id) == ("failed", "lost")
        await scene.runs(agent_id[:-1] + "2")
    await scene.quiet()


async def test_second_daemon_of_a_name_is_refused(scene: Scene) -> None:
    """Exit 1 and one line that says who has the name; the first one does not notice."""
    one = await scene.daemon(node="twin")
    agent_id = await scene.start("hold")
    other = await scene.daemon(node="twin", wait=False)
    assert await other.wait_exit() == 1
    (line,) = other.log_text().splitlines()
    assert line.startswith("musterd: MUSTERD_NODE: 'twin' is the name of a daemon that is alive")
    assert f"pid {one.pid}" in line
    assert (await scene.agent(agent_id)).status == "running"
    await scene.quiet()


async def test_name_of_a_dead_daemon_is_taken_over_at_once(scene: Scene) -> None:
    """After kill -9 nobody waits for the record to expire."""
    daemon = await scene.daemon(node="heir", MUSTERD_HEARTBEAT_TTL="600")
    daemon.kill9()
    began = anyio.current_time()
    heir = await scene.daemon(node="heir", MUSTERD_HEARTBEAT_TTL="600")
    assert anyio.current_time() - began < within(5)
    assert (await scene.node(heir))["pid"] == str(heir.pid)


async def freeze(scene: Scene, daemon: Daemon, agents: list[str]) -> None:
    """Stop a daemon for so long that others settle its agents."""
    daemon.stop()
    for agent_id in agents:
        assert await scene.ending(agent_id) == ("failed", "lost")


async def test_frozen_daemon_that_wakes_is_superseded(open_own: OpenOwn) -> None:
    """It stops its agents, writes nothing of them, and goes on with new work."""
    async with open_own(lost_limit=math.inf) as scene:
        frozen = await scene.daemon()
        kinds = ("hold", "family")
        agents = [await scene.start(kind, str(scene.folder)) for kind in kinds]
        pid = await wait_until(lambda: scene.pid("child"))
        survivor = await scene.daemon()
        await freeze(scene, frozen, agents)
        for agent_id in agents:
            await scene.runs(agent_id[:-1] + "2")
            assert (await scene.agent(agent_id[:-1] + "2")).node == survivor.node
        before = [await scene.agent(agent_id) for agent_id in agents]
        frozen.cont()
        await wait_until(lambda: scene.noted("end", agents[0]), 5)
        await wait_until(lambda: not is_alive(pid), 5)
        assert [await scene.agent(agent_id) for agent_id in agents] == before
        reply = await scene.ask({"command": "status", "node": frozen.node})
        assert (reply["result"]["state"], reply["result"]["agents"]) == ("active", 0)
        survivor.sigterm()
        await scene.client.kill_all()
        assert await survivor.wait_exit() == 0
        assert (await scene.ended(await scene.submit("echo"))).status == "completed"
        await scene.checker.check_quiet()


async def test_frozen_daemon_whose_name_was_taken_stops(open_own: OpenOwn) -> None:
    """Another life of its node has settled its agents: it ends them, exits 1, and writes nothing.

    The identity of the frozen process says that it is alive, so the name is not taken before its
    record has expired.
    """
    async with open_own(lost_limit=math.inf) as scene:
        frozen = await scene.daemon(node="twin")
        agent_id = await scene.start("hold")
        frozen.stop()

        async def has_expired() -> bool:
            return await scene.node(frozen) == {}

        await wait_until(has_expired, 5)
        heir = await scene.daemon(node="twin")
        assert await scene.ending(agent_id) == ("failed", "lost")
        frozen.cont()
        assert await frozen.wait_exit() == 1
        assert "is the name of a daemon that is alive" in frozen.log_text()
        assert (await scene.node(heir))["pid"] == str(heir.pid)
        await scene.runs(agent_id[:-1] + "2")
        await scene.quiet()


@pytest.mark.parametrize("outage", ["pause", "restart"])
async def test_outage_of_valkey_orphans_no_one(open_own: OpenOwn, outage: str) -> None:
    """After more than a TTL without the server, two daemons do not judge each other dead."""
    async with open_own() as scene:
        await scene.daemon()
        await scene.daemon()
        agents = [await scene.start("hold") for _ in range(6)]
        if outage == "pause":
            scene.server.pause()
            await pass_time(1.5)
            scene.server.resume()
        else:
            scene.server.kill()
            await pass_time(1.5)
            scene.server.start()
        deadline = anyio.current_time() + 3
        while anyio.current_time() < deadline:
            for agent_id in agents:
                assert (await scene.agent(agent_id)).status == "running"
            await pass_time(0.05)
        assert await scene.redis.exists(*map(scene.keys.heartbeat, agents)) == len(agents)
        await scene.quiet()


async def test_daemons_that_all_stood_still_judge_nobody(scene: Scene) -> None:
    """A machine that sleeps and wakes: whoever wakes first has not been heard itself."""
    daemons = [await scene.daemon(MUSTERD_CAPACITY="4") for _ in range(2)]
    agents = [await scene.start("hold") for _ in range(8)]
    assert len({(await scene.agent(agent_id)).node for agent_id in agents}) == 2
    for daemon in daemons:
        daemon.stop()

    async def have_expired() -> bool:
        return not any([await scene.node(daemon) for daemon in daemons])

    await wait_until(have_expired)
    expired = anyio.current_time()
    await wait_until(lambda: anyio.current_time() > expired + 0.5)
    daemons[0].cont()

    async def is_back() -> bool:
        return await scene.node(daemons[0]) != {}

    await wait_until(is_back)
    daemons[1].cont()

    async def both_answer() -> bool:  # what is asked while one wakes is dropped
        return len(await scene.client.command("ping", limit=within(0.2))) == 2

    await wait_until(both_answer)
    assert [(await scene.agent(agent_id)).status for agent_id in agents] == ["running"] * 8
    await scene.quiet()
