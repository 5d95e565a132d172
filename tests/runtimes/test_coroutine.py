"""Agents that are coroutine functions."""

import asyncio
import sys
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from musterd.runtimes.base import AgentFailed, Context, ContextRejected
from musterd.runtimes.coroutine import CoroutineRuntime
from tests.support.contexts import make_context


async def test_a_result_is_returned() -> None:
    """The function is given its context, and what it returns is the result."""

    async def double(ctx: Context) -> Any:
        ctx.log.info("doubling", number=ctx.context)
        return {"double": 2 * ctx.context}

    with capture_logs() as lines:
        result = await CoroutineRuntime(double).run(make_context(context=21))
    assert result == {"double": 42}
    assert [(line["event"], line["number"]) for line in lines] == [("doubling", 21)]


@pytest.mark.parametrize("error", [ValueError("no"), ContextRejected("no"), AgentFailed("no")])
async def test_an_exception_is_passed_on(error: Exception) -> None:
    """Who called decides what an exception means."""

    async def fail(_: Context) -> Any:
        raise error

    with pytest.raises(type(error), match="no"):
        await CoroutineRuntime(fail).run(make_context())


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

    with pytest.raises(AgentFailed, match="over 1048576"):
        await CoroutineRuntime(give_much).run(make_context())


async def test_an_agent_cannot_exit_the_daemon() -> None:
    """sys.exit fails the agent alone."""

    async def leave(_: Context) -> Any:
        sys.exit(3)

    with pytest.raises(AgentFailed, match="SystemExit: 3"):
        await CoroutineRuntime(leave).run(make_context())


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
