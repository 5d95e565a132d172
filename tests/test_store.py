"""The store: each answer of a step as a value, each refusal as the error that names it."""

import pytest
from redis.asyncio import Redis

from musterd.errors import (
    AlreadyTerminalError,
    BrokenRecordError,
    ExistsError,
    IllegalStepError,
    MusterdError,
    NotFoundError,
    NotOwnerError,
    UnknownKindError,
)
from musterd.moves import (
    Claim,
    Claimed,
    Ended,
    Ending,
    KillOrder,
    KillOutcome,
    KillTarget,
    Offer,
)
from musterd.nodes import Nodes
from musterd.states import Reason
from musterd.store import RENEWALS, Store
from musterd.submission import Submission
from tests.support.world import KIND, Plain, World

pytestmark = pytest.mark.leaves_work("what was claimed is live")


@pytest.fixture
def world(redis: Redis, prefix: str) -> World:
    """The test's prefix on the shared server."""
    return World(redis, prefix)


@pytest.fixture
async def store(world: World) -> Store:
    """Of the daemon n1, which has its name."""
    await world.register()
    return Store(Plain(world))


async def claim_one(store: Store, task_id: str = "t", **options: int) -> Claim:
    """A new task, claimed by the registered daemon."""
    await store.submit(Submission(kind=KIND, task_id=task_id, **options))
    number = len(await store.owned("n1")) + 1
    (claim,) = (await store.claim(number, f"s{number}", 1, [Offer(KIND, 1, 1, None)])).claims
    return claim


async def test_submit(store: Store, world: World) -> None:
    """Whether it was made now; two refusals."""
    one = Submission(kind=KIND, task_id="t", context=1)
    assert await store.submit(one) is True
    assert await store.submit(one) is False
    with pytest.raises(ExistsError) as exists:
        await store.submit(Submission(kind=KIND, task_id="t", context=2))
    assert exists.value.task_id == "t"
    await Nodes(Plain(world)).offer({KIND: {}}, most=10)
    with pytest.raises(UnknownKindError) as unknown:
        await store.submit(Submission(kind="other"))
    assert unknown.value.kind == "other"


async def test_submit_all(store: Store, world: World) -> None:
    """One call; what is refused stands in its place."""
    await Nodes(Plain(world)).offer({KIND: {}}, most=10)
    await world.plant(world.keys.task("broken"))
    submissions = [Submission(kind=KIND, task_id=task_id) for task_id in ("a", "a", "broken")]
    submissions += [Submission(kind="other", task_id="b"), Submission(kind=KIND, task_id="c")]
    answers = await store.submit_all(submissions)
    assert answers[:2] == [True, False]
    assert isinstance(answers[2], BrokenRecordError)
    assert isinstance(answers[3], UnknownKindError)
    assert answers[4] is True


async def test_claim(store: Store) -> None:
    """What was taken, what was put aside, and when the next look is due."""
    await store.submit(Submission(kind=KIND, task_id="t", context=[1], timeout=1.5, max_attempts=4))
    await store.submit(Submission(kind=KIND, task_id="later", delay=30))
    claimed = await store.claim(1, "s", 10, [Offer(KIND, 10, 2, None), Offer("other", 1, 1, 2.0)])
    assert claimed.claims == [Claim("t.1", "s.0", "t", KIND, 1, 4, 1.5, "[1]")]
    assert claimed.broken == []
    assert claimed.due is not None
    assert 29 < claimed.due <= 30


async def test_claim_of_nothing(store: Store) -> None:
    """No task, no time."""
    assert await store.claim(1, "s", 10, []) == Claimed([], None, [])


async def test_claim_takes_defaults_of_the_offer(store: Store) -> None:
    """Attempts and timeout of the kind, where the task has none."""
    await store.submit(Submission(kind=KIND, task_id="t"))
    (claim,) = (await store.claim(1, "s", 1, [Offer(KIND, 1, 3, 2.0)])).claims
    assert (claim.max_attempts, claim.timeout, claim.context_json) == (3, 2.0, "")


async def test_claim_that_is_refused(store: Store, world: World) -> None:
    """Nobody registered, or a later claim was made."""
    with pytest.raises(NotOwnerError):
        await Store(Plain(world, epoch="e2")).claim(1, "s", 1, [])
    await store.claim(2, "s", 1, [])
    with pytest.raises(NotOwnerError):
        await store.claim(1, "s", 1, [])


async def test_start_and_finish(store: Store) -> None:
    """The plain way; the second time as well."""
    claim = await claim_one(store)
    ending = Ending("completed", result='{"a":1}')
    for _ in range(2):
        assert await store.start(claim.agent_id, claim.token) is True
    for _ in range(2):
        assert await store.finish(claim.agent_id, claim.token, ending) == Ended(
            "completed", "completed"
        )


async def test_finish_with_a_retry(store: Store, world: World) -> None:
    """The delay goes along, in seconds."""
    claim = await claim_one(store, max_attempts=2)
    ending = Ending("failed", reason=Reason.ERROR, error="it broke", retry_delay=30.0)
    assert await store.finish(claim.agent_id, claim.token, ending) == Ended("failed", "pending")
    assert await world.redis.zcard(world.keys.scheduled) == 1


async def test_refused_steps_of_an_agent(store: Store, world: World) -> None:
    """Each by its own error, with the id and what there is to say."""
    claim = await claim_one(store)
    with pytest.raises(NotFoundError) as missing:
        await store.start("other.1", "x")
    assert missing.value.record_id == "other.1"
    with pytest.raises(NotOwnerError):
        await store.finish(claim.agent_id, "x", Ending("completed"))
    agent_id, token = await world.spawned("taken-again")
    with pytest.raises(IllegalStepError) as illegal:
        await store.finish(agent_id, token, Ending("completed"))
    assert (illegal.value.source, illegal.value.target) == ("spawning", "completed")
    await world.redis.delete(world.keys.task("t"))
    await world.plant(world.keys.task("t"))
    with pytest.raises(BrokenRecordError, match="holds a string where a hash belongs"):
        await store.finish(claim.agent_id, claim.token, Ending("completed"))


async def test_kill(store: Store) -> None:
    """A live agent, a waiting task, one that has ended, none at all."""
    claim = await claim_one(store)
    target = KillTarget("task", "t")
    assert await store.kill(target, KillOrder()) == KillOutcome("requested", "t.1", "n1")
    assert await store.start(claim.agent_id, claim.token) is False
    ended = await store.finish(claim.agent_id, claim.token, Ending("failed", Reason.SHUTDOWN))
    assert ended == Ended("killed", "failed")
    with pytest.raises(AlreadyTerminalError) as late:
        await store.kill(target, KillOrder())
    assert (late.value.record_id, late.value.status) == ("t", "failed")
    await store.submit(Submission(kind=KIND, task_id="waiting"))
    waiting = KillTarget("task", "waiting")
    order = KillOrder("enough", "me", 1.5)
    assert await store.kill(KillTarget("task", "waiting", "no"), order) == KillOutcome("other")
    assert await store.kill(waiting, order) == KillOutcome("failed", "waiting")
    assert await store.kill(waiting, order) == KillOutcome("ended", "waiting")
    with pytest.raises(NotFoundError):
        await store.kill(KillTarget("agent", "none.1"), order)


async def test_kill_tasks_counts_those_it_met(store: Store) -> None:
    """Live and waiting ones of the kind; not those that are gone or of another."""
    await claim_one(store, "live")
    await store.submit(Submission(kind=KIND, task_id="waiting"))
    await store.submit(Submission(kind="other", task_id="foreign"))
    every = ["live", "waiting", "foreign", "gone"]
    requested = KillOutcome("requested", "live.1", "n1")
    stopped = await store.kill_tasks(every, KIND, KillOrder())
    assert stopped == [requested, KillOutcome("failed", "waiting")]
    stopped = await store.kill_tasks(every, "", KillOrder())
    assert stopped == [requested, KillOutcome("failed", "foreign")]
    assert await store.kill_tasks([], "", KillOrder()) == []


async def test_renew_goes_in_pages(world: World) -> None:
    """However many agents there are; the lost ones of all pages."""
    plain = Plain(world)
    await world.register()
    claim = await claim_one(Store(plain))
    agent_ids = [claim.agent_id, *(f"gone{n}.1" for n in range(2 * RENEWALS))]
    assert await Store(plain).renew(agent_ids) == agent_ids[1:]
    assert plain.calls[-1] == 3


async def test_settle(store: Store, world: World) -> None:
    """For each what became of it, or why nothing did."""
    claim = await claim_one(store)
    (alive,) = await store.settle([claim.agent_id], "n1")
    assert isinstance(alive, NotOwnerError)
    await world.plant(world.keys.agent("bad.1"))
    answers = await store.settle([claim.agent_id, "gone.1", "bad.1"], "n1", ended=["e1"])
    assert answers[0] == Ended("failed", "failed")
    assert isinstance(answers[1], NotFoundError)
    assert isinstance(answers[2], BrokenRecordError)


async def test_dead_nodes_and_what_they_own(store: Store, world: World) -> None:
    """Seen by another daemon."""
    claim = await claim_one(store)
    plain = Plain(world, node="n2")
    nodes, other = Nodes(plain), Store(plain)
    assert await nodes.dead_nodes(-1.0) == []
    await world.redis.delete(world.keys.node("n1"))
    assert await nodes.dead_nodes(-1.0) == ["n1"]
    assert await other.owned("n1", 5) == await other.owned("n1") == [claim.agent_id]
    await world.plant(world.keys.owned("n3"))
    with pytest.raises(BrokenRecordError):
        await other.owned("n3")


async def test_shared_key_that_is_broken_is_no_answer(store: Store, world: World) -> None:
    """An error, and never something made up; of many tasks at once just those that were met."""
    nodes = Nodes(Plain(world))
    await world.plant(world.keys.events_log)
    refused = [
        store.submit(Submission(kind=KIND)),
        store.claim(1, "s", 1, []),
        nodes.register("n1", {}),
        store.kill(KillTarget("task", "t"), KillOrder()),
        nodes.dead_nodes(1.0),
        store.renew(["t.1"]),
        store.trim(),
        nodes.lives(),
        nodes.offer({KIND: {}}, most=10),
        nodes.release(),
    ]
    for operation in refused:
        with pytest.raises(BrokenRecordError, match=world.keys.events_log):
            await operation
    assert await store.kill_tasks(["t"], "", KillOrder()) == []
    assert all(isinstance(answer, MusterdError) for answer in await store.settle(["t.1"], "n1"))


async def test_trim_says_how_many_went(store: Store, world: World) -> None:
    """So that the caller knows whether to go on."""
    await world.redis.zadd(world.keys.tasks("failed"), {f"t{n}": 1 for n in range(300)})
    assert [await store.trim() for _ in range(3)] == [256, 44, 0]
