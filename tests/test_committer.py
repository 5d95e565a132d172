"""Group commit on a real server: few calls, no step lost, none applied twice."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeAlias

import anyio
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from musterd import scripts, valkey
from musterd.batches import CHARACTERS, STEPS
from musterd.committer import LANES, Call, Committer
from musterd.errors import NotOwnerError
from musterd.link import Link
from musterd.moves import Claim, Ending, Offer
from musterd.scripts import Reply, Step
from musterd.states import Reason
from musterd.store import Store
from musterd.submission import Submission
from tests.checker.checking import checking
from tests.support.fixtures import StartServer
from tests.support.pace import within
from tests.support.server import Server
from tests.support.wait import pass_time, wait_until
from tests.support.world import KIND, World

LIVES = 40

Trouble: TypeAlias = Callable[[World], Awaitable[None]]

pytestmark = pytest.mark.leaves_work("what was submitted waits")


def submission(task_id: str) -> Step:
    """The step that submits a task."""
    return Submission(kind=KIND, task_id=task_id).step()


class Gate:
    """The real call, held back until opened, so that a test decides when a batch goes out."""

    def __init__(self, world: World) -> None:
        self.opened = anyio.Event()
        self.batches: list[int] = []
        self._world = world

    async def call(self, steps: Sequence[Step]) -> list[Reply]:
        """The real call, once the gate is open."""
        self.batches.append(len(steps))
        await self.opened.wait()
        return await scripts.call(self._world.redis, self._world.caller, steps)


@asynccontextmanager
async def running(
    call: Call, link: Link | None = None, living: Sequence[Step] = ()
) -> AsyncIterator[Committer]:
    """A committer that serves while the block runs."""
    committer = Committer(call, link or Link("the server"), lambda: living)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(committer.run)
        yield committer
        tasks.cancel_scope.cancel()


@pytest.fixture
def world(redis: Redis, prefix: str) -> World:
    """The test's prefix on the shared server."""
    return World(redis, prefix)


@pytest.fixture
async def committer(world: World) -> AsyncIterator[Committer]:
    """One on the shared server."""
    async with running(partial(scripts.call, world.redis, world.caller)) as committer:
        yield committer


async def calls(redis: Redis) -> int:
    """How many script calls the server has had."""
    stats = await redis.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha"))


async def test_lone_step_goes_at_once_and_alone(committer: Committer, world: World) -> None:
    """There is no timer that it would wait for: one step, one call."""
    await committer.commit(submission("warm"))
    before = await calls(world.redis)
    with anyio.fail_after(within(1)):
        assert await committer.commit(submission("t")) == ["ok", 1]
    assert await calls(world.redis) - before == 1


async def test_many_steps_share_few_calls(committer: Committer, world: World) -> None:
    """A thousand actors at once need no more calls than batches."""
    before = await calls(world.redis)
    async with anyio.create_task_group() as actors:
        for number in range(1000):
            actors.start_soon(committer.commit, submission(f"t{number}"))
    assert await calls(world.redis) - before <= 1000 / STEPS + LANES
    assert await world.redis.zcard(world.keys.tasks("pending")) == 1000


async def test_each_gets_its_own_answer(committer: Committer) -> None:
    """Also across batches, with refusals in between."""
    steps = [submission(f"t{number}") for number in range(300)]
    mixed: list[Step] = [step for one in steps for step in (one, ("start", f"{one[1]}.1", "x"))]
    replies = await committer.commit_all(mixed)
    assert replies == [["ok", 1], ["not_found"]] * 300


async def test_what_gathers_goes_out_together(world: World) -> None:
    """While every lane is under way, what comes waits for the first one that returns."""
    gate = Gate(world)
    async with running(gate.call) as committer, anyio.create_task_group() as actors:
        for number in range(LANES):
            actors.start_soon(committer.commit, submission(f"early{number}"))
            await wait_until(lambda wanted=number + 1: len(gate.batches) == wanted)  # type: ignore[misc]  # mypy sees no default
        for number in range(50):
            actors.start_soon(committer.commit, submission(f"late{number}"))
        await anyio.wait_all_tasks_blocked()
        gate.opened.set()
    assert gate.batches == [1] * LANES + [50]


async def test_step_of_a_cancelled_actor_is_sent_all_the_same(world: World) -> None:
    """It belongs to the committer: both when it is on its way and when it still waits."""
    gate = Gate(world)
    async with running(gate.call) as committer:
        async with anyio.create_task_group() as actors:
            for number in range(LANES + 1):
                actors.start_soon(committer.commit, submission(f"t{number}"))
                await anyio.wait_all_tasks_blocked()
            actors.cancel_scope.cancel()
        gate.opened.set()
        assert await committer.commit(submission("after")) == ["ok", 1]
        await wait_until(lambda: all_there(world, LANES + 2))


async def all_there(world: World, count: int) -> bool:
    """Whether so many tasks are pending."""
    return int(await world.redis.zcard(world.keys.tasks("pending"))) == count


async def test_step_that_must_wait_holds_up_no_other(own_server: StartServer, prefix: str) -> None:
    """With a server without memory more steps wait than there are lanes; renewals go through.

    When there is memory again, each of them is applied once.
    """
    async with Redis.from_url(own_server().url, decode_responses=True) as redis:
        world = World(redis, prefix)
        agent_id, _ = await world.running()
        await redis.config_set("maxmemory", "1")
        answers: list[Reply] = []

        async def submit(committer: Committer, task_id: str) -> None:
            answers.append(await committer.commit(submission(task_id)))

        call, link = partial(scripts.call, redis, world.caller), Link("the server")
        async with running(call, link) as committer, anyio.create_task_group() as actors:
            before = await calls(redis)
            for number in range(3 * LANES):
                actors.start_soon(submit, committer, f"t{number}")
                await anyio.wait_all_tasks_blocked()
                with anyio.fail_after(within(2)):
                    assert await committer.commit(("renew", agent_id)) == ["ok", []]
            assert answers == []
            assert not link.serving
            assert await calls(redis) - before < 20 * LANES
            await redis.config_set("maxmemory", "0")
        assert answers == [["ok", 1]] * 3 * LANES
        assert link.serving
        await world.check()


async def test_steps_that_wait_are_in_the_log(own_server: StartServer, prefix: str) -> None:
    """Once with the server's reason, once some time after the last is taken, however many wait."""
    with capture_logs() as lines:
        async with Redis.from_url(own_server().url, decode_responses=True) as redis:
            world = World(redis, prefix)
            agent_id, _ = await world.running()
            await redis.config_set("maxmemory", "1")
            call, link = partial(scripts.call, redis, world.caller), Link("the server")
            async with running(call, link) as committer, anyio.create_task_group() as actors:
                for number in range(3):
                    actors.start_soon(committer.commit, submission(f"t{number}"))
                await wait_until(lambda: len(committer._late) == 3)
                assert await committer.commit(("renew", agent_id)) == ["ok", []]
                assert len(lines) == 1
                await redis.config_set("maxmemory", "0")

                async def is_over() -> bool:
                    await committer.commit(("renew", agent_id))
                    return len(lines) > 1

                await wait_until(is_over)
    assert [line["event"] for line in lines] == ["steps wait", "steps go on"]
    assert lines[0]["why"].startswith("OOM")


class Lives:
    """Whole lives of tasks, each attempt but the last one failing, on one committer."""

    def __init__(self, world: World) -> None:
        self.faults = 0
        self._world = world
        self._claiming = anyio.Lock()  # claims come one at a time, as a supervisor makes them
        self._claims = 0

    async def call(self, steps: Sequence[Step]) -> list[Reply]:
        """The real call; counts those that failed."""
        try:
            return await scripts.call(self._world.redis, self._world.caller, steps)
        except valkey.FAULTS:
            self.faults += 1
            raise

    async def lead(self, store: Store, name: str, *, attempts: int) -> None:
        """One task, which is the only one of its kind."""
        await store.submit(Submission(kind=name, task_id=name, max_attempts=attempts))
        for attempt in range(1, attempts + 1):
            claim = await self._claim(store, name)
            assert await store.start(claim.agent_id, claim.token)
            failed = Ending("failed", reason=Reason.ERROR, error="it broke")
            ending = failed if attempt < attempts else Ending("completed", result="1")
            await store.finish(claim.agent_id, claim.token, ending)

    async def _claim(self, store: Store, kind: str) -> Claim:
        async with self._claiming:
            self._claims += 1
            offer = Offer(kind, 1, 1, None)
            claimed = await store.claim(self._claims, f"c{self._claims}", 1, [offer])
        (claim,) = claimed.claims
        return claim


@pytest.fixture
def durable(own_server: StartServer) -> Server:
    """A server that keeps what it has acknowledged over a SIGKILL."""
    return own_server(config={"appendonly": "yes", "appendfsync": "always"})


async def lead_lives(server: Server, prefix: str, trouble: Trouble) -> None:
    """Forty whole lives by one committer while there is trouble; checked to be whole and single."""
    async with (
        valkey.connect(server.url, connections=LANES) as redis,
        checking(server.url, prefix) as checker,
    ):
        redis.connection_pool.connection_kwargs["socket_timeout"] = 0.3
        world = World(redis, prefix)
        lives = Lives(world)
        await world.register()
        async with running(lives.call) as committer:
            store = Store(committer)
            async with anyio.create_task_group() as actors:
                for number in range(LIVES):
                    actors.start_soon(partial(lives.lead, store, f"t{number}", attempts=3))
                await trouble(world)
        assert lives.faults > 0
        assert await world.redis.zcard(world.keys.tasks("completed")) == LIVES
        await checker.check_quiet()


async def test_killed_server_loses_and_doubles_nothing(durable: Server, prefix: str) -> None:
    """It is killed in the middle of the steps and started again, three times."""

    async def trouble(world: World) -> None:
        for _ in range(3):
            await some_progress(world)
            durable.kill()
            durable.start()

    await lead_lives(durable, prefix, trouble)


async def test_cut_connections_lose_and_double_nothing(durable: Server, prefix: str) -> None:
    """Answers are lost while the steps behind them were applied."""

    async def trouble(world: World) -> None:
        async with Redis.from_url(durable.url) as other:
            for _ in range(20):
                await some_progress(world)
                await other.client_kill_filter(_type="normal", skipme=True)

    await lead_lives(durable, prefix, trouble)


async def test_silent_server_gets_steps_twice_and_applies_them_once(
    durable: Server, prefix: str
) -> None:
    """Stopped for longer than a call may take: the first copies are still in its sockets."""

    async def trouble(world: World) -> None:
        for _ in range(2):
            await some_progress(world)
            durable.pause()
            await pass_time(0.7)  # longer than two calls may take
            durable.resume()

    await lead_lives(durable, prefix, trouble)


async def some_progress(world: World) -> None:
    """Return when a few more steps were applied, whatever happens to the committer's calls."""
    path = world.redis.connection_pool.connection_kwargs["path"]
    async with Redis(unix_socket_path=path) as redis:
        length = await redis.xlen(world.keys.events_log)

        async def more() -> bool:
            ended = await redis.zcard(world.keys.tasks("completed"))
            return bool(await redis.xlen(world.keys.events_log) > length + 10 or ended == LIVES)

        await wait_until(more)


async def test_link_is_told_of_each_fate(own_server: StartServer, prefix: str) -> None:
    """A step without an answer means that the server is away; the next answer that it is back."""
    server = own_server()
    link = Link("the server")
    async with valkey.connect(server.url, connections=1) as redis:
        world = World(redis, prefix)
        async with running(partial(scripts.call, redis, world.caller), link) as committer:
            await committer.commit(submission("first"))
            assert link.up
            server.stop()
            async with anyio.create_task_group() as actors:
                actors.start_soon(committer.commit, submission("second"))
                await wait_until(lambda: not link.up)
                server.start()
            assert link.up


async def test_cancelled_committer_leaves_steps_unanswered(world: World) -> None:
    """Who waits goes on waiting, until its own scope ends."""
    committer = Committer(partial(scripts.call, world.redis, world.caller), Link("the server"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(committer.run)
        await committer.commit(submission("t"))
        tasks.cancel_scope.cancel()
    with anyio.move_on_after(0.05) as scope:
        await committer.commit(submission("later"))
    assert scope.cancelled_caught
    assert await world.told() == ["task.pending"]


async def test_refusals_reach_the_typed_error_through_a_batch(committer: Committer) -> None:
    """Each by itself, also when they come together."""
    store = Store(committer)
    refused = []

    async def claim(number: int) -> None:
        try:
            await store.claim(number, "s", 1, [])
        except NotOwnerError as error:
            refused.append(error.record_id)

    async with anyio.create_task_group() as actors:
        for number in range(20):
            actors.start_soon(claim, number)
    assert sorted(refused) == sorted(f"claim {number}" for number in range(20))


async def test_restoring_takes_calls_of_a_bounded_size(world: World) -> None:
    """Contexts may be large and agents many: one call of all would not be answered in time."""
    sizes: list[int] = []

    async def call(steps: Sequence[Step]) -> list[Reply]:
        sizes.append(sum(len(part) for step in steps for part in step if isinstance(part, str)))
        return await scripts.call(world.redis, world.caller, steps)

    context = "x" * (CHARACTERS // 2)
    link = Link("the server")
    living = [
        Submission(kind=KIND, task_id=f"t{number}", context=context).step() for number in range(8)
    ]
    async with running(call, link, living) as committer:
        link.seen("one life")
        link.seen("another")
        assert await committer.commit(submission("last")) == ["ok", 1]
    assert len(await world.queue()) == 9
    assert max(sizes) < 2 * CHARACTERS


@pytest.mark.parametrize("known", [["t"], []])
async def test_attempts_of_several_daemons_are_restored_in_their_order(
    world: World, known: list[str]
) -> None:
    """The second is refused until another daemon has said the first; no kill ends it meanwhile."""
    first = Claim("t.1", "token", "t", KIND, 1, 3, None, "")
    second = Claim("t.2", "token", "t", KIND, 2, 3, None, "")
    restored = asked = 0

    async def call(steps: Sequence[Step]) -> list[Reply]:
        nonlocal restored, asked
        replies = await scripts.call(world.redis, world.caller, steps)
        asked += sum(step[0] == "reclaim" for step in steps)
        if not restored:
            failed = ("finish", "t.1", "token", "failed", "error", "no good", "", 0)
            start = ("start", "t.1", "token")
            restored += len(await world.steps(first.reclaim(), start, failed, node="other"))
        return replies

    link = Link("the server")
    for task_id in known:
        await world.step(*submission(task_id))
    living = [("kill", "task", "t", "", "", "", ""), second.reclaim(), ("start", "t.2", "token")]
    async with running(call, link, living) as committer:
        link.seen("one life")
        link.seen("another")
        assert (await committer.commit(("renew", "t.2")))[0] == "ok"
    assert asked == 2
    assert (await world.redis.hget(world.keys.agent("t.2"), "status")) == "running"
    assert await world.redis.hexists(world.keys.kills, "t.2")


@pytest.mark.parametrize("target", [("agent", "t.1"), ("task", "t")])
@pytest.mark.parametrize("status", ["completed", "failed"])
async def test_kill_that_came_first_does_so_again(
    world: World, target: tuple[str, str], status: str
) -> None:
    """The server lost both the request and the ending that it made a kill of."""

    async def call(steps: Sequence[Step]) -> list[Reply]:
        return await scripts.call(world.redis, world.caller, steps)

    link = Link("the server")
    link.seen("one life")
    await world.register()
    async with running(call, link) as committer:
        await committer.commit(submission("t"))
        (claim,) = (await committer.commit(("claim", 1, "s", 1, KIND, 1, 3, "")))[3]
        token = claim[1]
        await committer.commit(("start", "t.1", token))
        await committer.commit(("kill", *target, "", "too dear", "me", ""))
        finish = ("finish", "t.1", token, status, "", "", '{"a":1}', 0, "")
        assert await committer.commit(finish) == ["ok", "killed", "failed"]
        async for key in world.redis.scan_iter(f"{world.keys.prefix}:*"):
            await world.redis.delete(key)
        link.seen("another")
        await committer.commit(("renew",))
    agent, task = await world.agent(), await world.task()
    assert (agent["status"], agent["error"], agent["result"]) == ("killed", "too dear", '{"a":1}')
    assert (task["status"], task["reason"], task["attempt"]) == ("failed", "killed", "1")
    assert not await world.redis.exists(world.keys.kills)
