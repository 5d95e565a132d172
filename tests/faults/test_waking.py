"""A daemon that was frozen for longer than its leases last, and goes on."""

from functools import partial
from typing import Any

from tests.faults.trouble import TTL, Trouble
from tests.support.daemon import Daemon
from tests.support.pace import within
from tests.support.wait import wait_until

WOKEN = "woken after its leases may have run out, commands that waited are dropped"


async def states(trouble: Trouble, daemon: Daemon) -> list[Any]:
    """What a daemon answers that hears; nothing if it does not."""
    replies = await trouble.scene.client.command("ping", node=daemon.node, limit=within(0.5))
    return [reply["result"]["state"] for reply in replies]


async def test_commands_that_waited_are_dropped(trouble: Trouble) -> None:
    """What was published meanwhile was for another time: no pause, no kill of what came later."""
    frozen = await trouble.daemon()
    await trouble.scene.start("hold", task_id="mine")
    other = await trouble.daemon()
    await trouble.last(2 * TTL)  # who judges has itself been heard for so long
    frozen.stop()
    await trouble.scene.publish({"command": "pause", "node": frozen.node})
    await trouble.scene.publish({"command": "kill", "all": True, "node": frozen.node})
    await wait_until(lambda: trouble.has_status("mine.1", "failed"))
    await trouble.scene.runs("mine.2")
    frozen.cont()
    await wait_until(lambda: any(line["event"] == WOKEN for line in frozen.log()))
    await wait_until(partial(states, trouble, frozen), 10)
    assert await states(trouble, frozen) == ["active"]
    assert (await trouble.scene.agent("mine.2")).status == "running"
    assert (await trouble.scene.agent("mine.2")).node == other.node
    await trouble.scene.quiet()


async def test_lost_agents_are_stopped_before_anything_is_heard(trouble: Trouble) -> None:
    """The one that wakes learns what it lost, stops it, and only then listens again."""
    frozen = await trouble.daemon()
    await trouble.scene.start("hold", task_id="lost")
    await trouble.daemon()
    await trouble.last(2 * TTL)
    frozen.stop()
    await wait_until(lambda: trouble.has_status("lost.1", "failed"))
    frozen.cont()

    await wait_until(partial(states, trouble, frozen), 10)
    told = [line["event"] for line in frozen.log()]
    assert WOKEN in told
    assert "lease lost" in told
    await wait_until(lambda: trouble.scene.noted("end", "lost.1"))
    await trouble.scene.quiet()


async def test_kill_asked_for_meanwhile_is_carried_out(trouble: Trouble) -> None:
    """A request on an agent that is still its own: it is read again on waking."""
    frozen = await trouble.daemon()  # nobody else is there to settle its agents
    agent_id = await trouble.scene.start("hold")
    frozen.stop()
    await trouble.last(2 * TTL)
    await trouble.scene.client.kill(agent_id, reason="while it slept")
    frozen.cont()
    assert await trouble.scene.ending(agent_id) == ("killed", "killed")
    await trouble.scene.quiet()
