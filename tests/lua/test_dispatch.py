"""The whole script: each step of a batch stands alone, whatever it meets."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from musterd import scripts
from tests.support.fixtures import StartServer
from tests.support.wait import wait_until
from tests.support.world import KIND, World

pytestmark = pytest.mark.leaves_work("the good steps of a batch leave work")

SHARED = ("scheduled", "nodes", "sequence", "kinds", "kills", "events:log")
OWN = ("owned:n1", "node:n1", "epochs:n1")
INDEXES = ("tasks:pending", "tasks:failed", "agents:running", "agents:killed")


async def test_answers_come_in_the_order_of_the_steps(world: World) -> None:
    """A refusal takes its own place."""
    await world.register()
    replies = await world.steps(
        ("kill", "task", "nobody", "", "", "", ""),
        ("submit", "t", KIND, "", 0, 0, "", "", ""),
        ("start", "nobody.1", "x"),
        ("claim", 1, "s", 1, KIND, 1, 1, ""),
        ("start", "t.1", "s.0"),
        ("finish", "t.1", "s.0", "spawning", "", "", "", 0),
        ("finish", "t.1", "s.0", "completed", "", "", "", 0),
    )
    assert [reply[0] for reply in replies] == [
        "not_found", "ok", "not_found", "ok", "ok", "illegal", "ok",
    ]  # fmt: skip
    assert replies[5] == ["illegal", "running", "spawning"]
    await world.check()


async def test_arguments_arrive_as_they_are(world: World) -> None:
    """Steps travel as JSON: neither texts of any content nor large numbers change on the way."""
    context = '{"q":"\\"\\\\\\n","nul":"\\u0000","text":"naïve 気 🙂\x00\x7f"}'
    metadata = '"0123456789012345678"'
    await world.step("submit", "t", KIND, context, 9, 86_400_000_000, "", "", metadata)
    task = await world.redis.hgetall(world.keys.task("t"))
    assert (task["context"], task["metadata"], task["priority"]) == (context, metadata, "9")
    due = await world.redis.zscore(world.keys.scheduled, "t")
    seconds, micros = await world.redis.time()
    assert abs(due - 86_400_000_000 - seconds * 1000 - micros / 1000) < 60_000


async def test_bad_steps_harm_no_good_one_and_write_nothing(world: World) -> None:
    """As many bad ones as there are ways to be bad, between two good ones."""
    await world.running("live")
    await world.plant(world.keys.task("type"))
    await world.plant(world.keys.agent("type.1"))
    await world.redis.hset(world.keys.task("status"), "status", "dead")
    await world.redis.pexpire(world.keys.task("status"), 60_000)
    await world.plant(world.keys.queue("no-queue"))
    before = await world.dump()
    nothing = ("", 0, 0, "", "", "")
    bad = [
        ("submit", "type", KIND, *nothing),
        ("submit", "status", KIND, *nothing),
        ("submit", "new", "no-queue", *nothing),
        ("kill", "task", "type", "", "", "", ""),
        ("kill", "agent", "type.1", "", "", "", ""),
        ("start", "type.1", "x"),
        ("finish", "type.1", "x", "failed", "", "", "", 0),
        ("settle", "type.1", "n1", "e1"),
        ("start", "live.1", "wrong"),
        ("no_such_step",),
        ("submit",),
        ("kill",),
    ]
    replies = await world.steps(*bad)
    assert await world.dump() == before
    assert not [reply for reply in replies if reply[0] == "ok"]
    good = ("submit", "good", KIND, *nothing)
    mixed = await world.steps(("submit", "first", KIND, *nothing), *bad, good)
    assert mixed == [["ok", 1], *replies, ["ok", 1]]


@pytest.mark.parametrize("name", [*SHARED, *INDEXES, *OWN])
async def test_shared_key_of_another_type_refuses_every_step(world: World, name: str) -> None:
    """Each answer names the key; nothing is written anywhere."""
    agent_id, token = await world.running()
    key = f"{world.keys.prefix}:{name}"
    await world.redis.delete(key)
    await world.plant(key)
    if name == "sequence":  # a string that counts nothing
        assert await world.redis.get(key) == "not ours"
    before = await world.dump()
    replies = await world.steps(
        ("submit", "new", KIND, "", 0, 0, "", "", ""),
        ("claim", 2, "s", 1, KIND, 1, 1, ""),
        ("finish", agent_id, token, "completed", "", "", "", 0),
        ("kill", "task", "t", "", "", "", ""),
        ("renew", agent_id),
        ("trim", 10),
        ("register", ""),
    )
    assert {tuple(reply[:2]) for reply in replies} == {("broken", key)}
    assert await world.dump() == before


@pytest.mark.parametrize("what", ["task", "agent", "queue"])
async def test_key_of_another_type_under_an_ending(world: World, what: str) -> None:
    """Read before the first write: the ending is refused as a whole, and can come again."""
    agent_id, token = await world.running(attempts=2)
    key = {
        "task": world.keys.task("t"),
        "agent": world.keys.agent(agent_id),
        "queue": world.keys.queue(KIND),
    }[what]
    await world.redis.rename(key, "aside") if what != "queue" else None
    await world.plant(key)
    before = await world.dump()
    assert (await world.fail(agent_id, token))[:2] == ["broken", key]
    assert await world.dump() == before
    await world.redis.delete(key)
    if what != "queue":
        await world.redis.rename("aside", key)
    assert await world.fail(agent_id, token) == ["ok", "failed", "pending"]


async def test_step_with_more_arguments_than_lua_takes(world: World) -> None:
    """It is refused alone."""
    huge = ("renew", *(f"t{n}.1" for n in range(9000)))
    replies = await world.steps(huge, ("submit", "t", KIND, "", 0, 0, "", "", ""))
    assert replies[0][0] == "broken"
    assert replies[1] == ["ok", 1]


async def test_script_is_loaded_when_the_server_does_not_know_it(world: World) -> None:
    """After a restart of the server, say; the next call goes by its digest."""
    await world.redis.script_flush()
    assert await world.submit() == ["ok", 1]
    assert await world.redis.script_exists(scripts.script(frozenset({"submit"})).digest) == [True]


async def test_server_without_memory(own_server: StartServer, prefix: str) -> None:
    """What would write answers `later` and has written nothing; heartbeats go on all the same."""
    server = own_server()
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        world = World(redis, prefix)
        agent_id, token = await world.spawned(attempts=2)
        await world.running("other", attempts=2)
        await redis.config_set("maxmemory", "1")
        before = await world.dump()
        replies = await world.steps(
            ("submit", "new", KIND, "", 0, 0, "", "", ""),
            ("start", agent_id, token),
            ("kill", "agent", agent_id, "", "", "", ""),
            ("finish", "other.1", "c1.0", "failed", "error", "x", "", 0),
        )
        assert [reply[0] for reply in replies] == ["later"] * 4
        assert replies[0][1].startswith("OOM")
        assert await world.dump() == before
        assert await world.step("renew", agent_id, "other.1") == ["ok", []]
        assert await world.register() == ["ok", 0, 2]
        await redis.config_set("maxmemory", "0")
        assert await world.step("start", agent_id, token) == ["ok"]
        await world.check()


async def test_server_that_cannot_save(own_server: StartServer, prefix: str) -> None:
    """MISCONF is the like."""
    server = own_server(config={"save": "3600 1"})
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        world = World(redis, prefix)
        await world.submit("first")
        (server.directory / "dump.rdb").mkdir()  # which no snapshot can be written over
        await redis.bgsave()
        await wait_until(lambda: save_failed(redis))
        before = await world.dump()
        reply = await world.submit("second")
        assert reply[0] == "later"
        assert reply[1].startswith("MISCONF")
        assert await world.dump() == before


async def save_failed(redis: Redis) -> bool:
    """Whether the last snapshot could not be written."""
    return bool((await redis.info("persistence"))["rdb_last_bgsave_status"] == "err")


async def test_replica_takes_no_writes_for_now(own_server: StartServer, prefix: str) -> None:
    """READONLY is the like: after a failover the old primary says so."""
    server = own_server()
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        world = World(redis, prefix)
        await redis.config_set("replica-serve-stale-data", "yes")
        await redis.replicaof("127.0.0.1", 1)
        reply = await world.submit()
        assert reply[0] == "later"
        assert reply[1].startswith("READONLY")
        await redis.replicaof("NO", "ONE")
        assert await world.submit() == ["ok", 1]


@asynccontextmanager
async def lacking(world: World, command: str) -> AsyncIterator[World]:
    """The same steps, by a user who may do all but this."""
    name, prefix = f"u-{world.keys.prefix}", world.keys.prefix
    rules = ("on", "nopass", f"~{prefix}:*", f"&{prefix}:*", "+@all", f"-{command}")
    await world.redis.execute_command("ACL", "SETUSER", name, *rules)
    try:
        async with world.redis.client() as limited:
            await limited.execute_command("AUTH", name, "x")
            yield World(limited, prefix)
            await limited.execute_command("RESET")
    finally:
        await world.redis.execute_command("ACL", "DELUSER", name)


@pytest.mark.parametrize("command", ["zadd", "zrem", "sadd", "srem", "del", "incrby", "xtrim"])
async def test_right_that_a_daemon_lacks_refuses_its_steps(world: World, command: str) -> None:
    """Looked for before the first write: what gathers is written when no step can be refused."""
    agent = await world.running(attempts=2)
    before = await world.dump()
    async with lacking(world, command) as limited:
        reply = await limited.fail(*agent)
    assert reply[0] == "broken"
    assert reply[2] == f"this user may not {command.upper()} there"
    assert await world.dump() == before


@pytest.mark.leaves_work("nobody may claim it")
@pytest.mark.parametrize("command", ["set", "mget"])
async def test_who_may_not_renew_claims_nothing(world: World, command: str) -> None:
    """Its agents would run without a lease before long."""
    await world.register()
    await world.submit()
    before = await world.dump()
    async with lacking(world, command) as limited:
        reply = await limited.claim_reply()
    assert reply[0] == "broken"
    assert reply[2] == f"this user may not {command.upper()} there"
    assert await world.dump() == before


@pytest.mark.parametrize("command", ["zadd", "zrem", "incrby"])
async def test_right_that_a_client_lacks_refuses_its_steps(world: World, command: str) -> None:
    """A task whose record is there, and which is in no queue, would never be started."""
    submit = ("submit", "t", KIND, "", 0, 0, "", "", "")
    async with lacking(world, command) as limited:
        reply = await limited.step(*submit, node="", epoch="")
    assert reply[0] == "broken"
    assert reply[2] == f"this user may not {command.upper()} there"
    assert await world.step(*submit, node="", epoch="") == ["ok", 1]


async def test_limits_come_with_the_call(world: World) -> None:
    """Each caller's own settings hold for its steps: here the length of the log."""
    world.caller = replace(world.caller, event_log_length=10)
    for number in range(500):
        await world.submit(f"t{number}")
    assert await world.redis.xlen(world.keys.events_log) < 250


def test_rare_steps_share_one_script() -> None:
    """There are thousands of choices of them, and a daemon that lives long meets many."""
    rare = frozenset({"finish", "progress"}), frozenset({"claim", "output", "renew"})
    assert {id(scripts.script(steps)) for steps in rare} == {id(scripts.script())}
