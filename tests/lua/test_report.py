"""progress, checkpoint, output: what an agent tells while it runs."""

import pytest
from redis.asyncio import Redis

from musterd.scripts import Step
from tests.support.world import TTL_MS, World

REPORTS: dict[str, tuple[str | int, ...]] = {
    "progress": ("0.5", "half"),
    "checkpoint": ("[7]",),
    "output": (10, 1, "stdout", "hello"),
}


def report(name: str, agent_id: str, token: str) -> Step:
    """One step of each kind."""
    return (name, agent_id, token, *REPORTS[name])


async def lines(world: World, agent_id: str = "t.1") -> list[tuple[str, str]]:
    """Place and text of each line that is kept."""
    entries = await world.redis.xrange(world.keys.output(agent_id))
    return [(place, fields["line"]) for place, fields in entries]


async def test_progress_is_kept_and_told(world: World) -> None:
    """What is not given stays as it was, and is not in the event."""
    agent_id, token = await world.running()
    assert await world.step("progress", agent_id, token, "0.4", 'say "é"\n') == ["ok"]
    assert await world.step("progress", agent_id, token, "0.5", "") == ["ok"]
    agent = await world.agent()
    assert (agent["progress"], agent["note"]) == ("0.5", 'say "é"\n')
    first, second = (await world.events())[-2:]
    about = {"taskId": "t", "agentId": "t.1", "kind": "check", "node": "n1", "attempt": 1}
    assert first.items() >= (about | {"type": "agent.progress"}).items()
    assert (first["progress"], first["note"]) == (0.4, 'say "é"\n')
    assert second["progress"] == 0.5
    assert "note" not in second
    await world.check()
    await world.finish(agent_id, token)


async def test_progress_of_nothing_tells_nothing(world: World) -> None:
    """Nothing is written, and nothing breaks."""
    agent_id, token = await world.running()
    before = await world.dump()
    assert await world.step("progress", agent_id, token, "", "") == ["ok"]
    assert await world.dump() == before
    await world.finish(agent_id, token)


async def test_progress_that_is_known_is_not_told_again(world: World) -> None:
    """A step whose answer was lost is sent again."""
    agent_id, token = await world.running()
    step = ("progress", agent_id, token, "0.4", "half")
    assert await world.steps(step, step) == [["ok"]] * 2
    assert (await world.told()).count("agent.progress") == 1
    assert await world.step("progress", agent_id, token, "0.4", "more") == ["ok"]
    assert (await world.told()).count("agent.progress") == 2
    await world.finish(agent_id, token)


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("wrong", ["node", "epoch", "token"])
@pytest.mark.leaves_work("the agent lives on")
async def test_only_the_owner_reports(world: World, name: str, wrong: str) -> None:
    """Node, epoch and token must all be those of the claim; else nothing is written."""
    agent_id, token = await world.running()
    before = await world.dump()
    given = "x" if wrong == "token" else token
    caller = {} if wrong == "token" else {wrong: "other"}
    (reply,) = await world.steps(report(name, agent_id, given), **caller)
    assert reply == ["not_owner"]
    assert await world.dump() == before


@pytest.mark.parametrize("name", REPORTS)
async def test_nobody_reports_for_an_agent_that_is_not_there(world: World, name: str) -> None:
    """Nothing is left of it."""
    assert await world.steps(report(name, "t.1", "x")) == [["not_found"]]
    assert await world.dump() == {}


async def test_nothing_is_written_after_the_end(world: World) -> None:
    """Neither progress, nor a checkpoint: the records are as the ending left them."""
    agent_id, token = await world.running()
    await world.finish(agent_id, token)
    before = await world.dump()
    assert await world.steps(report("progress", agent_id, token)) == [["ok"]]
    (reply,) = await world.steps(report("checkpoint", agent_id, token))
    assert reply == ["illegal", "completed", "running"]
    assert await world.dump() == before


async def test_checkpoint_reaches_the_next_attempt(world: World) -> None:
    """The last one, byte for byte; a failure does not take it away."""
    agent_id, token = await world.running(attempts=2)
    for value in ("[1]", '{"page": 7}'):
        assert await world.step("checkpoint", agent_id, token, value) == ["ok"]
    await world.fail(agent_id, token)
    ((*_, checkpoint),) = await world.claim()
    assert checkpoint == '{"page": 7}'
    assert (await world.task())["checkpoint"] == '{"page": 7}'
    await world.kill("t")
    agent = await world.agent("t.2")
    await world.finish("t.2", agent["token"], "killed")


@pytest.mark.leaves_work("its task is gone")
async def test_no_checkpoint_for_a_task_that_has_moved_on(world: World) -> None:
    """A superseded attempt does not change from where the next one goes on."""
    agent_id, token = await world.running()
    await world.redis.hset(world.keys.task("t"), "agentId", "t.2")
    before = await world.dump()
    assert await world.steps(report("checkpoint", agent_id, token)) == [["not_found"]]
    assert await world.dump() == before


async def test_output_sent_again_is_there_once(world: World) -> None:
    """A round whose answer was lost, and one that overlaps, add only what is new."""
    agent_id, token = await world.running()
    one = ("output", agent_id, token, 10, 1, "stdout", "a", "stderr", "b")
    more = ("output", agent_id, token, 10, 2, "stderr", "b", "log", "c")
    assert await world.steps(one, one, more) == [["ok"]] * 3
    assert await lines(world) == [("1-0", "a"), ("2-0", "b"), ("3-0", "c")]
    await world.finish(agent_id, token)


async def test_output_keeps_the_last_lines(world: World) -> None:
    """No more than told, also where lines between were skipped."""
    agent_id, token = await world.running()
    for first in range(1, 100):
        await world.step("output", agent_id, token, 3, first, "stdout", f"line {first}")
    await world.step("output", agent_id, token, 3, 500, "stdout", "line 500")
    assert [line for _, line in await lines(world)] == ["line 98", "line 99", "line 500"]
    await world.finish(agent_id, token)


async def test_output_expires_with_the_record(world: World) -> None:
    """It has no end while the agent lives; last lines that come after the ending get one, too."""
    agent_id, token = await world.running()
    key = world.keys.output(agent_id)
    await world.steps(report("output", agent_id, token))
    assert await world.redis.pttl(key) == -1
    await world.finish(agent_id, token)
    assert 0 < await world.redis.pttl(key) <= TTL_MS
    await world.redis.delete(key)
    await world.steps(report("output", agent_id, token))
    assert 0 < await world.redis.pttl(key) <= TTL_MS


async def test_output_goes_with_a_record_over_the_count(redis: Redis, prefix: str) -> None:
    """What the number of kept tasks lets go takes its output along."""
    world = World(redis, prefix, retention_count=1)
    for task_id in ("t", "u"):
        agent_id, token = await world.running(task_id)
        await world.steps(report("output", agent_id, token))
        await world.finish(agent_id, token)
    assert not await world.redis.exists(world.keys.output("t.1"), world.keys.agent("t.1"))
    assert await world.redis.exists(world.keys.output("u.1"))


@pytest.mark.leaves_work("the agent lives on")
@pytest.mark.parametrize(
    ("name", "record"), [("progress", "agent"), ("checkpoint", "task"), ("output", "output")]
)
async def test_key_of_a_wrong_type_is_named(world: World, name: str, record: str) -> None:
    """Only that step is refused; the others of its batch are written."""
    agent_id, token = await world.running()
    _, other = await world.running("u")
    record_id = "t" if record == "task" else agent_id
    await world.plant(key := getattr(world.keys, record)(record_id))
    wrong, right = await world.steps(report(name, agent_id, token), report(name, "u.1", other))
    assert wrong[:2] == ["broken", key]
    assert right == ["ok"]
    assert await world.redis.get(key) == "not ours"
    await world.finish("u.1", other)
