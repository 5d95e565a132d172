"""Agents that are coroutine functions."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from musterd.failures import describe
from musterd.runtimes.base import AgentFailed, Context, ContextRejected
from musterd.runtimes.coroutine import CoroutineRuntime, contain
from tests.support.contexts import PaperDesk, make_context

Function = Callable[[], Coroutine[Any, Any, None]]


async def test_a_result_is_returned() -> None:
    """The function is given its context, and what it returns is the result, as JSON."""

    async def double(ctx: Context) -> Any:
        ctx.log.info("doubling", number=ctx.context)
        return {"double": 2 * ctx.context}

    with capture_logs() as lines:
        result = await CoroutineRuntime(double).run(make_context(context=21))
    assert result == '{"double":42}'
    assert [(line["event"], line["number"]) for line in lines] == [("doubling", 21)]


@pytest.mark.parametrize("error", [ValueError("no"), ContextRejected("no"), AgentFailed("no")])
async def test_an_exception_is_passed_on(error: Exception) -> None:
    """Who called decides what an exception means."""

    async def fail(_: Context) -> Any:
        raise error

    with pytest.raises(type(error), match="no"):
        await CoroutineRuntime(fail).run(make_context())


async def test_a_traceback_is_output() -> None:
    """It begins with the agent's own frame, and goes to its output and to the log."""
    context = make_context()

    async def fail(_: Context) -> Any:
        raise ValueError("no such thing")

    with capture_logs() as logged, pytest.raises(ValueError, match="no such thing"):
        await CoroutineRuntime(fail).run(context)
    assert isinstance(context.desk, PaperDesk)
    first, second, third, *_, last = (line for _, line in context.desk.lines)
    assert first == "Traceback (most recent call last):"
    assert second.endswith("in fail")
    assert third.strip() == 'raise ValueError("no such thing")'
    assert last == "ValueError: no such thing"
    assert [(line["stream"], line["line"]) for line in logged] == context.desk.lines
    assert {stream for stream, _ in context.desk.lines} == {"stderr"}


@pytest.mark.parametrize("error", [ContextRejected("no"), AgentFailed("no"), SystemExit(3)])
async def test_words_have_no_traceback(error: BaseException) -> None:
    """What an agent says of its failure in words is told in words."""
    context = make_context()

    async def fail(_: Context) -> Any:
        raise error

    with pytest.raises((ContextRejected, AgentFailed)):
        await CoroutineRuntime(fail).run(context)
    assert isinstance(context.desk, PaperDesk)
    assert context.desk.lines == []


class UnreadableError(Exception):
    """Its own code fails where a traceback asks for its notes."""

    @property
    def __notes__(self) -> list[str]:  # type: ignore[override]  # a list, where it is one
        raise RuntimeError("notes")


async def test_an_exception_that_cannot_be_shown() -> None:
    """It is passed on all the same."""

    async def fail(_: Context) -> Any:
        raise UnreadableError("no")

    with pytest.raises((UnreadableError, RuntimeError)) as caught:
        await CoroutineRuntime(fail).run(make_context())
    assert caught.type is UnreadableError


async def test_a_result_that_is_no_json_fails() -> None:
    """The error names the type that was returned."""

    async def give_set(_: Context) -> Any:
        return {1, 2}

    with pytest.raises(AgentFailed, match="its result is a set, not a JSON value"):
        await CoroutineRuntime(give_set).run(make_context())


async def test_a_result_that_is_too_large_fails() -> None:
    """A result is at most 1 MiB of JSON."""

    async def give_much(_: Context) -> Any:
        return "x" * 1024 * 1024

    with pytest.raises(AgentFailed, match=r"^result: 1048578 bytes of JSON, at most 1048576 are"):
        await CoroutineRuntime(give_much).run(make_context())


async def test_an_agent_cannot_exit_the_daemon() -> None:
    """sys.exit fails the agent alone."""

    async def leave(_: Context) -> Any:
        sys.exit(3)

    with pytest.raises(AgentFailed, match="SystemExit: 3"):
        await CoroutineRuntime(leave).run(make_context())


async def leave() -> None:
    """Exit after a step, as the main function of a command does."""
    await asyncio.sleep(0)
    sys.exit(3)


async def interrupt() -> None:
    """Raise what Ctrl-C raises, before the first await."""
    raise KeyboardInterrupt


async def in_a_task(function: Function) -> None:
    """Await it in a task."""
    await asyncio.ensure_future(function())


async def in_a_group(function: Function) -> None:
    """Run it in asyncio's task group, beside one that is cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(60))
        group.create_task(in_a_task(function))


async def in_a_group_of_anyio(function: Function) -> None:
    """Run it in anyio's task group, beside some that are cancelled."""
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever)
        group.start_soon(function)
        group.start_soon(anyio.sleep_forever)


async def from_a_thread(function: Function) -> None:
    """Run it for a thread."""
    await anyio.to_thread.run_sync(anyio.from_thread.run, function)


@pytest.fixture
async def contained() -> AsyncIterator[None]:
    """The loop is kept from what agents' tasks raise."""
    contain()
    yield
    asyncio.get_running_loop().set_task_factory(None)


@pytest.mark.usefixtures("contained")
@pytest.mark.parametrize("way", [in_a_task, in_a_group, in_a_group_of_anyio, from_a_thread])
@pytest.mark.parametrize(("function", "told"), [(leave, "SystemExit: 3"), (interrupt, "Keyboard")])
async def test_a_task_of_an_agent_cannot_exit_the_daemon(
    way: Callable[[Any], Awaitable[None]], function: Function, told: str
) -> None:
    """It fails with what it raised, and so does the agent."""

    async def start(_: Context) -> Any:
        await way(function)

    with pytest.raises((AgentFailed, ExceptionGroup)) as caught:
        await CoroutineRuntime(start).run(make_context())
    assert told in describe(caught.value, 4096)


@pytest.mark.usefixtures("contained")
async def test_a_task_that_nobody_awaits_cannot_exit_the_daemon() -> None:
    """It may even end after its agent."""
    tasks = []

    async def start(_: Context) -> Any:
        tasks.append(asyncio.ensure_future(leave()))

    await CoroutineRuntime(start).run(make_context())
    (task,) = tasks
    with pytest.raises(AgentFailed):
        await task


@pytest.mark.usefixtures("contained")
async def test_a_task_cancelled_before_its_first_step() -> None:
    """Python does not warn of a coroutine that was never awaited."""

    async def start(_: Context) -> Any:
        task = asyncio.ensure_future(leave())
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert await CoroutineRuntime(start).run(make_context()) == "true"
    gc.collect()


async def test_containing_keeps_a_task_factory() -> None:
    """A factory that is there still makes the tasks; those of the daemon itself are left alone."""
    loop = asyncio.get_running_loop()
    made: list[Any] = []

    def create(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> Any:
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def start(_: Context) -> Any:
        return await asyncio.create_task(asyncio.sleep(0, "slept"), name="sleeper")

    loop.set_task_factory(create)
    try:
        contain()
        assert await CoroutineRuntime(start).run(make_context()) == '"slept"'
        plain = asyncio.sleep(0)
        await asyncio.create_task(plain)
    finally:
        loop.set_task_factory(None)
    assert made[1:] == [plain]


async def test_a_cancellation_of_its_own_is_a_failure() -> None:
    """A cancelled future that it awaits does not make the agent look stopped."""

    async def await_cancelled(_: Context) -> Any:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    with pytest.raises(AgentFailed, match="cancelled by something"):
        await CoroutineRuntime(await_cancelled).run(make_context())


async def test_cancelling_the_scope_stops_it() -> None:
    """A stopped agent unwinds before the scope is left."""
    unwound = []

    async def wait(_: Context) -> Any:
        try:
            await anyio.sleep_forever()
        finally:
            unwound.append(True)

    with anyio.CancelScope() as scope:
        scope.cancel()
        await CoroutineRuntime(wait).run(make_context())
    assert scope.cancelled_caught
    assert unwound
