"""A kill at each point of an agent's life."""

import pytest

from musterd.actor import FRESH
from musterd.errors import AlreadyTerminalError
from tests.faults.trouble import POINTS, Trouble
from tests.support.wait import pass_time


@pytest.mark.parametrize("point", POINTS)
async def test_kill(trouble: Trouble, point: str) -> None:
    """Whether it was asked for before the ending was written decides; nothing begins after it."""
    daemon = await trouble.daemon()
    agent_id = await trouble.bring_to(point, daemon)
    if point == "ending written":
        with pytest.raises(AlreadyTerminalError):
            await trouble.scene.client.kill(agent_id)
    else:
        await trouble.scene.client.kill(agent_id)
        trouble.scene.checker.expect_killed(agent_id)
    if point == "claimed":  # from then on the claim alone is not the word to start
        await pass_time(FRESH)
    trouble.proxy.heal()
    if point == "ending written":
        assert await trouble.scene.ending(agent_id) == ("completed", None)
    else:
        assert await trouble.scene.ending(agent_id) == ("killed", "killed")
        assert await trouble.scene.ending(agent_id[:-2]) == ("failed", "killed")
    assert trouble.scene.noted("start", agent_id) == (point != "claimed")
    assert not trouble.processes_of(agent_id)
    await trouble.scene.quiet()
