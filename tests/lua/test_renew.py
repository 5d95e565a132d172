"""renew: heartbeats, many in one step."""

import pytest

from tests.support.world import World

pytestmark = pytest.mark.leaves_work("renewed agents are live")


async def test_each_gets_its_full_life_back(world: World) -> None:
    """And nothing else is written."""
    await world.running()
    await world.redis.pexpire(world.keys.heartbeat("t.1"), 1000)
    before = await world.dump(without=[world.keys.heartbeat("t.1")])
    assert await world.step("renew", "t.1") == ["ok", []]
    assert await world.redis.pttl(world.keys.heartbeat("t.1")) > 50_000
    assert await world.dump(without=[world.keys.heartbeat("t.1")]) == before


async def test_heartbeat_that_expired_is_set_again(world: World) -> None:
    """The server was away for longer than its life, and nobody else has the agent."""
    await world.running()
    await world.redis.delete(world.keys.heartbeat("t.1"), world.keys.owned("n1"))
    assert await world.step("renew", "t.1") == ["ok", []]
    assert await world.redis.get(world.keys.heartbeat("t.1")) == "n1/e1"
    assert await world.redis.smembers(world.keys.owned("n1")) == {"t.1"}
    await world.check()


@pytest.mark.parametrize("caller", [{"node": "n2"}, {"epoch": "e2"}])
async def test_agent_of_another_owner_is_lost(world: World, caller: dict[str, str]) -> None:
    """Its heartbeat is not set in another's name."""
    await world.running()
    await world.redis.delete(world.keys.heartbeat("t.1"))
    before = await world.dump()
    assert await world.step("renew", "t.1", **caller) == ["ok", ["t.1"]]
    assert await world.dump() == before


async def test_agent_that_has_ended_or_never_was_is_lost(world: World) -> None:
    """Nothing is written for either."""
    agent_id, token = await world.running()
    await world.finish(agent_id, token)
    before = await world.dump()
    assert await world.step("renew", agent_id, "other.1") == ["ok", [agent_id, "other.1"]]
    assert await world.dump() == before


@pytest.mark.parametrize("fault", ["type", "status", "attempt", "node"])
async def test_one_bad_record_costs_no_other_its_heartbeat(world: World, fault: str) -> None:
    """It is lost; the ones that come after it in the same step are renewed."""
    await world.running("bad")
    await world.running("good")
    key = world.keys.agent("bad.1")
    if fault == "type":
        await world.redis.delete(key)
        await world.plant(key)
    else:
        await world.redis.hset(key, fault, "nonsense")
        await world.redis.pexpire(key, 60_000)  # nobody will end it
    await world.redis.delete(world.keys.heartbeat("bad.1"))
    await world.redis.pexpire(world.keys.heartbeat("good.1"), 1000)
    assert await world.step("renew", "bad.1", "good.1") == ["ok", ["bad.1"]]
    assert await world.redis.pttl(world.keys.heartbeat("good.1")) > 50_000
