"""Looking at sizes and indexes, for what shows them all the time."""

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from musterd.keys import Keys
from musterd.reads import Reads
from musterd.search import Search
from tests.support.world import World

pytestmark = pytest.mark.leaves_work("what is looked at")


@pytest.fixture
def world(redis: Redis, prefix: str) -> World:
    """What there is."""
    return World(redis, prefix)


@pytest.fixture
def reads(redis: Redis, prefix: str) -> Reads:
    """What is seen of it."""
    return Reads(redis, Keys(prefix))


async def test_counts(world: World, reads: Reads) -> None:
    """Sizes by status and by queue; what ended is counted within the window alone."""
    await world.step("offer", 10, "check", "{}", "idle", "{}")
    await world.fail(*await world.running("a"))
    await world.running("b")
    await world.submit("c")
    await world.submit("d", delay=60_000)
    long_ago = 1_000_000
    await world.redis.zadd(world.keys.agents("failed"), {"old.1": long_ago})
    counts = await reads.counts(10)
    assert counts.tasks == {
        "pending": 2, "assigned": 0, "executing": 1, "completed": 0, "failed": 1,
    }  # fmt: skip
    assert counts.agents == {
        "spawning": 0, "running": 1, "completed": 0, "failed": 2, "killed": 0,
    }  # fmt: skip
    assert counts.ended == {"completed": 0, "failed": 1, "killed": 0}
    assert counts.queues == {"check": 1, "idle": 0}
    assert (counts.scheduled, counts.queued) == (1, 3)
    seconds, _ = await world.redis.time()
    assert abs(counts.now / 1000 - seconds) < 5


async def test_counts_beside_nonsense(world: World, reads: Reads) -> None:
    """What is no index, counter or number is named and counts as nothing; the rest counts."""
    await world.running("a")
    await world.submit("b")
    await world.step("offer", 10, "check", "{}")
    keys = world.keys
    bad = [keys.tasks("failed"), keys.agents("completed"), keys.queue("check")]
    for key in (*bad, keys.sequence):
        await world.redis.delete(key)
        await world.plant(key)
    counts = await reads.counts(10)
    assert set(counts.broken) == {*bad, keys.sequence}
    assert len(counts.broken) == 4
    assert (counts.queued, counts.queues) == (0, {"check": 0})
    assert (counts.tasks["executing"], counts.agents["running"]) == (1, 1)
    await world.redis.delete(keys.kinds, keys.sequence)
    await world.plant(keys.kinds)
    await world.redis.rpush(keys.sequence, "1")
    await world.redis.expire(keys.sequence, 60)
    counts = await reads.counts(10)
    assert counts.queues == {}
    assert {keys.kinds, keys.sequence} <= set(counts.broken)


async def test_entries(world: World, reads: Reads) -> None:
    """A part of an index, from either end, each with the time of its change."""
    await world.redis.zadd(world.keys.agents("failed"), {"a.1": 1, "b.1": 2, "c.1": 3})
    found = await reads.entries("failed", 1, 5, newest_first=False)
    assert found == [("b.1", 2.0), ("c.1", 3.0)]
    found = await reads.entries("failed", 0, 2, newest_first=True)
    assert [entry.agent_id for entry in found] == ["c.1", "b.1"]


async def test_outlines(world: World, reads: Reads) -> None:
    """What is small of each record; what is not there is left out."""
    agent_id, token = await world.running("a", metadata='"m"')
    await world.finish(agent_id, token, "failed", reason="error", error="no", result="[1]")
    found = await reads.outlines(["a.1", "gone.1"])
    assert list(found) == ["a.1"]
    record = found["a.1"]
    assert (record.kind, record.node, record.attempt) == ("check", "n1", 1)
    assert (record.status, record.reason, record.error) == ("failed", "error", "no")
    assert (record.result, record.metadata) == (None, None)
    assert await reads.outlines([]) == {}


async def test_kills_asked(world: World, reads: Reads) -> None:
    """Those whose kill is under way."""
    await world.running("a")
    await world.kill("a.1")
    assert await reads.kills_asked(["a.1", "b.1"]) == {"a.1"}
    assert await reads.kills_asked([]) == set()


async def test_newest_lines(world: World, reads: Reads) -> None:
    """The last lines of several agents, or those after a place; who wrote none is left out."""
    for task_id in "ab":
        agent_id, token = await world.running(task_id)
        pairs = [part for number in "123" for part in ("stdout", f"{task_id}{number}")]
        await world.step("output", agent_id, token, 10, 1, *pairs)
    found = await reads.newest_lines(["a.1", "b.1", "c.1"], 2)
    assert {agent_id: [line.line for line in lines] for agent_id, lines in found.items()} == {
        "a.1": ["a2", "a3"],
        "b.1": ["b2", "b3"],
    }
    assert [line.line for line in (await reads.newest_lines(["a.1"], 9, "1-0"))["a.1"]] == [
        "a2",
        "a3",
    ]
    assert await reads.newest_lines(["a.1"], 9, "3-0") == {}
    assert await reads.newest_lines([], 1) == {}


async def test_key_of_another_type_is_skipped_once_aloud(world: World, reads: Reads) -> None:
    """All others are seen; the warning names the key and does not come again."""
    await world.running("a")
    await world.running("b")
    search = Search(world.redis, world.keys)
    bad = [world.keys.task("b"), world.keys.agent("b.1"), world.keys.output("c.1")]
    for key in bad:
        await world.redis.delete(key)
        await world.plant(key)
    with capture_logs() as lines:
        for _ in range(2):
            assert [task.task_id for task in await search.tasks("executing", 9)] == ["a"]
            assert [agent.agent_id for agent in await search.agents("running", 9)] == ["a.1"]
            assert list(await reads.outlines(["a.1"])) == ["a.1"]
            assert await reads.newest_lines(["a.1", "c.1"], 1) == {}
    assert [line["key"] for line in lines if line["log_level"] == "warning"] == bad
