"""The listener itself: subscriptions that are lost, silence, and its end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from structlog.testing import capture_logs

from musterd import valkey
from musterd.control import Control, _grace
from musterd.orders import Orders
from musterd.runtimes.base import Context
from tests.service.parts import Parts, make_kind, open_parts
from tests.support.fixtures import LoadSettings, StartServer
from tests.support.wait import wait_until


async def nothing(_: Context) -> None:
    """Never run here."""


@asynccontextmanager
async def listening(parts: Parts) -> AsyncIterator[Control]:
    """A control channel that is subscribed."""
    drained = anyio.Event()
    orders = Orders(parts.store, parts.reads, parts.supervisor, parts.membership, drained.set)
    async with valkey.connect(parts.settings.server_url, connections=4, decode=False) as listener:
        control = Control(listener, parts.keys, parts.settings, orders, parts.supervisor)
        async with anyio.create_task_group() as group:
            group.start_soon(control.run)
            with anyio.fail_after(5):
                await control.subscribed.wait()
            yield control
            group.cancel_scope.cancel()


async def hears(parts: Parts, count: int = 1) -> None:
    """Return when so many listen on the control channel."""

    async def is_heard() -> bool:
        found = await parts.redis.pubsub_numsub(parts.keys.control)
        return bool(found[0][1] == count)

    await wait_until(is_heard)


async def test_lost_subscription_is_made_again(settings: LoadSettings) -> None:
    """The loss is told once, and so is the end of it."""
    async with open_parts(settings(), make_kind(nothing)) as parts, listening(parts):
        with capture_logs() as lines:
            for _ in range(3):
                await parts.redis.client_kill_filter(_type="pubsub")
                await hears(parts)
                await wait_until(lambda: lines and lines[-1]["event"] == "control channel back")
    assert [line["event"] for line in lines] == ["control channel lost", "control channel back"] * 3


@pytest.mark.usefixtures("prefix")
async def test_server_that_falls_silent_is_noticed(
    own_server: StartServer, settings: LoadSettings
) -> None:
    """A connection that stays open and answers nothing is given up, and made anew."""
    server = own_server()
    near = settings(url=server.url, heartbeat_ttl=1)
    async with open_parts(near, make_kind(nothing)) as parts, listening(parts):
        with capture_logs() as lines:
            server.pause()
            await wait_until(lambda: [line["event"] for line in lines] == ["control channel lost"])
            server.resume()
            await wait_until(lambda: lines[-1]["event"] == "control channel back", 10)
        await hears(parts)


async def test_stop_waits_for_what_was_heard(settings: LoadSettings) -> None:
    """Each command that was heard before is answered; nothing is heard afterwards."""
    async with open_parts(settings(), make_kind(nothing)) as parts, listening(parts) as control:
        reply = f"{parts.keys.reply}x"
        async with parts.redis.pubsub() as pubsub:
            await pubsub.subscribe(reply)
            assert await pubsub.get_message(timeout=5)
            for _ in range(50):
                await parts.redis.publish(
                    parts.keys.control, f'{{"command":"pause","replyTo":"{reply}"}}'
                )
            assert await pubsub.get_message(timeout=5)
            await control.stop()
            await hears(parts, 0)
        assert parts.supervisor.paused


@pytest.mark.parametrize(
    ("request_text", "grace"),
    [
        ('{"grace": 2.5}', 2.5),
        ('{"grace": 0}', 0.0),
        ("{}", None),
        ('{"grace": -1}', None),
        ('{"grace": NaN}', None),
        ('{"grace": "soon"}', None),
        ('{"grace": null}', None),
        ('{"grace": 1' + "0" * 400 + "}", None),
        ("[1]", None),
        ("", None),
        ("[" * 100_000, None),
        ("\ud800", None),
    ],
)
def test_grace_of_a_request(request_text: str, grace: float | None) -> None:
    """A number of seconds, or none: whatever stands there by hand is a request all the same."""
    assert _grace(request_text.encode("utf-8", "surrogatepass")) == grace
