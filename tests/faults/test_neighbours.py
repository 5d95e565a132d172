"""Several daemons: who is dead is found in time, who lives is let be."""

import time

import anyio
import pytest

from tests.checker.contract import milliseconds
from tests.faults.trouble import TTL, Trouble, persist, tell
from tests.support.pace import within
from tests.support.wait import wait_until

FOUND = TTL + TTL / 3 + 1.0
"""Seconds within which another daemon settles the agents of one that was killed."""

OWN = 1.0
"""Seconds within which a daemon that starts again settles a thousand agents of its own."""


async def test_another_daemon_settles_a_dead_ones_agents(trouble: Trouble) -> None:
    """Within the TTL, one renewal, and a second."""
    victim = await trouble.daemon()
    agents = [await trouble.scene.start("hold") for _ in range(5)]
    await trouble.daemon()
    await trouble.last(2 * TTL)  # who judges has itself been heard for so long
    died = time.time()
    victim.kill9()
    for agent_id in agents:
        assert await trouble.scene.ending(agent_id) == ("failed", "lost")
    records = [await trouble.scene.agent(agent_id) for agent_id in agents]
    took = max(milliseconds(record.completed_at or "") for record in records) / 1000 - died
    tell(f"settled after {took:.2f} s")
    assert took < within(FOUND)
    await trouble.scene.quiet()


@pytest.mark.timeout(120)
async def test_own_restart_settles_a_thousand_agents(trouble: Trouble) -> None:
    """From the name that is taken over to the last agent that is settled."""
    daemon = await trouble.daemon(MUSTERD_HEARTBEAT_TTL="60")
    tasks = [await trouble.submit("hold", max_attempts=1) for _ in range(1000)]
    running = trouble.scene.keys.agents("running")

    async def all_run() -> bool:
        return bool(await trouble.scene.redis.zcard(running) == len(tasks))

    await wait_until(all_run, 60)
    daemon.kill9()
    daemon.start()
    await daemon.wait_ready(30)
    assert await trouble.scene.redis.zcard(running) == 0
    settled = [line for line in daemon.log() if line["event"] == "agent settled"]
    (began,) = (line for line in daemon.log() if line["event"].startswith("name taken over"))
    took = (milliseconds(settled[-1]["timestamp"]) - milliseconds(began["timestamp"])) / 1000
    tell(f"{len(settled)} agents settled after {took:.2f} s")
    assert len(settled) == len(tasks)
    assert took < within(OWN)
    await trouble.scene.checker.check_quiet()


async def test_survivors_settle_each_orphan_once(trouble: Trouble) -> None:
    """Several come at once; no attempt is spent twice."""
    victim = await trouble.daemon()
    agents = [await trouble.scene.start("hold") for _ in range(20)]
    for _ in range(3):
        await trouble.daemon()
    victim.kill9()
    for agent_id in agents:
        assert await trouble.scene.ending(agent_id) == ("failed", "lost")
        await trouble.scene.runs(f"{agent_id[:-1]}2")
    await trouble.scene.quiet()


async def test_second_daemon_of_a_name(trouble: Trouble) -> None:
    """It is refused while the first one lives, even if that one stands still; nothing changes."""
    one = await trouble.daemon(node="twin", MUSTERD_HEARTBEAT_TTL="60")
    agent_id = await trouble.scene.start("hold")
    one.stop()
    other = await trouble.daemon(node="twin", wait=False)
    assert await other.wait_exit() == 1
    assert f"pid {one.pid}" in other.log_text()
    one.cont()
    assert (await trouble.scene.agent(agent_id)).status == "running"
    await trouble.scene.quiet()


async def test_drain_beside_another_daemon(trouble: Trouble) -> None:
    """Nothing runs twice, no lease is given up before its agent has ended, the deadline holds."""
    daemon = await trouble.daemon(MUSTERD_DRAIN_TIMEOUT="3")
    ends = await trouble.scene.start("brief", 2.5 * TTL)
    stays = await trouble.scene.start("hold")
    other = await trouble.daemon()
    began = anyio.current_time()
    daemon.sigterm()
    assert await daemon.wait_exit() == 0
    tell(f"drained after {anyio.current_time() - began:.2f} s")
    assert anyio.current_time() - began < within(3)
    assert await trouble.scene.ending(ends) == ("completed", None)
    assert await trouble.scene.ending(stays) == ("failed", "shutdown")
    told = [(await trouble.scene.agent(one)).completed_at or "" for one in (ends, stays)]
    assert told == sorted(told), "one was stopped while another could still finish"
    await trouble.scene.runs(f"{stays[:-1]}2")
    assert (await trouble.scene.agent(f"{stays[:-1]}2")).node == other.node
    await trouble.scene.quiet()


async def test_kill_while_its_daemon_drains(trouble: Trouble) -> None:
    """The control channel outlives the agents."""
    daemon = await trouble.daemon(MUSTERD_DRAIN_TIMEOUT="30")
    agent_id = await trouble.scene.start("hold")
    daemon.sigterm()
    await wait_until(lambda: "draining" in daemon.log_text())
    await trouble.scene.client.kill(agent_id)
    assert await trouble.scene.ending(agent_id) == ("killed", "killed")
    assert await daemon.wait_exit() == 0
    await trouble.scene.quiet()


async def test_second_signal(trouble: Trouble) -> None:
    """Agents are stopped at once, with a second of grace; their tasks go to another daemon."""
    daemon = await trouble.daemon(MUSTERD_DRAIN_TIMEOUT="60")
    agent_id = await trouble.scene.start("hold")
    await trouble.daemon()
    daemon.sigterm()
    await wait_until(lambda: "draining" in daemon.log_text())
    began = anyio.current_time()
    daemon.sigint()
    assert await daemon.wait_exit() == 0
    tell(f"ended after {anyio.current_time() - began:.2f} s")
    assert anyio.current_time() - began < within(1)
    assert await trouble.scene.ending(agent_id) == ("failed", "shutdown")
    await trouble.scene.runs(f"{agent_id[:-1]}2")
    await trouble.scene.quiet()


async def test_kill_asked_for_while_everything_is_down(trouble: Trouble) -> None:
    """The daemon is dead and Valkey restarts: whoever comes back first finds the request."""
    daemon = await trouble.daemon()
    agent_id = await trouble.scene.start("family", str(trouble.scene.folder))
    daemon.kill9()
    await trouble.scene.client.kill(agent_id)
    trouble.server.kill()
    trouble.server.start()
    daemon.start()
    ending = await persist(lambda: trouble.scene.ending(agent_id))
    assert ending == ("killed", "killed")
    assert not trouble.processes_of(agent_id)
    await trouble.scene.quiet()
