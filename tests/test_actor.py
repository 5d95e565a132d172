"""One attempt, from its claim to its one ending, on the real server."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from musterd.actor import Actor, Stop
from musterd.clocks import boottime
from musterd.jsons import MAX_BYTES, Json
from musterd.moves import KillOrder, KillTarget
from musterd.runtimes.base import AgentFailed, Context, ContextRejected, OutOfMemory
from tests.checker.checking import checking
from tests.service.parts import Parts, make_kind, open_parts
from tests.support.fixtures import LoadSettings, StartServer
from tests.support.pace import within
from tests.support.proxy import Proxy, Way
from tests.support.server import Server
from tests.support.wait import wait_until

Body = Callable[[Context], Awaitable[Any]]


class PanicError(BaseException):
    """What an extension module may raise: no Exception."""


@pytest.fixture
async def parts(server: Server, prefix: str, settings: LoadSettings) -> AsyncIterator[Parts]:
    """A daemon's parts, held to the promises."""
    async with checking(server.url, prefix), open_parts(settings(kill_grace=1)) as parts:
        yield parts


async def make_actor(
    parts: Parts, body: Body, *, jitter: float = 0.5, task: Any = None, **options: Any
) -> Actor:
    """An actor of a task that was claimed just now."""
    kind = make_kind(body, **options)
    parts.kinds[kind.name] = kind
    await parts.submit(**(task or {}))
    return await next_attempt(parts, jitter)


async def next_attempt(parts: Parts, jitter: float) -> Actor:
    """An actor of the task that is next."""
    claim, kind = await parts.claim(), parts.kinds["work"]
    desk = parts.desks.open(claim)
    return Actor(
        claim, kind, parts.store, desk, parts.settings, owner=parts.owner, jitter=lambda: jitter
    )


async def ending(parts: Parts, actor: Actor) -> tuple[str, str | None, str, str | None]:
    """Status and reason of the agent and of its task."""
    agent = await parts.agent(actor.claim.agent_id)
    task = await parts.task(actor.claim.task_id)
    return agent.status, agent.reason, task.status, task.reason


def returning(value: Any) -> Body:
    """A body that hands back a value."""

    async def body(_: Context) -> Any:
        return value

    return body


def raising(error: BaseException) -> Body:
    """A body that raises."""

    async def body(_: Context) -> None:
        raise error

    return body


async def forever(_: Context) -> None:
    """A body that runs until it is stopped."""
    await anyio.sleep_forever()


@pytest.mark.parametrize("value", [None, 0, "", [], {"a": [1, None, "ü"]}, "x" * 1000])
async def test_value_is_the_result(parts: Parts, value: Json) -> None:
    """What a body returns is its agent's and its task's result."""
    actor = await make_actor(parts, returning(value))
    await actor.run()
    assert await ending(parts, actor) == ("completed", None, "completed", None)
    assert (await parts.agent(actor.claim.agent_id)).result == value
    assert (await parts.task(actor.claim.task_id)).result == value


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no such file"), "ValueError: no such file"),
        (KeyError(), "KeyError"),
        (AgentFailed("exit code 3"), "exit code 3"),
        (ExceptionGroup("both", [ValueError("a"), OSError("b")]), "ValueError: a; OSError: b"),
        (ExceptionGroup("", [ExceptionGroup("", [AgentFailed("deep")])]), "deep"),
        (SystemExit(3), "raised SystemExit: 3"),
        (KeyboardInterrupt(), "raised KeyboardInterrupt"),
        (BaseExceptionGroup("", [SystemExit(3), ValueError("a")]), "SystemExit: 3; ValueError: a"),
        (PanicError("index out of range"), "PanicError: index out of range"),
        (ValueError("half a pair \ud800"), "ValueError: half a pair ?"),
        (ValueError("\0\n\x1b"), "ValueError: \0\n\x1b"),
        (ValueError("x" * 5000), "ValueError: " + "x" * (4096 - 12) + "…"),
        (asyncio.CancelledError(), "was cancelled by something that it awaited"),
    ],
)
async def test_exception_is_a_failure(parts: Parts, error: BaseException, text: str) -> None:
    """Whatever is raised ends the agent as failed, in words; it ends nothing else."""
    actor = await make_actor(parts, raising(error))
    await actor.run()
    assert await ending(parts, actor) == ("failed", "error", "failed", "error")
    assert (await parts.agent(actor.claim.agent_id)).error == text


async def test_failure_is_no_garbage(parts: Parts) -> None:
    """Nothing of it waits for the garbage collector, which looks seldom: it may hold a lot."""

    async def body(_: Context) -> None:
        raise PanicError("index out of range")

    actor = await make_actor(parts, body)
    claim = actor.claim
    gc.disable()
    try:
        await actor.run()
        del actor
        actors = (one for one in gc.get_objects() if isinstance(one, Actor))
        assert claim not in [one.claim for one in actors]
    finally:
        gc.enable()


@pytest.mark.parametrize("value", [{1, 2}, object(), float("nan"), "\ud800", "x" * (MAX_BYTES + 1)])
async def test_result_that_is_no_json_fails(parts: Parts, value: Any) -> None:
    """A result that cannot be kept is a failure that says so."""
    actor = await make_actor(parts, returning(value))
    await actor.run()
    assert await ending(parts, actor) == ("failed", "error", "failed", "error")
    assert "result" in ((await parts.agent(actor.claim.agent_id)).error or "")


async def test_out_of_memory_is_retried(parts: Parts) -> None:
    """With the reason that says so: a machine that was short of memory may have some next time."""
    body = raising(OutOfMemory("out of memory: killed by SIGKILL"))
    actor = await make_actor(parts, body, max_attempts=2, backoff=0.0)
    await actor.run()
    assert actor.failed
    assert await ending(parts, actor) == ("failed", "oom", "pending", None)
    second = await next_attempt(parts, 0.5)
    await second.run()
    assert await ending(parts, second) == ("failed", "oom", "failed", "oom")
    assert (await parts.agent(second.claim.agent_id)).error == "out of memory: killed by SIGKILL"


async def test_processor_time_is_on_the_record(parts: Parts) -> None:
    """In seconds, as soon as the agent has ended, however that was."""

    async def body(context: Context) -> None:
        context.cpu_seconds = 1.2345
        raise AgentFailed("no use")

    actor = await make_actor(parts, body)
    with capture_logs() as lines:
        await actor.run()
    assert (await parts.agent(actor.claim.agent_id)).cpu_seconds == 1.234
    assert [line["cpu"] for line in lines if line["event"] == "agent ended"] == [1.234]


async def test_rejected_context_is_not_retried(parts: Parts) -> None:
    """Another attempt would not mend it."""
    actor = await make_actor(parts, raising(ContextRejected("needs a path")), max_attempts=3)
    await actor.run()
    assert await ending(parts, actor) == ("failed", "rejected", "failed", "rejected")


async def test_context_that_is_no_json_is_rejected(parts: Parts) -> None:
    """A record that was changed by hand: the body never runs."""
    actor = await make_actor(parts, returning(1), task={"context": "fine"})
    actor.claim = replace(actor.claim, context_json="{broken")
    await actor.run()
    assert await ending(parts, actor) == ("failed", "rejected", "failed", "rejected")


async def test_timeout_ends_the_attempt(parts: Parts) -> None:
    """The body is stopped, and the next attempt waits for its turn."""
    actor = await make_actor(parts, forever, timeout=0.05, max_attempts=2, backoff=600.0)
    with anyio.fail_after(within(5)):
        await actor.run()
    assert await ending(parts, actor) == ("failed", "timeout", "pending", None)
    agent = await parts.agent(actor.claim.agent_id)
    assert agent.error == "it ran for longer than its timeout of 0.05 s"
    await parts.store.kill(KillTarget("task", actor.claim.task_id), KillOrder())


async def test_task_may_set_its_own_timeout(parts: Parts) -> None:
    """It wins over the kind's."""
    actor = await make_actor(parts, forever, timeout=600.0, task={"timeout": 0.05})
    with anyio.fail_after(within(5)):
        await actor.run()
    assert await ending(parts, actor) == ("failed", "timeout", "failed", "timeout")


@pytest.mark.parametrize(
    ("attempt", "jitter", "seconds"),
    [(1, 0.0, 5.0), (1, 1.0, 10.0), (2, 0.0, 10.0), (2, 1.0, 20.0), (3, 0.5, 22.5), (9, 1.0, 30.0)],
)
async def test_retry_waits_twice_as_long_each_time(
    parts: Parts, attempt: int, jitter: float, seconds: float
) -> None:
    """From half to the whole of the backoff, which doubles up to its longest."""
    options = {"backoff": 10.0, "backoff_max": 30.0, "max_attempts": 10}
    actor = await make_actor(parts, raising(OSError()), jitter=jitter, **options)
    for number in range(1, attempt + 1):
        await actor.run()
        task_id = actor.claim.task_id
        assert await ending(parts, actor) == ("failed", "error", "pending", None)
        if number < attempt:
            await parts.redis.zadd(parts.keys.scheduled, {task_id: 0})
            actor = await next_attempt(parts, jitter)
    due = await parts.redis.zscore(parts.keys.scheduled, task_id)
    failed = await parts.redis.zscore(parts.keys.agents("failed"), actor.claim.agent_id)
    assert due - failed == seconds * 1000
    await parts.store.kill(KillTarget("task", task_id), KillOrder())


async def run_until_started(
    parts: Parts, actor: Actor, then: Callable[[], Awaitable[None] | None]
) -> None:
    """Run an actor, and do something as soon as its body may run."""
    with anyio.fail_after(within(5)):
        async with anyio.create_task_group() as group:
            group.start_soon(actor.run)
            await wait_until(lambda: actor.started)
            assert await parts.is_status(actor.claim.agent_id, "running")
            done = then()
            if done is not None:
                await done


async def kill(parts: Parts, actor: Actor) -> None:
    """Write a kill down; the actor is not told."""
    await parts.store.kill(KillTarget("agent", actor.claim.agent_id), KillOrder(reason="why"))


@pytest.mark.parametrize(
    ("cause", "status", "reason"),
    [
        (Stop.KILL, "killed", "killed"),
        (Stop.SHUTDOWN, "failed", "shutdown"),
        (Stop.EXPIRED, "failed", "lost"),
    ],
)
async def test_cause_decides_the_ending(
    parts: Parts, cause: Stop, status: str, reason: str
) -> None:
    """Not what the body raises when it is cancelled."""
    started = anyio.Event()

    async def body(_: Context) -> None:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            raise OSError("half done")

    actor = await make_actor(parts, body)
    async with anyio.create_task_group() as group:
        group.start_soon(actor.run)
        await started.wait()
        actor.stop(cause)
    assert await ending(parts, actor) == (status, reason, "failed", reason)
    assert (await parts.agent(actor.claim.agent_id)).error == "OSError: half done"


async def test_shutdown_is_retried_at_once(parts: Parts) -> None:
    """While attempts are left; nobody waits for a backoff."""
    actor = await make_actor(parts, forever, max_attempts=2, backoff=600.0)
    await run_until_started(parts, actor, lambda: actor.stop(Stop.SHUTDOWN))
    assert await ending(parts, actor) == ("failed", "shutdown", "pending", None)
    assert await parts.redis.zrange(parts.keys.queue("work"), 0, -1) == [actor.claim.task_id]
    await parts.store.kill(KillTarget("task", actor.claim.task_id), KillOrder())


async def test_old_word_to_start_is_not_followed(
    server: Server, prefix: str, settings: LoadSettings
) -> None:
    """It was held up for longer than the lease; another daemon has settled the agent since."""
    ran = False

    async def body(_: Context) -> None:
        nonlocal ran
        ran = True

    with Proxy(server.url) as proxy:
        async with (
            checking(server.url, prefix),
            open_parts(settings()) as near,
            open_parts(settings(url=proxy.url, heartbeat_ttl=1)) as parts,
            anyio.create_task_group() as running,
        ):
            actor = await make_actor(parts, body)
            proxy.stall(Way.REPLIES)
            running.start_soon(actor.run)
            await wait_until(lambda: near.is_status(actor.claim.agent_id, "running"))
            await near.store.settle(
                [actor.claim.agent_id], near.settings.node, ended=[near.owner.partition("/")[2]]
            )
            began = anyio.current_time()
            await wait_until(lambda: anyio.current_time() > began + 0.4)
            proxy.heal()
            await wait_until(lambda: actor.gone)
            assert await ending(near, actor) == ("failed", "lost", "failed", "lost")
    assert not ran


@pytest.mark.parametrize(("renewals", "runs"), [(0.0, [True]), (1.0, [])])
async def test_only_a_fresh_claim_is_the_word_to_start(
    parts: Parts, renewals: float, runs: list[bool]
) -> None:
    """Its lease cannot be over: nobody is asked. After a renewal's time the server is."""
    ran = []

    async def body(_: Context) -> None:
        ran.append(True)

    actor = await make_actor(parts, body)
    actor.claimed_at = boottime() - renewals * parts.settings.heartbeat_interval
    await parts.store.settle(
        [actor.claim.agent_id], parts.settings.node, ended=[parts.owner.rpartition("/")[2]]
    )
    await actor.run()
    assert await ending(parts, actor) == ("failed", "lost", "failed", "lost")
    assert ran == runs


async def test_lost_agent_writes_nothing(parts: Parts) -> None:
    """It belongs to another owner, whatever it was stopped for before."""
    actor = await make_actor(parts, forever)

    def stop() -> None:
        actor.stop(Stop.KILL)
        actor.stop(Stop.LOST)

    await run_until_started(parts, actor, stop)
    assert await ending(parts, actor) == ("running", None, "executing", None)
    await parts.store.settle(
        [actor.claim.agent_id], parts.settings.node, ended=[parts.owner.rpartition("/")[2]]
    )


async def test_kill_that_is_recorded_wins_over_a_shutdown(parts: Parts) -> None:
    """The server's order decides, not which word reached the actor first."""
    actor = await make_actor(parts, forever, max_attempts=2)

    async def stop() -> None:
        await kill(parts, actor)
        actor.stop(Stop.SHUTDOWN)
        actor.stop(Stop.KILL)

    await run_until_started(parts, actor, stop)
    assert await ending(parts, actor) == ("killed", "killed", "failed", "killed")


async def test_kill_before_the_start_runs_nothing(parts: Parts) -> None:
    """Not even what stands before the body's first await."""
    ran = []

    async def body(_: Context) -> None:
        ran.append(True)

    actor = await make_actor(parts, body)
    await kill(parts, actor)
    await actor.run()
    assert await ending(parts, actor) == ("killed", "killed", "failed", "killed")
    assert not ran


async def test_stop_before_the_run_runs_nothing(parts: Parts) -> None:
    """An agent that is claimed while the daemon shuts down is given back."""
    ran = []

    async def body(_: Context) -> None:
        ran.append(True)

    actor = await make_actor(parts, body)
    actor.stop(Stop.SHUTDOWN)
    await actor.run()
    assert await ending(parts, actor) == ("failed", "shutdown", "failed", "shutdown")
    assert not ran


async def test_body_that_swallows_the_kill_is_killed_and_keeps_its_result(parts: Parts) -> None:
    """The request was recorded before the ending."""

    async def body(_: Context) -> str:
        with contextlib.suppress(anyio.get_cancelled_exc_class()):
            await anyio.sleep_forever()
        return "saved"

    actor = await make_actor(parts, body)

    async def stop() -> None:
        await kill(parts, actor)
        actor.stop(Stop.KILL)

    await run_until_started(parts, actor, stop)
    assert await ending(parts, actor) == ("killed", "killed", "failed", "killed")
    assert (await parts.agent(actor.claim.agent_id)).result == "saved"


async def test_grace_can_be_shortened_while_it_stops(parts: Parts) -> None:
    """The runtime reads it from the context when it needs it."""
    actor = await make_actor(parts, forever)
    assert actor.context.grace == 1.0
    actor.stop(Stop.SHUTDOWN, 0.5)
    actor.stop(Stop.SHUTDOWN)
    assert actor.context.grace == 0.5
    await actor.run()


async def test_superseded_agent_runs_nothing(parts: Parts) -> None:
    """A start that the server refuses is no start."""
    ran = []

    async def body(_: Context) -> None:
        ran.append(True)

    actor = await make_actor(parts, body)
    await parts.store.settle(
        [actor.claim.agent_id], parts.settings.node, ended=[parts.owner.rpartition("/")[2]]
    )
    await actor.run()
    assert await ending(parts, actor) == ("failed", "lost", "failed", "lost")
    assert not ran


@pytest.mark.usefixtures("prefix")
async def test_last_write_can_be_given_up(own_server: StartServer, settings: LoadSettings) -> None:
    """While Valkey is away the actor waits for its last write, until it is told not to."""
    server = own_server()
    stop = anyio.Event()

    async def body(_: Context) -> None:
        await stop.wait()

    async with open_parts(settings(url=server.url)) as parts:
        actor = await make_actor(parts, body)
        with anyio.fail_after(within(5)):
            async with anyio.create_task_group() as group:
                group.start_soon(actor.run)
                await wait_until(lambda: parts.is_status(actor.claim.agent_id, "running"))
                server.stop()
                stop.set()
                await wait_until(lambda: not parts.link.up)
                actor.abandon()
