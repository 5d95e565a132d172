"""Claiming, stopping, agents that nobody runs; with no channel that could wake the supervisor."""

import logging
import time
from collections.abc import AsyncIterator, Callable

import anyio
import pytest
import structlog
from structlog.testing import capture_logs

from musterd.clocks import boottime
from musterd.errors import BrokenRecordError
from musterd.jsons import Json
from musterd.moves import KillOrder, KillTarget
from musterd.runtimes.base import Context
from musterd.supervisor import SLOW_LOOK
from tests.checker.checking import checking
from tests.service.parts import Parts, claiming, make_kind, open_parts
from tests.support.fixtures import LoadSettings, StartServer
from tests.support.pace import within
from tests.support.proxy import Proxy, Way
from tests.support.server import Server
from tests.support.wait import wait_until


async def forever(_: Context) -> None:
    """Run until stopped."""
    await anyio.sleep_forever()


async def slow_to_end(ctx: Context) -> None:
    """Once stopped, use all of the grace."""
    try:
        await anyio.sleep_forever()
    finally:
        with anyio.CancelScope(shield=True):
            asked = anyio.current_time()
            while anyio.current_time() < asked + ctx.grace:  # noqa: ASYNC110 - it is shortened
                await anyio.sleep(0.01)


async def nothing(ctx: Context) -> Json:
    """Hand back the context."""
    return ctx.context  # type: ignore[no-any-return]  # it was JSON when it came


KINDS = (
    make_kind(forever, "hold", max_attempts=2),
    make_kind(nothing, "echo"),
    make_kind(forever, "limited", max_concurrent=2),
    make_kind(forever, "alone", exclusive=True, max_attempts=2),
    make_kind(slow_to_end, "slow", exclusive=True, max_attempts=2),
)


@pytest.fixture
async def parts(server: Server, prefix: str, settings: LoadSettings) -> AsyncIterator[Parts]:
    """A daemon's parts with room for four agents; what lives at the end is shut down."""
    async with (
        checking(server.url, prefix),
        open_parts(settings(capacity=4), *KINDS) as parts,
        claiming(parts),
    ):
        yield parts


@pytest.fixture
def by_bell_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comes before `parts`: what nobody rings for, the slow look finds too late for any test."""
    monkeypatch.setattr("musterd.supervisor.SLOW_LOOK", 600.0)


def alive(parts: Parts, count: int) -> Callable[[], bool]:
    """Whether so many agents run."""
    return lambda: parts.supervisor.crew.count() == count


def runs(parts: Parts, agent_id: str) -> Callable[[], bool]:
    """Whether the daemon runs this agent; its record says so as soon as it is claimed."""
    actors = parts.supervisor.crew.actors
    return lambda: agent_id in actors and actors[agent_id].started


async def test_slow_look_finds_what_no_message_told_of(parts: Parts) -> None:
    """A wake-up that was lost costs a second at most."""
    await anyio.wait_all_tasks_blocked()
    task_id = await parts.submit("echo")
    began = time.monotonic()
    await wait_until(lambda: parts.is_status(task_id, "completed"), SLOW_LOOK + 1)
    assert time.monotonic() - began < SLOW_LOOK + within(0.5)


@pytest.mark.usefixtures("by_bell_alone")
async def test_wake_starts_a_task(parts: Parts) -> None:
    """Only for a kind that is offered."""
    await anyio.wait_all_tasks_blocked()
    task_id = await parts.submit("echo")
    parts.supervisor.wake("strange")
    await anyio.wait_all_tasks_blocked()
    assert (await parts.task(task_id)).status == "pending"
    parts.supervisor.wake("echo")
    await wait_until(lambda: parts.is_status(task_id, "completed"))


@pytest.mark.usefixtures("by_bell_alone")
async def test_delayed_task_is_claimed_when_it_is_due(parts: Parts) -> None:
    """Who claims is told when the next one is, and needs no bell for it."""
    task_id = await parts.submit("echo", delay=0.2)
    parts.supervisor.wake()
    await wait_until(lambda: parts.is_status(task_id, "completed"))


@pytest.mark.usefixtures("by_bell_alone")
async def test_next_task_takes_the_place_of_one_that_ended(parts: Parts) -> None:
    """Many short tasks through four places need no look at the clock."""
    tasks = [await parts.submit("echo", context=number) for number in range(50)]
    parts.supervisor.wake()

    async def all_completed() -> bool:
        return all([await parts.is_status(task_id, "completed") for task_id in tasks])

    await wait_until(all_completed)


async def test_census_counts_each_kind(parts: Parts) -> None:
    """Two of `limited` at most, four in all."""
    for kind in ("limited", "limited", "limited", "hold", "hold", "hold"):
        await parts.submit(kind)
    parts.supervisor.wake()
    await wait_until(alive(parts, 4))
    assert parts.supervisor.crew.census() == {
        "hold": 2, "echo": 0, "limited": 2, "alone": 0, "slow": 0,
    }  # fmt: skip


@pytest.mark.usefixtures("by_bell_alone")
async def test_pause_claims_nothing(parts: Parts) -> None:
    """Paused it claims nothing, resumed it does so at once."""
    parts.supervisor.pauses.pause()
    assert parts.supervisor.state == "paused"
    task_id = await parts.submit("echo")
    parts.supervisor.wake()
    await anyio.wait_all_tasks_blocked()
    assert (await parts.task(task_id)).status == "pending"
    parts.supervisor.pauses.resume()
    await wait_until(lambda: parts.is_status(task_id, "completed"))


@pytest.mark.usefixtures("by_bell_alone")
async def test_paused_kind_is_not_claimed(parts: Parts) -> None:
    """Its agents run on and other kinds are claimed; resumed, it is claimed at once."""
    running = await parts.submit("hold")
    parts.supervisor.wake()
    await wait_until(lambda: parts.is_status(f"{running}.1", "running"))
    with capture_logs() as lines:
        parts.supervisor.pauses.pause("hold")
        waiting = await parts.submit("hold")
        other = await parts.submit("echo")
        parts.supervisor.wake()
        await wait_until(lambda: parts.is_status(other, "completed"))
        assert parts.supervisor.state == "active"
        assert (await parts.task(waiting)).status == "pending"
        assert await parts.is_status(f"{running}.1", "running")
        parts.supervisor.pauses.resume("hold")
        await wait_until(lambda: parts.is_status(f"{waiting}.1", "running"))
    told = [(line["event"], line["kind"]) for line in lines if line["event"].startswith("kind")]
    assert told == [
        ("kind paused, none of it is claimed until resume", "hold"),
        ("kind resumed", "hold"),
    ]


async def test_kill_reaches_its_agent_alone(parts: Parts) -> None:
    """No agent of ours is no error."""
    one, other = await parts.submit("hold"), await parts.submit("hold")
    parts.supervisor.wake()
    await wait_until(alive(parts, 2))
    await parts.store.kill(KillTarget("task", one), KillOrder())
    parts.supervisor.crew.kill("nobody.1")
    parts.supervisor.crew.kill(f"{one}.1", grace=0.25)
    assert parts.supervisor.crew.actors[f"{one}.1"].context.grace == 0.25
    await wait_until(alive(parts, 1))
    assert list(parts.supervisor.crew.actors) == [f"{other}.1"]


async def test_what_is_claimed_after_a_shutdown_is_stopped(parts: Parts) -> None:
    """An answer to a claim may come after the word to stop: its agents never run."""
    task_id = await parts.submit("hold")
    parts.supervisor.crew.shut_down()
    parts.supervisor.wake()
    await wait_until(lambda: parts.is_status(f"{task_id}.1", "failed"))
    assert (await parts.agent(f"{task_id}.1")).reason == "shutdown"


async def test_agent_whose_claim_was_not_answered_is_adopted(parts: Parts) -> None:
    """It was never run: no attempt is used up."""
    task_id = await parts.submit("hold", max_attempts=1)
    await parts.claim_in_vain("hold")
    parts.supervisor.audit(await parts.membership.renew())
    await wait_until(runs(parts, f"{task_id}.1"))


async def test_agent_that_cannot_be_adopted_yet_is_not_given_up(parts: Parts) -> None:
    """A key breaks between the look at who is listed and the adoption: the next one finds it."""
    strays = parts.supervisor._strays
    task_id = await parts.submit("hold", max_attempts=1)
    await parts.claim_in_vain("hold")
    listed = await strays.listed()
    await parts.redis.set(parts.keys.kinds, "no hash")
    with pytest.raises(BrokenRecordError):
        await strays.adopt(listed)
    await parts.redis.delete(parts.keys.kinds)
    assert [claim.agent_id for claim in await strays.adopt(listed)] == [f"{task_id}.1"]
    await strays.settle(listed)


async def test_a_reload_changes_the_level_of_agents_lines(parts: Parts) -> None:
    """Of those that run, and of those that start: each keeps a logger, which keeps a level."""
    parts.supervisor.wake()
    first = await parts.submit("hold")
    await wait_until(runs(parts, f"{first}.1"))
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        parts.supervisor.offer(parts.kinds, 4)
        second = await parts.submit("hold")
        await wait_until(runs(parts, f"{second}.1"))
        actors = parts.supervisor.crew.actors.values()
        assert [actor.log.is_enabled_for(logging.INFO) for actor in actors] == [False, False]
    finally:
        structlog.configure(wrapper_class=before)


async def test_kill_that_is_heard_before_the_claims_answer(
    server: Server, prefix: str, settings: LoadSettings
) -> None:
    """The agent is alive on the server, and nobody has it yet: it never runs."""
    ran = []

    async def body(_: Context) -> None:
        ran.append(True)

    with Proxy(server.url) as proxy:
        async with (
            checking(server.url, prefix),
            open_parts(settings()) as near,
            open_parts(settings(url=proxy.url), make_kind(body)) as parts,
            claiming(parts),
        ):
            await anyio.wait_all_tasks_blocked()  # it has looked, and found nothing
            agent_id = f"{await near.submit()}.1"
            proxy.stall(Way.REPLIES)
            parts.supervisor.wake()
            await wait_until(lambda: near.is_status(agent_id, "running"))
            await near.store.kill(KillTarget("agent", agent_id), KillOrder(reason="enough"))
            parts.supervisor.crew.kill(agent_id, None, "enough")
            proxy.heal()
            await wait_until(lambda: near.is_status(agent_id, "killed"))
    assert not ran


async def test_exclusive_agent_that_is_adopted_has_a_lease(parts: Parts) -> None:
    """It ends with it like any other, should the server go away before the next renewal."""
    task_id = await parts.submit("alone")
    await parts.claim_in_vain("alone")
    parts.supervisor.audit(await parts.membership.renew())
    await wait_until(runs(parts, f"{task_id}.1"))
    parts.supervisor.crew.expire(boottime() + 2 * parts.settings.heartbeat_ttl, 0.1)
    await wait_until(lambda: parts.is_status(f"{task_id}.1", "failed"))
    assert (await parts.agent(f"{task_id}.1")).reason == "lost"


async def test_grace_does_not_outlast_an_exclusive_agents_lease(parts: Parts) -> None:
    """Stopped for something else, with a long grace, it is forced before its lease runs out."""
    agent_id = f"{await parts.submit('slow')}.1"
    parts.supervisor.wake()
    await wait_until(runs(parts, agent_id))
    parts.supervisor.crew.shut_down(600)
    parts.supervisor.crew.expire(boottime() + 2 * parts.settings.heartbeat_ttl, 0.1)
    await wait_until(lambda: parts.is_status(agent_id, "failed"))
    assert (await parts.agent(agent_id)).reason == "shutdown"


@pytest.mark.parametrize("kind", ["strange", "\udcff"])
async def test_agent_whose_kind_was_made_nonsense_is_settled(
    settings: LoadSettings, kind: str
) -> None:
    """Nobody can run it; the supervisor lives and claims what comes."""
    async with open_parts(settings(), *KINDS) as parts, claiming(parts):
        await anyio.wait_all_tasks_blocked()  # it has looked, and found nothing
        task_id = await parts.submit("hold", max_attempts=1)
        claim = await parts.claim_in_vain("hold")
        key = parts.keys.agent(claim.agent_id)
        await parts.redis.hset(key, "kind", kind.encode(errors="surrogateescape"))
        parts.supervisor.audit(await parts.membership.renew())
        await wait_until(lambda: parts.is_status(claim.agent_id, "failed"))
        other = await parts.submit("echo")
        parts.supervisor.wake()
        await wait_until(lambda: parts.is_status(other, "completed"))
        assert (await parts.task(task_id)).reason == "lost"


async def test_agent_that_cannot_be_settled_is_told_once(parts: Parts) -> None:
    """Somebody broke its task's key; each beat meets it again, and nothing else waits for it."""
    await anyio.wait_all_tasks_blocked()
    task_id = await parts.submit("hold", max_attempts=1)
    claim = await parts.claim_in_vain("hold")
    key = parts.keys.task(task_id)
    kept = await parts.redis.hgetall(key)
    await parts.redis.delete(key)
    await parts.redis.set(key, "nonsense")
    with capture_logs() as lines:
        for _ in range(3):
            parts.supervisor.audit(await parts.membership.renew())
            other = await parts.submit("echo")
            parts.supervisor.wake()
            await wait_until(lambda: parts.is_status(other, "completed"))  # noqa: B023 - at once
    told = [line for line in lines if line["event"] == "agent without an actor not settled"]
    assert len(told) == 1
    assert key in told[0]["error"]
    await parts.redis.delete(key)
    await parts.redis.hset(key, mapping=kept)
    parts.supervisor.audit(await parts.membership.renew())
    await wait_until(lambda: parts.is_status(claim.agent_id, "failed"))


async def test_claim_under_way_when_its_kind_goes(parts: Parts) -> None:
    """A reload that takes a kind away does not lose an agent of it that is claimed already."""
    task_id = await parts.submit("hold")
    await parts.claim_in_vain("hold")
    parts.supervisor.offer({"echo": parts.kinds["echo"]}, 4)
    parts.supervisor.audit(await parts.membership.renew())
    await wait_until(runs(parts, f"{task_id}.1"))
    assert parts.supervisor.crew.census() == {"echo": 0, "hold": 1}


async def test_other_kinds_and_capacity(parts: Parts) -> None:
    """From then on what is offered counts; agents that run are too many, and are left alone."""
    held = [await parts.submit("hold") for _ in range(2)]
    await wait_until(alive(parts, 2))
    parts.supervisor.offer({"echo": parts.kinds["echo"]}, 1)
    waiting, echo = await parts.submit("hold"), await parts.submit("echo")
    parts.supervisor.wake()
    await anyio.wait_all_tasks_blocked()
    assert parts.supervisor.crew.count() == 2
    parts.supervisor.offer({"echo": parts.kinds["echo"]}, 3)
    await wait_until(lambda: parts.is_status(f"{echo}.1", "completed"))
    assert (await parts.task(waiting)).status == "pending"
    assert [(await parts.agent(f"{one}.1")).status for one in held] == ["running", "running"]
    parts.supervisor.offer(parts.kinds, 3)
    await wait_until(lambda: parts.is_status(f"{waiting}.1", "running"))


async def test_agent_that_nobody_runs_is_settled(parts: Parts) -> None:
    """One that the server lists as ours without an actor is lost, and its task is retried."""
    task_id = await parts.submit("hold")
    claim = await parts.claim("hold")
    parts.supervisor.audit(await parts.membership.renew())
    await wait_until(lambda: parts.is_status(claim.agent_id, "failed"))
    assert (await parts.agent(f"{task_id}.1")).reason == "lost"
    await wait_until(lambda: parts.is_status(f"{task_id}.2", "running"))
    parts.supervisor.audit(await parts.membership.renew())
    parts.supervisor.wake()
    await anyio.wait_all_tasks_blocked()
    assert (await parts.agent(f"{task_id}.2")).status == "running"


async def test_lost_agent_stops_and_the_others_run_on(parts: Parts) -> None:
    """Nothing is written of one that belongs to another owner."""
    one, other = await parts.submit("hold"), await parts.submit("hold")
    parts.supervisor.wake()
    await wait_until(lambda: parts.is_status(f"{one}.1", "running"))
    await wait_until(lambda: parts.is_status(f"{other}.1", "running"))
    with capture_logs() as lines:
        parts.supervisor.crew.lose(f"{one}.1")
        parts.supervisor.crew.lose("nobody.1")
        await wait_until(alive(parts, 1))
    assert [line["agent_id"] for line in lines if line["event"] == "lease lost"] == [f"{one}.1"]
    assert (await parts.agent(f"{one}.1")).status == "running"
    parts.supervisor.audit(2)
    await wait_until(lambda: parts.is_status(f"{one}.1", "failed"))


async def test_broken_entry_in_a_queue_is_passed_over(parts: Parts) -> None:
    """It is put aside with a warning, and what stands behind it runs."""
    await parts.redis.zadd(parts.keys.queue("echo"), {"ghost": 0})
    with capture_logs() as lines:
        task_id = await parts.submit("echo")
        parts.supervisor.wake()
        await wait_until(lambda: parts.is_status(task_id, "completed"))
    assert [line["key"] for line in lines if "skipped" in line["event"]] == ["ghost"]


@pytest.mark.usefixtures("prefix")
async def test_drain_ends_though_the_server_is_away(
    own_server: StartServer, settings: LoadSettings
) -> None:
    """A claim whose answer never comes is given up when the last writes are."""
    server = own_server()
    async with open_parts(settings(url=server.url), *KINDS) as parts:
        with anyio.fail_after(within(5)):
            async with anyio.create_task_group() as group:
                group.start_soon(parts.supervisor.run)
                await anyio.wait_all_tasks_blocked()
                server.stop()
                parts.supervisor.wake()
                await wait_until(lambda: not parts.link.up)
                parts.supervisor.drain()
                parts.supervisor.crew.shut_down()
                parts.supervisor.abandon()


async def test_id_that_is_used_again_while_its_agent_runs(parts: Parts) -> None:
    """Its records were deleted: the old work ends before the new begins, and the daemon lives."""
    task_id = await parts.submit("hold", task_id="again")
    parts.supervisor.wake()
    await wait_until(lambda: parts.is_status(f"{task_id}.1", "running"))
    former = parts.supervisor.crew.actors[f"{task_id}.1"]
    await parts.redis.flushall()
    await parts.membership.renew()
    await parts.submit("hold", task_id="again")
    parts.supervisor.wake()
    actors = parts.supervisor.crew.actors
    await wait_until(
        lambda: actors[f"{task_id}.1"] is not former and actors[f"{task_id}.1"].started
    )
    assert former.gone
    present = parts.supervisor.crew.actors[f"{task_id}.1"]
    assert present is not former
    await parts.store.kill(KillTarget("task", task_id), KillOrder())
    parts.supervisor.crew.kill(f"{task_id}.1")
    await wait_until(lambda: parts.is_status(f"{task_id}.1", "killed"))
    assert present.gone


async def test_kill_says_so_once(parts: Parts) -> None:
    """With the ids and the reason that was given."""
    task_id = await parts.submit("hold")
    parts.supervisor.wake()
    await wait_until(lambda: parts.is_status(f"{task_id}.1", "running"))
    await parts.store.kill(KillTarget("task", task_id), KillOrder())
    with capture_logs() as lines:
        parts.supervisor.crew.kill(f"{task_id}.1", why="too dear")
        parts.supervisor.crew.kill(f"{task_id}.1", why="too dear")
    (line,) = [line for line in lines if line["event"] == "agent is asked to stop"]
    assert (line["agent_id"], line["task_id"], line["why"]) == (f"{task_id}.1", task_id, "too dear")
    await wait_until(alive(parts, 0))
