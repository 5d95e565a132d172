"""A daemon's name among the daemons."""

import os

import anyio
import pytest
from redis.asyncio import Redis

from musterd import identity
from musterd.errors import NameTakenError
from musterd.membership import Membership
from musterd.nodes import Nodes
from musterd.scripts import Caller
from tests.support.fixtures import LoadSettings
from tests.support.pace import within
from tests.support.wait import wait_until
from tests.support.world import Plain, World


class House:
    """Daemons of one name on the test's prefix."""

    def __init__(self, redis: Redis, settings: LoadSettings, prefix: str, ttl: float = 1) -> None:
        self.settings = settings(node="n1", heartbeat_ttl=ttl, capacity=5)
        self.world = World(redis, prefix)
        self.world.caller = Caller.of(self.settings, epoch="x")
        self.key = self.world.keys.node("n1")
        self.paused: list[str] = []

    def member(self, epoch: str) -> Membership:
        """The daemon in one of its lives, with three agents."""
        nodes = Nodes(Plain(self.world, epoch=epoch))
        return Membership(self.settings, epoch, nodes, lambda: 3, lambda: list(self.paused))

    async def field(self, name: str) -> str | None:
        """Of the record."""
        value: str | None = await self.world.redis.hget(self.key, name)
        return value


@pytest.fixture
def house(redis: Redis, settings: LoadSettings, prefix: str) -> House:
    """With nobody in it."""
    return House(redis, settings, prefix)


@pytest.fixture
def patient(redis: Redis, settings: LoadSettings, prefix: str) -> House:
    """One in which no test lasts until a record expires."""
    return House(redis, settings, prefix, ttl=600)


async def test_record_is_as_the_contract_says(house: House) -> None:
    """It names this very process, and lasts for a TTL."""
    member = house.member("e1")
    await member.join()
    record = await house.world.redis.hgetall(house.key)
    assert (record["epoch"], record["pid"], record["process"]) == (
        "e1", str(os.getpid()), identity.own(),
    )  # fmt: skip
    assert (record["capacity"], record["agents"], record["state"]) == ("5", "3", "starting")
    assert 0 < await house.world.redis.pttl(house.key) <= 1000
    assert member.describe().keys() == record.keys() - {"startedAt"}
    await house.world.check()


async def test_state_is_announced_at_once(house: House) -> None:
    """Without waiting for the next heartbeat; the same one again is no news."""
    member = house.member("e1")
    await member.join()
    await member.announce("draining")
    assert await house.field("state") == "draining"
    await house.world.redis.hset(house.key, "state", "as it was")
    await member.announce("draining")
    assert await house.field("state") == "as it was"


async def test_paused_kinds_are_announced_at_once(house: House) -> None:
    """As a JSON list, renewed with the record, and gone with the last of them."""
    member = house.member("e1")
    await member.join()
    assert await house.field("pausedKinds") is None
    house.paused = ["check", "review"]
    await member.announce("starting")
    assert await house.field("pausedKinds") == '["check","review"]'
    assert member.describe()["pausedKinds"] == ["check", "review"]
    await house.world.check()
    await house.world.redis.hdel(house.key, "pausedKinds")
    await member.renew()
    assert await house.field("pausedKinds") == '["check","review"]'
    house.paused = []
    await member.announce("starting")
    assert await house.field("pausedKinds") is None
    assert "pausedKinds" not in member.describe()


async def test_name_of_a_live_daemon_is_refused_at_once(patient: House) -> None:
    """The message says who has it, by process and host."""
    await patient.member("e1").join()
    with anyio.fail_after(within(5)), pytest.raises(NameTakenError, match=str(os.getpid())):
        await patient.member("e2").join()
    assert await patient.field("epoch") == "e1"


async def test_name_of_a_dead_process_is_taken_at_once(patient: House) -> None:
    """Its record is still there for almost a TTL."""
    await patient.member("e1").join()
    boot, namespace, pid, start = identity.own().split("/")
    process = f"{boot}/{namespace}/{pid}/{int(start) - 1}"
    await patient.world.redis.hset(patient.key, "process", process)
    with anyio.fail_after(within(5)):
        await patient.member("e2").join()
    assert await patient.field("epoch") == "e2"


async def test_name_held_on_another_machine_is_waited_for(house: House) -> None:
    """Nobody can see from here whether that process lives; its record will tell."""
    await house.member("e1").join()
    await house.world.redis.hset(house.key, "process", "other/1/2/3")
    await house.world.redis.pexpire(house.key, 300)
    await house.member("e2").join()
    assert await house.field("epoch") == "e2"


async def test_name_that_stays_held_elsewhere_is_refused(house: House) -> None:
    """After a TTL and a renewal it must be alive."""
    await house.member("e1").join()
    await house.world.redis.hset(house.key, "process", "other/1/2/3")
    await house.world.redis.persist(house.key)
    with pytest.raises(NameTakenError):
        await house.member("e2").join()
    await house.world.redis.pexpire(house.key, 1000)


async def test_superseded_daemon_learns_it_with_its_renewal(house: House) -> None:
    """And takes nothing away when it leaves."""
    first, second = house.member("e1"), house.member("e2")
    await first.join()
    await house.world.redis.delete(house.key)
    await second.join()
    with pytest.raises(NameTakenError):
        await first.renew()
    await first.leave()
    assert await house.field("epoch") == "e2"
    await second.leave()
    assert await house.world.redis.exists(house.key, house.world.keys.nodes) == 0


async def test_late_renewal_brings_nothing_back(house: House) -> None:
    """A heartbeat that waited while the daemon left."""
    member = house.member("e1")
    await member.join()
    await member.leave()
    assert await member.renew() == 0
    assert await house.world.redis.exists(house.key, house.world.keys.nodes) == 0


async def test_record_ends_by_itself(house: House) -> None:
    """What is not renewed expires."""
    await house.member("e1").join()
    await wait_until(lambda: gone(house))


async def gone(house: House) -> bool:
    """Whether the record has expired."""
    return not await house.world.redis.exists(house.key)
