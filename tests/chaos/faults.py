"""Carries one fault of a plan out, from its begin to its end."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final

import anyio
from redis.asyncio import Redis
from redis.exceptions import RedisError

from musterd.keys import Keys
from tests.chaos.plan import ON_DAEMON, ON_LINK, Fault
from tests.chaos.stage import PREFIX, Stage, ended, link, place
from tests.checker.promises import Break
from tests.support import ailments
from tests.support.proxy import Proxy, Way
from tests.support.server import Server

JUNK: Final = b"x" * 65_536
"""More than a subscriber whose buffer is small may have to read."""

SOMEWHERE: Final = 200
"""Bytes into a request or an answer at which a connection is cut."""


async def carry_out(stage: Stage, fault: Fault) -> None:
    """Let it happen and pass; the stage is as before when this returns, or a daemon is new."""
    where = link(fault.target) if fault.name in ON_LINK else place(fault.target)
    async with stage.locks[where]:  # a drain may take longer than was planned
        stage.counts[fault.name] += 1
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
        await anyio.sleep(fault.lasts)
        await stage.bring_back(fault.target)


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
