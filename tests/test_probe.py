"""The probe: what went deaf on the way to the server is dropped as soon as the server is back."""

import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from structlog.testing import capture_logs

from musterd import valkey
from musterd.link import Link
from musterd.probe import INTERVAL, LATE, PATIENCE, Probe
from tests.support.pace import within
from tests.support.proxy import Proxy, Way
from tests.support.server import Server
from tests.support.wait import pass_time

BACK = 2.0
"""Seconds within which a call fails or is answered once bytes pass again: less than it may take."""


@pytest.fixture
async def proxy(server: Server) -> AsyncIterator[Proxy]:
    """A way to the shared server that can fail."""
    with Proxy(server.url) as proxy:
        yield proxy


@pytest.fixture
def link(proxy: Proxy) -> Link:
    """What the probe tells."""
    return Link(proxy.url)


@pytest.fixture
async def redis(proxy: Proxy, link: Link) -> AsyncIterator[Redis]:
    """A client as a daemon has it, with a probe beside it."""
    async with (
        valkey.connect(proxy.url, connections=3) as redis,
        valkey.connect(proxy.url, connections=1, patience=PATIENCE) as prober,
        anyio.create_task_group() as beside,
    ):
        beside.start_soon(Probe(prober, link, redis).run)
        await redis.ping()
        yield redis
        beside.cancel_scope.cancel()


async def test_swallowed_call_fails_once_the_server_is_back(redis: Redis, proxy: Proxy) -> None:
    """It would wait for its answer for five seconds, and hold up the steps of its lane."""
    proxy.swallow()
    async with anyio.create_task_group() as calls:
        calls.start_soon(partial(_fails, redis))
        await pass_time(2 * PATIENCE)
        proxy.heal()
        with anyio.fail_after(BACK):
            while True:
                try:
                    await redis.ping()
                except RedisConnectionError:
                    continue
                break


async def _fails(redis: Redis) -> None:
    with pytest.raises(RedisConnectionError):
        await redis.ping()


async def _is_answered(redis: Redis) -> None:
    assert await redis.ping()


async def test_deaf_connection_is_not_kept_for_later(redis: Redis, proxy: Proxy) -> None:
    """One that lay idle while its bytes were lost is not used again."""
    proxy.swallow()
    await pass_time(2 * PATIENCE + INTERVAL)
    proxy.heal()
    await pass_time(PATIENCE + 2 * INTERVAL)
    with anyio.fail_after(BACK):
        await redis.ping()


async def test_deaf_connection_is_dropped_though_another_call_was_answered(
    redis: Redis, proxy: Proxy, link: Link
) -> None:
    """A lane that was closed and made anew says nothing of the one that waits."""
    proxy.swallow()
    with anyio.fail_after(valkey.ANSWER_TIMEOUT - BACK):
        async with anyio.create_task_group() as calls:
            calls.start_soon(_fails, redis)
            await pass_time(2 * PATIENCE)
            link.answered()
            proxy.heal()


async def test_connection_that_was_heard_since_is_kept(
    redis: Redis, proxy: Proxy, link: Link
) -> None:
    """Those that were closed in an outage, and made anew in it, are as good as any."""
    pool: Any = redis.connection_pool
    proxy.stall(Way.REPLIES)
    await pass_time(PATIENCE + LATE + INTERVAL)
    assert not link.up
    proxy.heal()
    await redis.ping()
    (connection,) = pool._available_connections
    await pass_time(2 * INTERVAL + PATIENCE)
    assert connection.is_connected


async def test_what_was_held_up_only_arrives(redis: Redis, proxy: Proxy) -> None:
    """A call that the server answers late is not cut off."""
    proxy.stall()
    async with anyio.create_task_group() as calls:
        calls.start_soon(_is_answered, redis)
        await pass_time(2 * PATIENCE)
        proxy.heal()


async def test_silence_is_told_once(redis: Redis, proxy: Proxy, link: Link) -> None:
    """The link is down within a second, and counts anew after that."""
    proxy.swallow()
    with anyio.fail_after(within(2 * PATIENCE + INTERVAL)):
        while link.up:
            await pass_time(0.01)
    assert link.unbroken() == 0.0
    proxy.heal()
    await pass_time(PATIENCE + 2 * INTERVAL)
    assert await redis.ping()


async def test_own_standstill_is_no_silence(proxy: Proxy, link: Link) -> None:
    """An agent blocks the event loop, and the answer lies unread for longer than the patience."""
    proxy.delay(0.05)
    async with (
        valkey.connect(proxy.url, connections=1, patience=PATIENCE) as prober,
        anyio.create_task_group() as beside,
    ):
        beside.start_soon(Probe(prober, link).run)
        pool: Any = prober.connection_pool
        await prober.ping()
        with capture_logs() as lines:
            for _ in range(3):
                with anyio.fail_after(within(5)):
                    while not pool._in_use_connections:
                        await anyio.lowlevel.checkpoint()
                await pass_time(0.02)
                time.sleep(PATIENCE + LATE + 0.02)  # noqa: ASYNC251 - so it stands still
                await pass_time(2 * INTERVAL)
        beside.cancel_scope.cancel()
    assert [line["event"] for line in lines] == []
