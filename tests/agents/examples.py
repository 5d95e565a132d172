"""Kinds that tests run: each does one thing, and notes in the ledger when its body ran.

`LEDGER` in the environment names the ledger's folder; without it nothing is noted.
"""

import contextlib
import os
import signal
from typing import NoReturn

import anyio

import musterd
from musterd.jsons import Json
from musterd.runtimes.base import Context, ContextRejected
from tests.checker.ledger import entry


def noted(ctx: Context) -> contextlib.AbstractContextManager[None]:
    """Two lines in the ledger around a body."""
    folder = os.environ.get("LEDGER")
    return entry(folder, ctx.agent_id) if folder else contextlib.nullcontext()


@musterd.agent("echo")
async def echo(ctx: Context) -> Json:
    """Hand back the context."""
    with noted(ctx):
        return {"attempt": ctx.attempt, "context": ctx.context}


@musterd.agent("hold", max_attempts=2)
async def hold(ctx: Context) -> Json:
    """Run until stopped."""
    with noted(ctx):
        await anyio.sleep_forever()
    return None


@musterd.agent("limited", max_concurrent=2)
async def limited(ctx: Context) -> Json:
    """Run until stopped; two at once on each daemon."""
    with noted(ctx):
        await anyio.sleep_forever()
    return None


@musterd.agent("brief")
async def brief(ctx: Context) -> Json:
    """Take as many seconds as the context says, then hand back a result."""
    with noted(ctx):
        assert isinstance(ctx.context, int | float)
        await anyio.sleep(ctx.context)
        return "done"


@musterd.agent("gate")
async def gate(ctx: Context) -> Json:
    """Run until the file that the context names is there."""
    with noted(ctx):
        while not await anyio.Path(str(ctx.context)).exists():  # noqa: ASYNC110, no event comes
            await anyio.sleep(0.005)
        return "passed"


@musterd.agent("flaky", max_attempts=3, backoff=0.02)
async def flaky(ctx: Context) -> Json:
    """Fail until the last attempt."""
    with noted(ctx):
        if ctx.attempt < 3:
            raise RuntimeError(f"attempt {ctx.attempt} fails")
        return ctx.attempt


@musterd.agent("doomed", max_attempts=2, backoff=600.0, backoff_max=600.0)
async def doomed(ctx: Context) -> NoReturn:
    """Fail, and wait ten minutes for the retry."""
    with noted(ctx):
        raise RuntimeError("no good")


@musterd.agent("picky", max_attempts=3)
async def picky(ctx: Context) -> NoReturn:
    """Accept no context."""
    with noted(ctx):
        raise ContextRejected("it needs a path")


@musterd.agent("careful")
async def careful(ctx: Context) -> Json:
    """Clean up for as many seconds as the context says before it stops."""
    with noted(ctx):
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                assert isinstance(ctx.context, int | float)
                await anyio.sleep(ctx.context)
    return None


@musterd.agent("worker")
def worker(ctx: Context) -> Json:
    """Run in a process of its own until stopped."""
    with noted(ctx):
        signal.pause()
    return None
