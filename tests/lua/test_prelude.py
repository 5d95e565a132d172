"""What all steps share: the time, the events, the order of both."""

import calendar
import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from redis.asyncio import Redis

from musterd import scripts
from tests.support.fixtures import StartServer
from tests.support.leaks import glob_literal
from tests.support.pace import within
from tests.support.wait import wait_until
from tests.support.world import KIND, World

pytestmark = pytest.mark.leaves_work("the tasks that were told of wait")


def dates() -> list[int]:
    """Seconds since 1970 around every turn of a year and of February, and some others."""
    days = [
        calendar.timegm((year, month, day, 0, 0, 0))
        for year in [*range(1970, 2110), 2199, 2200, 2400, 9999]
        for month, day in [(1, 1), (2, 28), (3, 1), (12, 31)]
    ]
    chance = random.Random(7)  # noqa: S311 - any dates will do, the same ones each time
    others = [chance.randrange(253_402_300_800) for _ in range(2000)]
    return [day + second for day in days for second in (0, 86_399, 86_400)][:-2] + others


async def test_times_are_what_python_makes_of_them(world: World) -> None:
    """Over leap years and centuries, to the millisecond."""
    prelude = scripts.script().source.partition("local time = redis.call('TIME')")[0]
    found = await world.redis.eval(
        prelude + "local found = {} "
        "for i = 8, #ARGV do found[#found + 1] = iso(tonumber(ARGV[i]), i % 1000) end "
        "return found",
        0,
        *["0"] * 7,
        *dates(),
    )
    expected = [
        f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{place % 1000:03d}Z"
        for place, second in enumerate(dates(), 8)
    ]
    assert found == [text.rjust(24, "0") for text in expected]


@pytest.mark.parametrize("by", ["channel", "pattern"])
async def test_every_event_reaches_who_listens(world: World, by: str) -> None:
    """Also those of a call with many: it looks first whether anybody does."""
    names = [f"t{number}" for number in range(20)]
    async with world.redis.pubsub() as listening:
        await (
            listening.subscribe(world.keys.events)
            if by == "channel"
            else listening.psubscribe(f"{glob_literal(world.keys.prefix)}:ev*")
        )
        assert await listening.get_message(timeout=within(5))
        await world.steps(*(("submit", name, KIND, "", 0, 0, "", "", "") for name in names))
        heard = [(await listening.get_message(timeout=within(5)))["data"] for _ in names]
    assert [json.loads(event)["taskId"] for event in heard] == names


async def test_nothing_is_published_to_nobody(own_server: StartServer, prefix: str) -> None:
    """Of a call with many events: the log has them all the same."""
    server = own_server()
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        world = World(redis, prefix)
        steps = [("submit", f"t{number}", KIND, "", 0, 0, "", "", "") for number in range(20)]
        await world.steps(*steps)
        stats = await redis.info("commandstats")
        assert stats["cmdstat_publish"]["calls"] < 10
        assert len(await world.events()) == 20


async def test_event_reaches_who_listens_on_a_replica_that_comes_back(
    own_server: StartServer, prefix: str
) -> None:
    """It gets what was published while its link was broken, and so do those who listen there."""
    first, second = own_server(tcp=True), own_server(tcp=True)
    async with (
        Redis.from_url(first.url, decode_responses=True) as redis,
        Redis.from_url(second.url, decode_responses=True) as replica,
        replica.pubsub() as listening,
    ):
        world = World(redis, prefix)
        await replica.replicaof("127.0.0.1", first.port)

        async def is_linked() -> bool:
            return bool((await replica.info("replication"))["master_link_status"] == "up")

        await wait_until(is_linked)
        await listening.subscribe(world.keys.events)
        assert await listening.get_message(timeout=within(5))
        second.pause()
        await redis.client_kill_filter(_type="replica")
        names = [f"t{number}" for number in range(20)]
        await world.steps(*(("submit", name, KIND, "", 0, 0, "", "", "") for name in names))
        second.resume()
        heard = [(await listening.get_message(timeout=within(10)))["data"] for _ in names]
    assert [json.loads(event)["taskId"] for event in heard] == names


async def test_timestamp_is_the_servers_time(world: World) -> None:
    """Not before the call and not after it, and the same in record, index and event."""
    before = await now_ms(world)
    await world.submit()
    after = await now_ms(world)
    score = await world.redis.zscore(world.keys.tasks("pending"), "t")
    assert score is not None
    assert before <= score <= after
    moment = datetime.fromtimestamp(score / 1000, UTC).isoformat(timespec="milliseconds")
    assert (await world.task())["createdAt"] == moment.replace("+00:00", "Z")


async def now_ms(world: World) -> int:
    """The server's time, ms."""
    seconds, microseconds = await world.redis.time()
    return int(seconds * 1000 + microseconds // 1000)


async def test_what_is_published_is_what_is_logged(world: World) -> None:
    """The same texts in the same order, over every kind of event."""
    async with world.redis.pubsub(ignore_subscribe_messages=True) as channel:
        await channel.subscribe(world.keys.events)
        await channel.get_message(timeout=30)
        agent_id, token = await world.running(attempts=2, context='{"ü":"\\u0000"}')
        await world.fail(agent_id, token)
        (agent,) = await world.claim()
        await world.step("start", agent[0], agent[1])
        await world.finish(agent[0], agent[1], result='{"ü":[null,1.5]}')
        await world.running("killed")
        await world.kill("killed")
        await world.finish("killed.1", "c3.0", error="ü\n")
        logged = await log_texts(world)
        heard: list[Any] = []

        async def all_heard() -> bool:
            message = await channel.get_message(timeout=0.1)
            heard.extend([message["data"]] if message else [])
            return len(heard) >= len(logged)

        await wait_until(all_heard)
    assert heard == logged
    assert len(logged) == 21
    types = {json.loads(text)["type"] for text in logged}
    assert types == {
        *("agent.spawned", "agent.running", "agent.completed", "agent.failed", "agent.killed"),
        *("task.pending", "task.assigned", "task.executing", "task.completed", "task.failed"),
    }
    await world.check()


async def log_texts(world: World) -> list[str]:
    """Every event as it was written."""
    return [fields["event"] for _, fields in await world.redis.xrange(world.keys.events_log)]


async def test_field_order_is_fixed(world: World) -> None:
    """For people who read the raw text."""
    await world.fail(*await world.running())
    event = json.loads((await log_texts(world))[-1])
    assert list(event) == [
        "type", "taskId", "agentId", "kind", "node", "attempt", "reason", "error", "final",
        "timestamp",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ['"', "\\", "\n", "\x00", "\x7f", "/", "ü", "😀", "\u202e"])
async def test_any_text_makes_a_valid_event(world: World, text: str) -> None:
    """An agent's error is whatever it wrote."""
    agent_id, token = await world.running()
    await world.finish(agent_id, token, "failed", reason="error", error=f"a{text}b")
    assert (await world.events())[-1]["error"] == f"a{text}b"
    assert (await world.agent())["error"] == f"a{text}b"


async def test_large_result_arrives_whole(world: World) -> None:
    """A mebibyte, in record and event."""
    result = json.dumps("x" * 1_000_000)
    agent_id, token = await world.running()
    await world.finish(agent_id, token, result=result)
    assert (await world.task())["result"] == result
    assert (await world.events())[-1]["result"] == "x" * 1_000_000


async def test_numbers_stay_exact(world: World) -> None:
    """Lua would write 1.79e+12: every score is the record's time to the millisecond."""
    await world.finish(*await world.running())
    for key in (world.keys.tasks("completed"), world.keys.agents("completed")):
        ((_, score),) = await world.redis.zrange(key, 0, -1, withscores=True)
        updated = (await world.task())["updatedAt"]
        assert score == round(datetime.fromisoformat(updated).timestamp() * 1000)
