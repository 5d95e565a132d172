"""What the doctor finds out about other daemons."""

import json

import pytest

from musterd.client import Client
from musterd.keys import Keys
from tests.doctor.conftest import Examine, one, told
from tests.support.fixtures import LoadSettings, StartDaemon
from tests.support.server import Server

pytestmark = pytest.mark.leaves_work("what is planted")


async def test_live_daemon_answers(
    examined: Examine, server: Server, settings: LoadSettings, start_daemon: StartDaemon
) -> None:
    """A daemon that lives is asked, and the time it took is told; a paused one is noted."""
    await start_daemon(node="n1")
    assert "n1: active, 0 of 1000 agents" in one(await examined(server), "ok", "daemons")
    async with Client(settings()) as client:
        await client.command("pause")
    assert "n1: paused" in one(await examined(server), "note", "daemons")


async def test_paused_kind_is_noted(
    examined: Examine, server: Server, settings: LoadSettings, start_daemon: StartDaemon
) -> None:
    """A daemon that claims nothing of a kind is a note that names it."""
    await start_daemon(node="n1", MUSTERD_AGENTS="tests.agents.examples:echo")
    async with Client(settings()) as client:
        await client.command("pause", kind="echo")
    assert one(await examined(server), "note", "daemons").endswith("; paused kinds: echo")


async def test_silent_daemon(examined: Examine, server: Server, start_daemon: StartDaemon) -> None:
    """One whose record stands and that does not answer is a warning."""
    daemon = await start_daemon(node="n1")
    daemon.stop()
    assert "did not answer within 2 s" in one(await examined(server), "warning", "daemons")


async def test_another_version(
    examined: Examine, server: Server, prefix: str, start_daemon: StartDaemon
) -> None:
    """A daemon of another version is a warning."""
    await start_daemon(node="n1", MUSTERD_HEARTBEAT_TTL="60")
    with server.client() as client:
        client.hset(Keys(prefix).node("n1"), "version", "0.0.1")
    assert ", 0.0.1, answered in" in one(await examined(server), "warning", "daemons")


@pytest.mark.parametrize(("gone", "level"), [(5, "note"), (3600, "warning")])
async def test_dead_daemon_that_owns_agents(
    examined: Examine, server: Server, prefix: str, gone: int, level: str
) -> None:
    """Agents of a dead daemon are soon settled; if they have not been, somebody must act."""
    keys = Keys(prefix)
    with server.client() as client:
        now = float(client.time()[0])
        client.zadd(keys.nodes, {"n1": (now - gone) * 1000, "n2": 0})
        client.sadd(keys.owned("n1"), "t1.1", "t2.1")
    told_of = [what for what in told(await examined(server), level, "daemons") if "n1" in what]
    assert len(told_of) == 1
    assert "2 agents are listed as its own" in told_of[0]


async def test_tasks_that_nobody_can_run(examined: Examine, server: Server, prefix: str) -> None:
    """Tasks of a kind that no live daemon offers are told; those of one that is offered are not."""
    keys = Keys(prefix)
    with server.client() as client:
        now = int(client.time()[0])
        past, future = "2026-01-01T00:00:00.000Z", "9999-01-01T00:00:00.000Z"
        for kind, offered in {"old": past, "rare": past, "new": future}.items():
            client.hset(keys.kinds, kind, json.dumps({"offeredAt": offered}))
            client.zadd(keys.queue(kind), {"t1": now, "t2": now})
        client.zrem(keys.queue("rare"), "t2")
        client.hset(keys.kinds, "broken", "nonsense")
        client.set(keys.queue("broken"), "x")
    report = await examined(server)
    assert sorted(told(report, "warning", "daemons")) == [
        "1 task waits for rare, which no live daemon offers",
        "2 tasks wait for old, which no live daemon offers",
    ]
    assert "holds a string where a zset belongs" in one(report, "problem", "daemons")
