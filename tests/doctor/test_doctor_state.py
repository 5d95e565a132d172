"""What the doctor finds below the prefix, and how a check that breaks is told."""

import re
from collections.abc import AsyncIterator, Iterator

from redis.asyncio import Redis

from musterd import scripts
from musterd.doctor.findings import Area, Finding, ask, look
from musterd.doctor.state import shared
from musterd.keys import _PARTS, Keys
from tests.doctor.conftest import Examine, one, told
from tests.support.server import Server
from tests.support.world import World


async def test_wrong_types(examined: Examine, durable: Server, prefix: str) -> None:
    """Each shared key of another type is named; the steps' script names the first."""
    keys = Keys(prefix)
    with durable.client() as client:
        client.set(keys.kills, "x", ex=60)
        client.rpush(keys.tasks("pending"), "x")
        client.expire(keys.tasks("pending"), 60)
    report = await examined(durable)
    *wrong, script = sorted(told(report, "problem", "state"), key=lambda what: "script" in what)
    assert f"{keys.kills} holds a string where a hash belongs" in wrong[1]
    assert f"{keys.tasks('pending')} holds a list where a zset belongs" in wrong[0]
    assert "holds a" in script
    assert report.exit_code == 1
    with durable.client() as client:
        client.delete(keys.kills, keys.tasks("pending"))


async def test_counter_that_is_no_number(examined: Examine, durable: Server, prefix: str) -> None:
    """What only the script can see is told by its trial call."""
    with durable.client() as client:
        client.set(Keys(prefix).sequence, "many")
    report = await examined(durable)
    assert f"{Keys(prefix).sequence} holds no number" in one(report, "problem", "state")


async def test_shared_keys_are_those_of_the_script(redis: Redis, prefix: str) -> None:
    """What is checked by type is what a daemon's script refuses to work without, and all of it."""
    world = World(redis, prefix)  # the daemon n1
    for key, kind in shared(world.keys, "n1").items():
        await (redis.set(key, "x") if kind != "string" else redis.sadd(key, "x"))
        ((answer, where, _),) = await world.steps(("owned", "-", ""))
        assert (answer, where) == ("broken", key)
        await redis.delete(key)
    script = scripts.script().source
    families = set(
        re.findall(r"\b(?:rely\(|problem or not \w+ and \{'broken', )([A-Z]+)\b", script)
    )
    assert len(families) > 6
    for family in families:
        place = f"{prefix}:{_PARTS[family]}"
        assert any(key.startswith(place) for key in shared(world.keys, "n1")), family


async def test_event_log(examined: Examine, durable: Server, prefix: str) -> None:
    """How full the log is: fine, or so full that the oldest events go."""
    with durable.client() as client:
        for _ in range(3):
            client.xadd(Keys(prefix).events_log, {"event": "{}"})
    report = await examined(durable, event_log_length=10)
    assert "3 events are kept, of about 10" in told(report, "ok", "state")
    assert "the oldest ones go" in one(await examined(durable, event_log_length=3), "note", "state")


async def test_check_that_breaks() -> None:
    """A check that fails is a finding, after those that it made; the others go on."""

    def local() -> Iterator[Finding]:
        yield Area.STATE.ok("first")
        raise ZeroDivisionError

    async def remote() -> AsyncIterator[Finding]:
        yield Area.STATE.ok("first")
        raise ConnectionResetError("gone")

    broken = look(Area.STATE, "something", local)
    assert [finding.level for finding in broken] == ["ok", "warning"]
    assert "something could not be checked: ZeroDivisionError" in broken[1].what
    away = await ask(Area.STATE, "something", remote)
    assert [finding.level for finding in away] == ["ok", "problem"]
    assert away[1].what == "something could not be checked: gone"
