"""When dead owners are asked for, and what becomes of their agents."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from musterd.link import Link
from musterd.moves import Offer
from musterd.recovery import Recovery
from musterd.runtimes.base import Context
from musterd.store import PAGE
from tests.checker.checking import checking
from tests.service.parts import Parts, make_kind, open_parts
from tests.support.fixtures import LoadSettings
from tests.support.server import Server

TTL = 60.0


async def nothing(_: Context) -> None:
    """Never run here."""


KIND = make_kind(nothing, max_attempts=2)


@dataclass
class Clock:
    """A clock that stands until it is set."""

    now: float = 0.0

    def __call__(self) -> float:
        """The time, s."""
        return self.now


@pytest.fixture
async def dead(server: Server, prefix: str, settings: LoadSettings) -> AsyncIterator[Parts]:
    """The parts of a daemon `dead`, which keeps its agents until `die`."""
    mortal = settings(node="dead", heartbeat_ttl=TTL)
    async with (
        checking(server.url, prefix),
        open_parts(mortal, KIND, epoch="d" * 32) as dead,
    ):
        yield dead


@pytest.fixture
async def parts(settings: LoadSettings) -> AsyncIterator[Parts]:
    """The parts of another daemon."""
    async with open_parts(settings(node="live", heartbeat_ttl=TTL), KIND) as parts:
        yield parts


async def take(dead: Parts, count: int) -> list[str]:
    """Agents of the daemon that is going to die."""
    for _ in range(count):
        await dead.submit(max_attempts=1)
    offer = Offer("work", count, 1, None)
    claimed = await dead.store.claim(1, "t", count, [offer])
    assert len(claimed.claims) == count
    return [claim.agent_id for claim in claimed.claims]


async def die(dead: Parts, agents: list[str], *, silent: float = TTL + 1) -> None:
    """Its keys have expired, and its last sign of life was so many seconds ago."""
    keys = [dead.keys.heartbeat(agent_id) for agent_id in agents]
    await dead.redis.delete(dead.keys.node("dead"), *keys)
    await dead.redis.zincrby(dead.keys.nodes, -silent * 1000, "dead")


async def sweep(parts: Parts, *beats: float) -> None:
    """Sweep at these times, s since the daemon came up; by default up to when it may judge."""
    clock = Clock()
    recovery = Recovery(parts.store, parts.nodes, Link("valkey", clock), parts.settings, clock)
    for beat in beats or (20, 40, 60, 80):
        clock.now = beat
        await recovery.sweep()


async def statuses(parts: Parts, agents: list[str]) -> set[str]:
    """How the agents stand."""
    return {(await parts.agent(agent_id)).status for agent_id in agents}


async def test_dead_nodes_agents_are_settled(dead: Parts, parts: Parts) -> None:
    """More than one page of them."""
    agents = await take(dead, PAGE + 10)
    await die(dead, agents)
    await sweep(parts)
    assert await statuses(parts, agents) == {"failed"}
    assert {(await parts.agent(agent_id)).reason for agent_id in agents} == {"lost"}
    assert not await parts.redis.exists(parts.keys.owned("dead"))


async def test_nobody_judges_before_it_was_heard_long_enough(dead: Parts, parts: Parts) -> None:
    """After an outage everybody looks dead to everybody."""
    agents = await take(dead, 2)
    await die(dead, agents)
    await sweep(parts, 20, 40, 60, 79.9)
    assert await statuses(parts, agents) == {"running"}
    await sweep(parts)
    assert await statuses(parts, agents) == {"failed"}


async def test_nobody_judges_after_it_stood_still(dead: Parts, parts: Parts) -> None:
    """A beat that is later than a TTL starts the wait anew."""
    agents = await take(dead, 1)
    await die(dead, agents)
    await sweep(parts, 20, 40, 101, 121, 141, 161, 180.9)
    assert await statuses(parts, agents) == {"running"}
    await sweep(parts, 20, 40, 101, 121, 141, 161, 181)
    assert await statuses(parts, agents) == {"failed"}


@pytest.mark.parametrize("sign", ["node", "heartbeat", "recent"])
async def test_owner_that_gave_a_sign_is_alive(dead: Parts, parts: Parts, sign: str) -> None:
    """Its record, its lease, or a renewal not long ago."""
    agents = await take(dead, 1)
    await die(dead, agents, silent=TTL - 5 if sign == "recent" else TTL + 1)
    if sign == "node":
        await dead.membership.renew()
        await dead.redis.zincrby(dead.keys.nodes, -TTL * 2000, "dead")
    if sign == "heartbeat":
        await dead.store.renew(agents)
    await sweep(parts)
    assert await statuses(parts, agents) == {"running"}
    await die(dead, agents)
    await sweep(parts)


async def test_agent_that_cannot_be_settled_holds_up_no_other(dead: Parts, parts: Parts) -> None:
    """It is logged, and settled once its record is repaired."""
    agents = await take(dead, 5)
    await die(dead, agents)
    key = parts.keys.agent(agents[2])
    attempt = await parts.redis.hget(key, "attempt")
    await parts.redis.hset(key, "attempt", "nonsense")
    await sweep(parts)
    assert [(await parts.agent(agent_id)).status for agent_id in agents] == [
        "failed", "failed", "running", "failed", "failed",
    ]  # fmt: skip
    await parts.redis.hset(key, "attempt", attempt)
    await sweep(parts)
    assert await statuses(parts, agents) == {"failed"}


async def test_own_past_is_settled_at_once(dead: Parts, settings: LoadSettings) -> None:
    """An earlier life of the same node needs no silence and no patience."""
    agents = await take(dead, 3)
    await dead.redis.delete(dead.keys.node("dead"))
    async with open_parts(settings(node="dead", heartbeat_ttl=TTL), KIND) as parts:
        await Recovery(parts.store, parts.nodes, parts.link, parts.settings).settle_own_past()
        assert await statuses(parts, agents) == {"failed"}
