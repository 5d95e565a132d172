"""dead, owned, settle: what becomes of agents whose owner is gone."""

import pytest

from tests.support.world import World

pytestmark = pytest.mark.leaves_work("a lost task is tried again")


async def die(world: World, agent_id: str = "t.1", node: str = "n1") -> None:
    """All signs of life of a daemon with one agent are gone."""
    await world.redis.delete(world.keys.heartbeat(agent_id), world.keys.node(node))
    await world.redis.zadd(world.keys.nodes, {node: 1})


async def test_dead_is_who_owns_and_is_silent(world: World) -> None:
    """Not oneself, not one whose record is there, not one of whom there was a sign just now."""
    await world.running()
    for node in ("asker", "alive", "silent"):
        await world.register(node=node)
        await world.redis.sadd(world.keys.owned(node), "x.1")
    await die(world)
    await world.redis.delete(world.keys.node("asker"), world.keys.node("silent"))
    assert await world.step("dead", 60_000, node="asker") == ["ok", ["n1"]]
    assert sorted((await world.step("dead", -1000, node="asker"))[1]) == ["n1", "silent"]


async def test_dead_node_without_agents_is_struck_off(world: World) -> None:
    """It is nobody's business any more."""
    await world.register()
    await die(world)
    assert await world.step("dead", 1000, node="n2") == ["ok", []]
    assert await world.redis.exists(world.keys.nodes) == 0


async def test_owned_lists_all_or_some(world: World) -> None:
    """Some are picked at random."""
    for number in range(5):
        await world.running(f"t{number}")
    assert sorted((await world.step("owned", "n1", ""))[1]) == [f"t{n}.1" for n in range(5)]
    assert len((await world.step("owned", "n1", 3))[1]) == 3
    assert await world.step("owned", "n2", 3) == ["ok", []]


@pytest.mark.parametrize(("attempts", "after"), [(1, "failed"), (2, "pending")])
async def test_lost_agent_is_retried_while_attempts_are_left(
    world: World, attempts: int, after: str
) -> None:
    """Else its task has failed, with reason `lost`. The token goes; the events name its node."""
    await world.running(attempts=attempts)
    await die(world)
    assert await world.step("settle", "t.1", "n1", "", node="n2") == ["ok", "failed", after]
    agent = await world.agent()
    assert (agent["status"], agent["reason"]) == ("failed", "lost")
    assert agent["error"] == "its daemon n1 died"
    assert "token" not in agent
    assert {event["node"] for event in (await world.events())[3:]} == {"n1"}
    assert await world.redis.exists(world.keys.owned("n1")) == 0
    await world.check()


async def test_old_owner_is_refused_afterwards(world: World) -> None:
    """It wakes up late: neither start nor finish nor renewal is taken from it."""
    _, token = await world.spawned(attempts=2)
    await die(world)
    await world.step("settle", "t.1", "n1", "", node="n2")
    before = await world.dump()
    assert await world.step("start", "t.1", token) == ["not_owner"]
    assert await world.finish("t.1", token) == ["not_owner"]
    assert await world.finish("t.1", "") == ["not_owner"]
    assert await world.step("renew", "t.1") == ["ok", ["t.1"]]
    assert await world.dump() == before


async def test_twice_is_once(world: World) -> None:
    """The second finds nothing left to end, writes nothing and tells nothing."""
    await world.running(attempts=2)
    await die(world)
    await world.step("settle", "t.1", "n1", "", node="n2")
    before = await world.dump()
    assert await world.step("settle", "t.1", "n1", "", node="n2") == ["not_found"]
    assert await world.dump() == before


@pytest.mark.parametrize("sign", ["heartbeat", "node"])
async def test_sign_of_life_protects_the_agent(world: World, sign: str) -> None:
    """Its heartbeat or its daemon's record is enough."""
    await world.running()
    gone = world.keys.node("n1") if sign == "heartbeat" else world.keys.heartbeat("t.1")
    await world.redis.delete(gone)
    before = await world.dump()
    assert await world.step("settle", "t.1", "n1", "", node="n2") == ["alive"]
    assert await world.dump() == before


async def test_what_was_settled_is_settled_again(world: World) -> None:
    """The server has lost it, and the owner, which was told by then, gives signs of life again."""
    agent_id, token = await world.running(attempts=2)
    settle = ("settle", agent_id, "n1", "")
    assert await world.step(*settle, node="n2", epoch="x") == ["alive"]
    again = await world.step(*settle, "again", node="n2", epoch="x")
    assert again == ["ok", "failed", "pending"]
    assert await world.finish(agent_id, token) == ["not_owner"]
    await world.check()


async def test_record_of_a_later_life_protects_no_agent_of_an_earlier(world: World) -> None:
    """The daemon is back under another epoch and has not settled its past."""
    await world.running()
    await die(world)
    await world.register(epoch="e2")
    assert (await world.step("settle", "t.1", "n1", "", node="n2"))[0] == "ok"


async def test_own_earlier_life_is_settled_at_once(world: World) -> None:
    """Its heartbeats may still be there: the new epoch knows that it is dead."""
    await world.running(attempts=2)
    await world.succeed_itself()
    assert await world.step("settle", "t.1", "n1", "e1", epoch="e2") == ["ok", "failed", "pending"]
    await world.check()


async def test_superseded_daemon_settles_nothing_of_its_successor(world: World) -> None:
    """It woke up late, and takes what it finds below its name for its own past."""
    await world.register(epoch="e0")
    await world.step("release", epoch="e0")
    await world.running()
    before = await world.dump()
    assert await world.step("settle", "t.1", "n1", "e1", epoch="e0") == ["not_owner"]
    assert await world.dump() == before


@pytest.mark.parametrize(("attempts", "after"), [(1, "failed"), (2, "pending")])
async def test_agent_without_a_record_frees_its_task(
    world: World, attempts: int, after: str
) -> None:
    """Somebody deleted the record: the task must not be `executing` for ever."""
    await world.running(attempts=attempts)
    await world.redis.delete(world.keys.agent("t.1"))
    assert await world.step("settle", "t.1", "n1", "", node="n2") == ["alive"]
    await die(world)
    assert await world.step("settle", "t.1", "n1", "", node="n2") == ["ok", "failed", after]
    assert (await world.task())["status"] == after
    told = [event["type"] for event in await world.events()]
    assert told[5:7] == ["agent.failed", "task.failed"]


async def test_agent_without_a_record_whose_kill_is_asked_for(world: World) -> None:
    """No further attempt."""
    await world.running(attempts=3)
    await world.kill("t.1", why="enough")
    await world.redis.delete(world.keys.agent("t.1"))
    await die(world)
    assert await world.step("settle", "t.1", "n1", "", node="n2") == ["ok", "failed", "failed"]
    task = await world.task()
    assert (task["reason"], task["error"]) == ("killed", "enough")
    assert not await world.redis.exists(world.keys.kills)


async def test_own_present_life_only_if_told(world: World) -> None:
    """For an agent that no actor runs."""
    await world.running(attempts=2)
    before = await world.dump()
    assert await world.step("settle", "t.1", "n1", "") == ["alive"]
    assert await world.dump() == before
    assert await world.step("settle", "t.1", "n1", "e1") == ["ok", "failed", "pending"]


async def test_what_is_listed_in_the_wrong_place_is_struck_off(world: World) -> None:
    """A live agent of another node loses neither its heartbeat nor a kill that is asked for."""
    await world.running()
    await world.kill("t.1")
    await world.redis.sadd(world.keys.owned("n9"), "t.1", "nobody.1")
    before = await world.dump(without=[world.keys.owned("n9")])
    for agent_id in ("t.1", "nobody.1"):
        assert await world.step("settle", agent_id, "n9", "", node="n2") == ["ok", "", ""]
    assert await world.dump() == before
