"""Kinds that tell how they go, and listen."""

import anyio

import musterd
from musterd.jsons import Json
from musterd.runtimes.base import Context
from tests.agents.examples import noted


@musterd.agent("chat", max_attempts=2)
async def chat(ctx: Context) -> Json:
    """Hand back all messages up to `"bye"`."""
    with noted(ctx):
        heard: list[Json] = []
        ctx.log.info("listening", attempt=ctx.attempt)
        async for message in ctx.messages:
            if message == "bye":
                break
            heard.append(message)
            ctx.progress(None, f"{len(heard)} heard")
        return heard


@musterd.agent("chat-plain")
def chat_plain(ctx: Context) -> Json:
    """The same, in a process of its own."""
    with noted(ctx):
        heard: list[Json] = []
        for message in ctx.messages:
            if message == "bye":
                break
            heard.append(message)
            ctx.progress(None, f"{len(heard)} heard")
        return heard


@musterd.agent("walk", max_attempts=3)
async def walk(ctx: Context) -> Json:
    """Take three steps in each attempt but the last; then wait to be lost. Tell where it began."""
    with noted(ctx):
        place = began = ctx.restored or 0
        for _ in range(3):
            place += 1
            await ctx.checkpoint(place)
            ctx.progress(place / 10, "walking")
        if ctx.attempt < 2:
            await anyio.sleep_forever()
        return began


@musterd.agent("walk-plain", max_attempts=3)
def walk_plain(ctx: Context) -> Json:
    """The same, in a process of its own."""
    with noted(ctx):
        place = began = ctx.restored or 0
        for _ in range(2):
            place += 1
            ctx.checkpoint(place)
            ctx.progress(place / 10, "walking")
        if ctx.attempt < 2:
            for _ in ctx.messages:
                pass
        return began


@musterd.agent("leave")
async def leave(ctx: Context) -> Json:
    """Hand back what the context says, as often as it says."""
    with noted(ctx):
        text, times = ctx.context
        return str(text) * int(times)


@musterd.agent("repeat")
async def repeat(ctx: Context) -> Json:
    """Log each message up to `"bye"`."""
    with noted(ctx):
        async for message in ctx.messages:
            ctx.log.info("heard", message=message)
            if message == "bye":
                return None
    return None


@musterd.agent("grumble")
async def grumble(ctx: Context) -> Json:
    """Fail at length."""
    with noted(ctx):
        raise RuntimeError(str(ctx.context) * 1000)


@musterd.agent("hoard")
async def hoard(ctx: Context) -> Json:
    """Keep too much."""
    with noted(ctx):
        await ctx.checkpoint("x" * 1000)
        return None


@musterd.agent("hoard-plain")
def hoard_plain(ctx: Context) -> Json:
    """The same, in a process of its own."""
    with noted(ctx):
        ctx.checkpoint("x" * 1000)
        return None


@musterd.agent("mumble")
async def mumble(ctx: Context) -> Json:
    """Say what UTF-8 does not know."""
    with noted(ctx):
        ctx.log.info("half \ud800 of it")
        ctx.progress(0.5, "\udfff")
        return "said"
