"""The listener itself: subscriptions that are lost, silence, and its end."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import anyio
import anyio.lowlevel
import pytest
from structlog.testing import capture_logs

from musterd import valkey
from musterd.bell import Bell
from musterd.control import Control
from musterd.kill_requests import read
from musterd.moves import KillOrder
from musterd.orders import HELD, Orders
from musterd.runtimes.base import Context
from musterd.subscription import Subscription
from tests.service.parts import Parts, claiming, make_kind, open_parts
from tests.service.scene import next_reply
from tests.support.fixtures import LoadSettings, StartServer
from tests.support.pace import within
from tests.support.wait import wait_until


async def nothing(_: Context) -> None:
    """Never run here."""


async def forever(_: Context) -> None:
    """Run until stopped."""
    await anyio.sleep_forever()


class Ask(Protocol):
    """What `asking` gives."""

    async def __call__(self, *commands: dict[str, Any], count: int) -> list[Any]:
        """Publish commands; the first `count` replies."""


@asynccontextmanager
async def listening(parts: Parts) -> AsyncIterator[Control]:
    """A control channel that is subscribed."""
    drained = anyio.Event()
    orders = Orders(
        parts.store, parts.notes, parts.reads, parts.supervisor, parts.membership, drained.set
    )
    async with valkey.connect(parts.settings.server_url, connections=4, decode=False) as listener:
        subscription = Subscription(
            listener, parts.settings, parts.link, float, anyio.lowlevel.checkpoint
        )
        control = Control(
            subscription,
            listener,
            parts.keys,
            parts.settings,
            orders,
            parts.supervisor,
            parts.troubles,
        )
        async with anyio.create_task_group() as group:
            group.start_soon(control.run)
            with anyio.fail_after(within(5)):
                await subscription.confirmed.wait()
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
            for told in (2, 4, 6):
                await parts.redis.client_kill_filter(_type="pubsub")
                await wait_until(lambda: len(lines) == told)  # noqa: B023 - done with in the loop
                await hears(parts)
    assert [line["event"] for line in lines] == ["control channel lost", "control channel back"] * 3


class CountedBell(Bell):
    """A bell that counts how often it is rung."""

    rings = 0

    def ring(self) -> None:
        """As ever."""
        self.rings += 1
        super().ring()


@pytest.mark.usefixtures("prefix")
async def test_channel_that_stays_away_has_no_beats_made(
    own_server: StartServer, settings: LoadSettings
) -> None:
    """It may be away for long while all else is well: a beat renews every lease."""
    server = own_server()
    async with open_parts(settings(url=server.url), make_kind(nothing)) as parts, listening(parts):
        bell = parts.link.back = CountedBell()
        async with parts.redis.client() as admin:

            async def is_tried_again() -> bool:
                return bool((await admin.info("stats"))["rejected_connections"] >= 8)

            await admin.config_set("maxclients", "1")
            await admin.client_kill_filter(_type="pubsub")
            await wait_until(is_tried_again, 20)
            await admin.config_set("maxclients", "100")
            await hears(parts)
        assert bell.rings <= 2


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
            await wait_until(lambda: [line["event"] for line in lines] == ["valkey lost"])
            server.resume()
            await parts.store.trim()
            await wait_until(lambda: lines[-1]["event"] == "valkey back", 10)
        await hears(parts)


async def test_stop_waits_for_what_was_heard(settings: LoadSettings) -> None:
    """Each command that was heard before is answered; nothing is heard afterwards."""
    async with open_parts(settings(), make_kind(nothing)) as parts, listening(parts) as control:
        reply = f"{parts.keys.reply}x"
        async with parts.redis.pubsub() as pubsub:
            await pubsub.subscribe(reply)
            assert await pubsub.get_message(timeout=30)
            for _ in range(50):
                await parts.redis.publish(
                    parts.keys.control, f'{{"command":"pause","replyTo":"{reply}"}}'
                )
            assert await pubsub.get_message(timeout=30)
            await control.stop()
            await hears(parts, 0)
        assert parts.supervisor.pauses.everything


@asynccontextmanager
async def asking(parts: Parts) -> AsyncIterator[Ask]:
    """A function that publishes commands and gives the first so many replies to them."""
    reply_to = f"{parts.keys.reply}x"
    async with parts.redis.pubsub() as pubsub:
        await pubsub.subscribe(reply_to)
        assert await pubsub.get_message(timeout=30)

        async def ask(*commands: dict[str, Any], count: int) -> list[Any]:
            for command in commands:
                text = json.dumps({"replyTo": reply_to} | command)
                await parts.redis.publish(parts.keys.control, text)
            with anyio.fail_after(within(3)):
                return [await next_reply(pubsub) for _ in range(count)]

        yield ask


def spawn(number: int) -> dict[str, Any]:
    """The command that makes the task `t{number}`."""
    return {"command": "spawn", "kind": "work", "taskId": f"t{number}", "id": number}


@pytest.mark.leaves_work("what was submitted waits")
@pytest.mark.usefixtures("prefix")
async def test_spawns_that_wait_deafen_nobody(
    own_server: StartServer, settings: LoadSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server without memory takes no spawn: those too many are refused, all else is heard."""
    monkeypatch.setattr("musterd.orders.ANSWER_TIMEOUT", 600.0)
    near = settings(url=own_server().url)
    async with (
        open_parts(near, make_kind(nothing)) as parts,
        listening(parts),
        asking(parts) as ask,
    ):
        await parts.redis.config_set("maxmemory", 1)
        refused = await ask(*map(spawn, range(HELD + 100)), count=100)
        assert all("give it again later" in reply["error"]["message"] for reply in refused)
        (reply,) = await ask({"command": "ping", "id": "p"}, count=1)
        assert (reply["id"], reply["ok"]) == ("p", True)
        await parts.redis.publish(parts.keys.control, '{"command":"pause"}')
        await wait_until(lambda: parts.supervisor.pauses.everything)
        await parts.redis.config_set("maxmemory", 0)
        made = {reply["id"] for reply in await ask(count=HELD) if reply["ok"]}
        assert made == set(range(HELD + 100)) - {reply["id"] for reply in refused}
        assert (await ask(spawn(1000), count=1))[0]["ok"]


@pytest.mark.leaves_work("what was submitted waits")
@pytest.mark.usefixtures("prefix")
async def test_command_is_answered_in_time(
    own_server: StartServer, settings: LoadSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A step that the server does not take holds up no answer, and is taken once it can be.

    A spawn keeps its place until then.
    """
    monkeypatch.setattr("musterd.orders.ANSWER_TIMEOUT", 0.3)
    monkeypatch.setattr("musterd.orders.HELD", 1)
    near = settings(url=own_server().url)
    async with (
        open_parts(near, make_kind(nothing)) as parts,
        listening(parts),
        asking(parts) as ask,
    ):
        await parts.submit(task_id="live")
        live = (await parts.claim()).agent_id
        await parts.redis.config_set("maxmemory", 1)
        for command in (spawn(1), {"command": "kill", "agentId": live}):
            (reply,) = await ask(command, count=1)
            assert reply["error"]["code"] == "failed"
            assert "no answer within 0.3 s; it may have been" in reply["error"]["message"]
        (reply,) = await ask(spawn(2), count=1)
        assert "1 spawns and messages wait" in reply["error"]["message"]
        await parts.redis.config_set("maxmemory", 0)
        await wait_until(lambda: parts.is_status("t1", "pending"))
        await wait_until(lambda: parts.redis.hexists(parts.keys.kills, live))
        (reply,) = await ask(spawn(3), count=1)
        assert (reply["id"], reply["ok"]) == (3, True)
        assert not await parts.redis.exists(parts.keys.task("t2"))


@pytest.mark.usefixtures("prefix")
async def test_stop_does_not_wait_for_what_was_answered(
    own_server: StartServer, settings: LoadSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spawn whose sender was told that it takes too long holds up nobody."""
    monkeypatch.setattr("musterd.orders.ANSWER_TIMEOUT", 0.1)
    near = settings(url=own_server().url)
    async with (
        open_parts(near, make_kind(nothing)) as parts,
        listening(parts) as control,
        asking(parts) as ask,
    ):
        await parts.redis.config_set("maxmemory", 1)
        assert not (await ask(spawn(1), count=1))[0]["ok"]
        with anyio.fail_after(within(2)):
            await control.stop()


async def test_burst_of_spawns_is_worked_off(settings: LoadSettings) -> None:
    """Far more than may be under way at once, and none is refused."""
    async with (
        open_parts(settings(), make_kind(nothing)) as parts,
        listening(parts),
        asking(parts) as ask,
    ):
        replies = await ask(*map(spawn, range(1000)), count=1000)
        assert all(reply["ok"] for reply in replies)
        await parts.store.kill_tasks(await parts.reads.live_tasks(), "", KillOrder())


async def test_fault_of_the_server_is_answered_as_what_it_is(settings: LoadSettings) -> None:
    """A key of another type is no lost reply."""
    async with (
        open_parts(settings(), make_kind(nothing)) as parts,
        listening(parts),
        asking(parts) as ask,
    ):
        await parts.redis.set(parts.keys.tasks("pending"), "nonsense")
        with capture_logs() as lines:
            (reply,) = await ask({"command": "kill", "all": True, "id": 1}, count=1)
        await parts.redis.delete(parts.keys.tasks("pending"))
    assert (reply["ok"], reply["error"]["code"], reply["id"]) == (False, "failed", 1)
    problem = f"{parts.keys.tasks('pending')} holds no sorted set"
    assert problem in reply["error"]["message"]
    (line,) = lines
    assert line["event"] == "command refused"
    assert problem in line["error"]


@pytest.mark.parametrize("length", [2000, 1_000_000])
async def test_long_reply_channel_is_not_logged(settings: LoadSettings, length: int) -> None:
    """Nor spoken on, also if it begins as it must: no command may name it."""
    async with open_parts(settings(), make_kind(nothing)) as parts, listening(parts):
        for reply_to in ("x" * length, parts.keys.reply + "x" * length, ["x" * length]):
            with capture_logs() as lines:
                message = json.dumps({"command": "ping", "replyTo": reply_to})
                await parts.redis.publish(parts.keys.control, message)
                await wait_until(lambda: len(lines) == 2)
            assert [line["event"][:8] for line in lines] == ["command ", "no reply"]
            assert len(str(lines)) < 2000


@pytest.mark.parametrize("foreign", [0, 1200])
@pytest.mark.usefixtures("prefix")
async def test_sweep_reads_no_more_than_it_must(
    own_server: StartServer, settings: LoadSettings, foreign: int
) -> None:
    """Of many requests only those on our agents; each of these is carried out."""
    near = settings(url=own_server().url)
    kind = make_kind(forever)
    async with open_parts(near, kind) as parts, claiming(parts), listening(parts) as control:
        for task_id in ("a", "b"):
            await parts.submit(task_id=task_id)
        parts.supervisor.wake()
        await wait_until(lambda: parts.is_status("b.1", "running"))
        strange = {f"strange{number}.1": "{}" for number in range(foreign)}
        await parts.redis.hset(parts.keys.kills, mapping=strange | {"b.1": '{"grace":0}'})
        actors = dict(parts.supervisor.crew.actors)
        await parts.redis.config_resetstat()
        await control.sweep()
        assert [actors[agent_id].stopping for agent_id in ("a.1", "b.1")] == [False, True]
        called = await parts.redis.info("commandstats")
        assert ("cmdstat_hgetall" in called) == (foreign == 0)
        if strange:
            await parts.redis.hdel(parts.keys.kills, *strange)


async def test_sweep_without_agents_reads_nothing(settings: LoadSettings) -> None:
    """And a key of another type is told, and no reason to give up the channel."""
    async with open_parts(settings(), make_kind(nothing)) as parts, listening(parts) as control:
        with capture_logs() as lines:
            await control.sweep()
            await parts.redis.set(parts.keys.kills, "nonsense")
            await control.sweep()
            await parts.redis.delete(parts.keys.kills)
        assert [line["event"] for line in lines] == ["kill requests not read"]


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
    assert read(request_text.encode("utf-8", "surrogatepass"))[0] == grace
