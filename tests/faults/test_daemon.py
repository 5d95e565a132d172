"""A daemon that is killed, frozen or told to stop, at each point of an agent's life."""

import pytest

from tests.faults.trouble import POINTS, Trouble
from tests.support.wait import wait_until


@pytest.mark.parametrize("point", POINTS)
async def test_sigkill_and_start(trouble: Trouble, point: str) -> None:
    """The next life of the daemon ends what is left, settles it, and goes on with its task."""
    daemon = await trouble.daemon()
    agent_id = await trouble.bring_to(point, daemon)
    daemon.kill9()
    trouble.proxy.heal()
    daemon.start()
    await daemon.wait_ready()
    await trouble.goes_on(point, agent_id)


@pytest.mark.parametrize("point", POINTS[1::2])
async def test_sigkill_with_a_survivor(trouble: Trouble, point: str) -> None:
    """Another daemon settles it once the heartbeat has run out, and takes its task."""
    daemon = await trouble.daemon()
    agent_id = await trouble.bring_to(point, daemon)
    await trouble.daemon(VALKEY_URL=trouble.server.url)
    daemon.kill9()
    trouble.proxy.heal()
    await trouble.goes_on(point, agent_id)


@pytest.mark.parametrize("point", POINTS)
async def test_sigstop_and_sigcont(trouble: Trouble, point: str) -> None:
    """Another daemon takes over; the one that wakes up finds out, stops, and writes nothing."""
    daemon = await trouble.daemon()
    agent_id = await trouble.bring_to(point, daemon)
    await trouble.daemon(VALKEY_URL=trouble.server.url)
    daemon.stop()
    trouble.proxy.heal()
    if point != "ending written":
        await trouble.scene.ending(agent_id)
    daemon.cont()
    await trouble.goes_on(point, agent_id)
    await wait_until(lambda: not trouble.processes_of(agent_id))
    assert "Traceback" not in daemon.own_log_text()


@pytest.mark.parametrize("point", POINTS)
async def test_sigterm(trouble: Trouble, point: str) -> None:
    """What can end in time does; the rest is tried again by another daemon. Exit code 0."""
    daemon = await trouble.daemon(MUSTERD_DRAIN_TIMEOUT="1")
    agent_id = await trouble.bring_to(point, daemon)
    await trouble.daemon(VALKEY_URL=trouble.server.url)
    daemon.sigterm()
    trouble.proxy.heal()
    assert await daemon.wait_exit() == 0
    await trouble.goes_on(point, agent_id)
