"""The client that other programs import, without any daemon."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from musterd import eventlog, published
from musterd.client import Client
from musterd.errors import (
    AlreadyTerminalError,
    EventsTrimmedError,
    ExistsError,
    MalformedError,
    NotFoundError,
    RejectedContextError,
    TooLargeError,
    UnknownKindError,
    UnreachableError,
)
from musterd.jsons import Json
from musterd.moves import KillOutcome
from musterd.records import AgentRecord, Event, TaskRecord
from musterd.submission import Submission
from tests.support.fixtures import LoadSettings, StartServer
from tests.support.pace import within
from tests.support.wait import wait_until
from tests.support.world import KIND, World

pytestmark = pytest.mark.leaves_work("what was submitted waits")


@pytest.fixture
async def client(settings: LoadSettings) -> AsyncIterator[Client]:
    """On the test's server and prefix."""
    async with Client(settings()) as client:
        yield client


@pytest.fixture
def world(client: Client) -> World:
    """The daemon's side of the same prefix."""
    return World(client._redis, client.keys.prefix)


async def test_submit_and_get(client: Client) -> None:
    """The id leads to the record."""
    task_id = await client.submit(KIND, {"a": 1}, priority=2, metadata="m")
    record = await client.get(task_id)
    assert isinstance(record, TaskRecord)
    assert (record.status, record.context, record.metadata) == ("pending", {"a": 1}, "m")
    assert record.priority == 2


async def test_submit_of_a_chosen_id_is_idempotent(client: Client) -> None:
    """The same again is the same; something else is refused."""
    assert await client.submit(KIND, 1, task_id="t") == "t"
    assert await client.submit(KIND, 1, task_id="t") == "t"
    with pytest.raises(ExistsError):
        await client.submit(KIND, 2, task_id="t")
    assert [event.type async for event in client.events(eventlog.START, follow=False)] == [
        "task.pending"
    ]


async def test_submit_of_nonsense(client: Client) -> None:
    """Is refused before anything is sent."""
    for bad in ({"task_id": "t.1"}, {"priority": 10}, {"task_id": ""}):
        with pytest.raises(MalformedError):
            await client.submit(KIND, **bad)


URLS: Json = {"type": "array", "items": {"type": "string"}}


async def test_submit_of_what_the_kind_does_not_accept(client: Client, world: World) -> None:
    """It is refused by the schema that is published, and nothing is written."""
    await world.step(
        "offer", 10, KIND, json.dumps({"maxAttempts": 1, "schema": URLS}), "other", "{}"
    )
    with pytest.raises(RejectedContextError) as caught:
        await client.submit(KIND, ["a", 5], task_id="bad")
    assert (caught.value.kind, caught.value.field) == (KIND, "context[1]")
    assert str(caught.value) == f"{KIND}: context[1]: give string, not 5"
    with pytest.raises(NotFoundError):
        await client.get("bad")
    assert await client.submit(KIND, ["a"], task_id="good") == "good"
    assert await client.submit("other", 5, task_id="free") == "free"


async def test_submit_many_of_which_some_are_not_accepted(client: Client, world: World) -> None:
    """Each has its answer in its place; a tuple arrives as a list, and is judged as one."""
    await world.step("offer", 10, KIND, json.dumps({"schema": URLS}), "other", "{}")
    contexts: list[tuple[str, Any]] = [(KIND, 1), (KIND, ("a",)), ("other", 1), ("none", 1)]
    submissions = [Submission(kind=kind, context=context) for kind, context in contexts]
    bad, *good, unknown = await client.submit_many(submissions)
    assert isinstance(bad, RejectedContextError)
    assert good == [True, True]
    assert isinstance(unknown, UnknownKindError)
    with pytest.raises(MalformedError):
        await client.submit_many([Submission(kind=KIND, context={1})])  # type: ignore[arg-type]


@pytest.mark.parametrize("offer", ["nonsense", "[]", '{"schema": 5}', '{"schema": {"type": 5}}'])
async def test_a_schema_that_is_nonsense_refuses_nothing(
    client: Client, world: World, offer: str
) -> None:
    """Somebody has changed it by hand; the daemon that claims the task has its own."""
    await world.redis.hset(client.keys.kinds, KIND, offer)
    assert await client.submit(KIND, 5, task_id="t") == "t"
    await world.redis.delete(client.keys.kinds)


async def test_a_schema_is_asked_for_now_and_then(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many at once look once; what was published since is seen after a moment."""

    async def is_refused() -> None:
        with pytest.raises(RejectedContextError):
            await client.submit(KIND, 5)

    await world.step("offer", 10, KIND, json.dumps({"schema": URLS}))
    await world.redis.config_resetstat()
    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(is_refused)
    assert (await world.redis.info("commandstats"))["cmdstat_hmget"]["calls"] == 1
    await world.step("offer", 10, KIND, "{}")
    await is_refused()
    monkeypatch.setattr(published, "FRESH", 0.0)
    assert await client.submit(KIND, 5)
    await world.step("offer", 10, KIND, json.dumps({"schema": URLS}))
    await is_refused()


async def test_submit_many(client: Client) -> None:
    """More than go into one call; whether each was made now."""
    submissions = [Submission(kind=KIND, task_id=f"t{number}") for number in range(1200)]
    assert await client.submit_many(submissions) == [True] * 1200
    assert await client.submit_many(submissions[:3]) == [False] * 3


@pytest.mark.parametrize("name", ["context", "metadata"])
async def test_what_is_over_a_setting_is_refused(settings: LoadSettings, name: str) -> None:
    """To the byte, and before anything is sent: size, limit and setting are named."""
    most: dict[str, Any] = {f"max_{name}": 300}
    given: dict[str, Any] = {name: "x" * 298}
    async with Client(settings(**most)) as client:
        await client.submit(KIND, **given)
        given[name] += "x"
        with pytest.raises(TooLargeError, match=f"{name}: 301 .* 300 .*MUSTERD_MAX_{name.upper()}"):
            await client.submit(KIND, **given)
        with pytest.raises(TooLargeError):
            await client.submit_many([Submission(kind=KIND), Submission(kind=KIND, **given)])
        assert len(await client.tasks("pending")) == 1


async def test_lists_are_newest_first(client: Client, world: World) -> None:
    """By status, limited, without what has expired."""
    await world.running("old")
    await world.running("new")
    await world.redis.zadd(client.keys.agents("running"), {"old.1": 1, "gone.1": 2})
    assert [record.agent_id for record in await client.agents("running")] == ["new.1", "old.1"]
    assert [record.agent_id for record in await client.agents("running", 1)] == ["new.1"]
    assert {record.task_id for record in await client.tasks("executing")} == {"old", "new"}
    assert await client.tasks("pending") == []
    assert [record.node for record in await client.nodes()] == ["n1"]
    await world.redis.zrem(client.keys.agents("running"), "gone.1")


async def test_nothing_there(client: Client) -> None:
    """Of either kind of id."""
    for record_id in ("t", "t.1"):
        with pytest.raises(NotFoundError):
            await client.get(record_id)
        with pytest.raises(NotFoundError):
            await client.kill(record_id)
        with pytest.raises(NotFoundError):
            await client.wait_for(record_id)


async def test_status_that_there_is_not(client: Client) -> None:
    """Is refused, and those that there are are named; of agents they are others."""
    with pytest.raises(MalformedError, match="'bogus' is not accepted: pending, assigned, exec"):
        await client.tasks("bogus")
    with pytest.raises(MalformedError, match="'executing' is not accepted: spawning, running, co"):
        await client.agents("executing")


async def test_message_to_a_task(client: Client) -> None:
    """Is refused: a message is for an agent."""
    task_id = await client.submit(KIND)
    with pytest.raises(MalformedError, match="an agent's id is wanted"):
        await client.send(task_id, "hello")


async def test_kill(client: Client, world: World) -> None:
    """A waiting task, a live agent by either id, and what has ended by another's hand."""
    await client.submit(KIND, task_id="waiting")
    assert (await client.kill("waiting", reason="enough")).outcome == "failed"
    assert (await client.kill("waiting")).outcome == "ended"
    agent_id, token = await world.running("live")
    assert (await client.kill("live", grace=1.0)).outcome == "requested"
    assert (await client.kill(agent_id)).node == "n1"
    await world.finish(agent_id, token)
    done, token = await world.running("done")
    await world.finish(done, token)
    with pytest.raises(AlreadyTerminalError):
        await client.kill("done")


async def test_kill_all(client: Client, world: World) -> None:
    """Or all of a kind; what was met, and for a live one the grace that was asked for."""
    await world.running("live")
    for number in range(3):
        await client.submit("other", task_id=f"o{number}")
    dead = await client.kill_all("other", reason="enough")
    assert sorted(dead, key=str) == [KillOutcome("failed", f"o{number}") for number in range(3)]
    assert await client.kill_all(grace=2.5) == [KillOutcome("requested", "live.1", "n1")]
    assert '"grace":2.5' in await world.redis.hget(client.keys.kills, "live.1")
    assert await client.kill_all("nobody") == []


async def test_kill_and_wait(client: Client, world: World) -> None:
    """It returns when the agent is dead, and not before."""
    agent_id, token = await world.running()
    returned = anyio.Event()

    async def kill() -> None:
        await client.kill("t", wait=True)
        returned.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kill)
        await wait_until(lambda: world.redis.hlen(client.keys.kills))
        assert not returned.is_set()
        await world.finish(agent_id, token)
        with anyio.fail_after(within(2)):
            await returned.wait()


async def test_kill_and_wait_for_what_is_trimmed(client: Client, world: World) -> None:
    """A record that goes before it was seen to end was that of a dead one: no error."""
    agent_id, token = await world.running()
    async with anyio.create_task_group() as tasks:

        async def kill() -> None:
            outcome = await client.kill("t", wait=True)
            assert outcome == KillOutcome("requested", agent_id, "n1")

        tasks.start_soon(kill)
        await wait_until(lambda: world.redis.hlen(client.keys.kills))
        async with world.redis.pipeline(transaction=True) as pipe:
            pipe.delete(client.keys.task("t"))
            pipe.zrem(client.keys.tasks("executing"), "t")
            await pipe.execute()
    await world.finish(agent_id, token)


async def test_wait_for_the_end(client: Client, world: World) -> None:
    """Of a task over its retries, of an agent over its one life; or not for ever."""
    agent_id, token = await world.running(attempts=2)
    with pytest.raises(TimeoutError):
        await client.wait_for("t", limit=0.02)
    await world.fail(agent_id, token)
    first = await client.wait_for(agent_id)
    assert isinstance(first, AgentRecord)
    assert first.status == "failed"
    with pytest.raises(TimeoutError):
        await client.wait_for("t", limit=0.02)
    (second,) = await world.claim()
    await world.step("start", second[0], second[1])
    await world.finish(second[0], second[1], result="[7]")
    assert (await client.wait_for("t")).result == [7]


async def test_events_to_come(client: Client) -> None:
    """Without a place only new ones, from the first that is asked for."""
    await client.submit(KIND, task_id="old")
    seen: list[Event] = []

    async def follow() -> None:
        async for event in client.events():
            seen.append(event)  # noqa: PERF401 - each at once, as it comes

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow)
        await wait_until(lambda: waits(client))
        await client.submit(KIND, task_id="new")
        await wait_until(lambda: seen)
        tasks.cancel_scope.cancel()
    assert [event.task_id for event in seen] == ["new"]


async def waits(client: Client) -> bool:
    """Whether somebody waits for events."""
    return int((await client._redis.info("clients"))["blocked_clients"]) > 0


async def test_events_that_are_gone(client: Client) -> None:
    """The reader is told."""
    await client.submit(KIND, task_id="a")
    (first,) = [event async for event in client.events(eventlog.START, follow=False)]
    await client.submit(KIND, task_id="b")
    await client._redis.xtrim(client.keys.events_log, maxlen=0, approximate=False)
    with pytest.raises(EventsTrimmedError):
        async for _ in client.events(first.place, follow=False):
            pass


async def test_command_without_daemons(client: Client) -> None:
    """Nobody replies, and nobody is waited for."""
    with anyio.fail_after(within(5)):
        assert await client.command("ping", limit=600) == []
        assert await client.command("ping", node="n1", limit=0.05) == []


async def test_server_that_is_away(own_server: StartServer, settings: LoadSettings) -> None:
    """Each method says so in its one error."""
    server = own_server()
    async with Client(settings(url=server.url)) as client:
        await client.submit(KIND, task_id="t")
        server.stop()
        for operation in (
            client.submit(KIND),
            client.submit_many([Submission(kind=KIND)]),
            client.get("t"),
            client.tasks("pending"),
            client.agents("running"),
            client.nodes(),
            client.kill("t"),
            client.kill_all(),
            client.wait_for("t"),
            client.command("ping"),
            anext(client.events(eventlog.START)),
        ):
            with pytest.raises(UnreachableError):
                await operation
