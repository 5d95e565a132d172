"""trim, and what each ending lets go of: nothing that has ended is kept for ever."""

from dataclasses import replace

from tests.support.wait import wait_until
from tests.support.world import World


async def end(world: World, task_id: str, attempts: int = 1) -> None:
    """A whole life; all attempts but the last one fail."""
    await world.register()
    await world.submit(task_id, attempts=attempts)
    for _ in range(attempts - 1):
        (agent,) = await world.claim()
        await world.fail(agent[0], agent[1])
    (agent,) = await world.claim()
    await world.step("start", agent[0], agent[1])
    await world.finish(agent[0], agent[1])


async def indexed(world: World) -> int:
    """How many entries all indexes have."""
    keys = world.keys
    indexes = [keys.tasks("completed"), keys.tasks("failed")]
    indexes += [keys.agents(status) for status in ("completed", "failed", "killed")]
    return sum([await world.redis.zcard(index) for index in indexes])


async def test_records_expire_and_their_entries_go(world: World) -> None:
    """By time: the records by their TTL, the entries by trim."""
    world.caller = replace(world.caller, retention_ms=30)
    await end(world, "a", attempts=2)
    await world.submit("b")
    await world.kill("b")
    keys = [world.keys.task("a"), world.keys.task("b"), world.keys.agent("a.2")]
    await wait_until(lambda: expired(world, *keys))
    await wait_until(lambda: trimmed(world))
    assert await indexed(world) == 0


async def expired(world: World, *keys: str) -> bool:
    """Whether none of the keys is left."""
    return not await world.redis.exists(*keys)


async def trimmed(world: World) -> bool:
    """Whether the trims, of one entry of each index at most, have nothing left to do."""
    await world.step("trim", 1)
    return await indexed(world) == 0


async def test_fresh_entries_stay(world: World) -> None:
    """Trim takes nothing before its time."""
    await end(world, "a")
    before = await world.dump()
    assert await world.step("trim", 256) == ["ok", 0]
    assert await world.dump() == before


async def test_only_so_many_ended_tasks_are_kept(world: World) -> None:
    """By count, the oldest first; a task takes its agents and all entries along."""
    world.caller = replace(world.caller, retention_count=2)
    await end(world, "a", attempts=2)
    await world.submit("b")
    await world.kill("b")
    await end(world, "c")
    await end(world, "d")
    assert await world.task("a") == await world.agent("a.1") == await world.agent("a.2") == {}
    assert await world.task("b") == {}
    assert await indexed(world) == 4
    assert (await world.task("c"))["status"] == (await world.task("d"))["status"] == "completed"


async def test_lower_count_is_reached_by_trims(world: World) -> None:
    """The setting was made smaller: each trim takes its share and says how many went."""
    for number in range(5):
        await end(world, f"t{number}")
    world.caller = replace(world.caller, retention_count=1)
    assert [await world.step("trim", 3) for _ in range(3)] == [["ok", 3], ["ok", 1], ["ok", 0]]
    assert await indexed(world) == 2
    assert (await world.task("t4"))["status"] == "completed"


async def test_record_of_another_type_holds_up_no_trim(world: World) -> None:
    """Whatever stands under an expired id is let go."""
    await end(world, "a")
    await world.plant(world.keys.task("a"))
    await world.plant(world.keys.agent("a.1"))
    world.caller = replace(world.caller, retention_ms=1)
    await wait_until(lambda: trimmed(world))
    assert await expired(world, world.keys.task("a"), world.keys.agent("a.1"))


async def test_number_of_attempts_that_is_nonsense_ends(world: World) -> None:
    """An infinite one would keep the server busy for ever."""
    await end(world, "a")
    await world.redis.hset(world.keys.task("a"), "attempt", "inf")
    world.caller = replace(world.caller, retention_ms=1)
    await wait_until(lambda: trimmed(world))
    assert await expired(world, world.keys.task("a"))
