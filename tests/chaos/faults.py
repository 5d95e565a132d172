"""Carries one fault of a plan out, from its begin to its end."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from functools import partial
from typing import Final

import anyio
from redis.asyncio import Redis
from redis.exceptions import RedisError

from musterd.keys import Keys
from tests.chaos.plan import DAEMONS, ON_ALL, ON_DAEMON, ON_LINK, SERVER, Fault
from tests.chaos.stage import LIMIT, PREFIX, SET_BACK, Stage, ended, link, place
from tests.checker.promises import Break
from tests.support import ailments
from tests.support.daemon import Daemon
from tests.support.proxy import Proxy, Way
from tests.support.server import Server
from tests.support.wait import wait_until

JUNK: Final = b"x" * 65_536
"""More than a subscriber whose buffer is small may have to read."""

CALM: Final = 1.0
"""Seconds after all else in which every daemon has found the server again."""

SOMEWHERE: Final = 200
"""Bytes into a request or an answer at which a connection is cut."""


EVERYWHERE: Final = (place(SERVER), *map(place, range(DAEMONS)), *map(link, range(DAEMONS)))


async def carry_out(stage: Stage, fault: Fault) -> None:
    """Let it happen and pass; the stage is as before when this returns, or a daemon is new."""
    where = link(fault.target) if fault.name in ON_LINK else place(fault.target)
    async with AsyncExitStack() as alone:  # a drain may take longer than was planned
        for one in EVERYWHERE if fault.name in ON_ALL else (where,):
            await alone.enter_async_context(stage.locks[one])
        stage.counts[fault.name] += 1
        if fault.name in ON_ALL:
            await _set_back(stage, fault)
            return
        if fault.name in ON_DAEMON:
            await _DAEMON[fault.name](stage, fault)
            return
        with stage.troubles.during(fault.name, where):
            if fault.name in ON_LINK:
                await _on_link(stage.proxies[fault.target], fault)
            else:
                await _SERVER[fault.name](stage.server, fault)


async def _kill9(stage: Stage, fault: Fault) -> None:
    with stage.down(fault.target), stage.troubles.during(fault.name, place(fault.target)):
        stage.daemons[fault.target].kill9()
        await anyio.sleep(fault.lasts)
        await stage.bring_back(fault.target)


async def _freeze(stage: Stage, fault: Fault) -> None:
    daemon = stage.daemons[fault.target]
    with stage.troubles.during(fault.name, place(fault.target)):
        daemon.stop()
        try:
            await anyio.sleep(fault.lasts)
        finally:
            daemon.cont()


async def _drain(stage: Stage, fault: Fault) -> None:
    daemon = stage.daemons[fault.target]
    with stage.down(fault.target):  # while it drains a kill is as quick as ever
        daemon.sigterm()
        if fault.name == "second signal":
            await anyio.sleep(0.05)
            daemon.sigint()
        if not await ended(daemon):
            tail = tuple(daemon.log_text().splitlines()[-10:])
            stage.breaks.append(Break(8, f"{daemon.node} does not end", evidence=tail))
            daemon.kill9()
        with stage.troubles.during("away", place(fault.target)):
            await anyio.sleep(fault.lasts)
            await stage.bring_back(fault.target)


async def _set_back(stage: Stage, fault: Fault) -> None:
    """The daemons say again what it has lost; what only clients said, they have to repeat."""
    await anyio.sleep(CALM)
    before = [_restored(daemon) for daemon in stage.daemons]
    with stage.troubles.during(SET_BACK, place(SERVER)) as trouble:
        mark = stage.server.mark()
        await anyio.sleep(fault.lasts)
        stage.server.set_back(mark)
        await stage.repeat(trouble.start)
        for daemon, count in zip(stage.daemons, before, strict=True):
            have_all = partial(_has_restored, daemon, count)
            await wait_until(have_all, LIMIT, f"{daemon.node} has met the server that lost writes")


def _restored(daemon: Daemon) -> int:
    return daemon.log_text().count('"event":"restored what the server may have lost"')


def _has_restored(daemon: Daemon, before: int) -> bool:
    return _restored(daemon) > before


_DAEMON: Final[dict[str, Callable[[Stage, Fault], Awaitable[None]]]] = {
    "kill -9": _kill9,
    "freeze": _freeze,
    "drain": _drain,
    "second signal": _drain,
}


async def _on_link(proxy: Proxy, fault: Fault) -> None:
    actions: dict[str, Callable[[], None]] = {
        "cut": proxy.cut,
        "refuse": proxy.refuse,
        "stall": proxy.stall,
        "swallow": proxy.swallow,
        "half-close": proxy.half_close,
        "delay": lambda: proxy.delay(0.1),
        "cut in a reply": lambda: proxy.cut_within(SOMEWHERE),
        "cut in a request": lambda: proxy.cut_within(SOMEWHERE, Way.REQUESTS),
    }
    actions[fault.name]()
    try:
        await anyio.sleep(fault.lasts)
    finally:
        proxy.heal()


def _during(
    ailment: Callable[[Server], AbstractAsyncContextManager[None]],
) -> Callable[[Server, Fault], Awaitable[None]]:
    async def suffer(server: Server, fault: Fault) -> None:
        async with ailment(server):
            await anyio.sleep(fault.lasts)

    return suffer


async def _pause(server: Server, fault: Fault) -> None:
    server.pause()
    try:
        await anyio.sleep(fault.lasts)
    finally:
        server.resume()


async def _restart(server: Server, _: Fault) -> None:
    server.restart()


async def _kill(server: Server, fault: Fault) -> None:
    server.kill()
    await anyio.sleep(fault.lasts)
    server.start()


async def _disconnect(server: Server, _: Fault) -> None:
    async with Redis.from_url(server.url, single_connection_client=True) as admin:
        await ailments.disconnect_all(admin)


async def _overflow(server: Server, fault: Fault) -> None:
    async with ailments.small_buffers(server), Redis.from_url(server.url) as speaker:
        with suppress(RedisError):
            await speaker.publish(Keys(PREFIX).control, JUNK)
        await anyio.sleep(fault.lasts)


_SERVER: Final[dict[str, Callable[[Server, Fault], Awaitable[None]]]] = {
    "pause": _pause,
    "restart": _restart,
    "kill": _kill,
    "readonly": _during(ailments.readonly),
    "no memory": _during(ailments.without_memory),
    "no disk": _during(ailments.without_disk),
    "busy": _during(ailments.busy),
    "no connections": _during(ailments.without_connections),
    "disconnect": _disconnect,
    "overflow": _overflow,
}
