"""Leases are renewed, whatever else takes its time; one that is lost stops its agent."""

from collections.abc import AsyncIterator

import anyio
import pytest

from musterd.errors import NameTakenError
from musterd.heartbeat import Heartbeat
from musterd.rounds import Rounds
from musterd.runtimes.base import Context
from tests.service.parts import EPOCH, Parts, claiming, make_kind, open_parts
from tests.support.fixtures import LoadSettings
from tests.support.wait import wait_until


async def forever(_: Context) -> None:
    """Run until stopped."""
    await anyio.sleep_forever()


@pytest.fixture
async def parts(settings: LoadSettings) -> AsyncIterator[Parts]:
    """A daemon's parts whose leases live for an hour."""
    kind = make_kind(forever, "hold", max_attempts=1)
    async with open_parts(settings(heartbeat_ttl=3600), kind) as parts, claiming(parts):
        yield parts


async def start(parts: Parts) -> str:
    """An agent that runs; its id."""
    agent_id = f"{await parts.submit('hold')}.1"
    parts.supervisor.wake()
    await wait_until(lambda: parts.redis.exists(parts.keys.agent(agent_id)))
    await wait_until(lambda: parts.is_status(agent_id, "running"))
    return agent_id


def make_heartbeat(parts: Parts) -> Heartbeat:
    """A heartbeat of the parts."""
    return Heartbeat(
        parts.settings,
        parts.store,
        parts.membership,
        parts.supervisor,
        parts.troubles,
        parts.link.back,
    )


async def beat(parts: Parts) -> None:
    """Beat once."""
    await make_heartbeat(parts)._beat()


async def test_beat_renews_leases_and_the_node(parts: Parts) -> None:
    """Each key lives for a TTL again."""
    agent_id = await start(parts)
    keys = (parts.keys.heartbeat(agent_id), parts.keys.node(parts.settings.node))
    for key in keys:
        await parts.redis.pexpire(key, 10_000)
    await beat(parts)
    for key in keys:
        assert 3_000_000 < await parts.redis.pttl(key) <= 3_600_000
    assert (await parts.redis.hget(keys[1], "agents")) == "1"


async def test_lease_that_is_gone_is_set_again(parts: Parts) -> None:
    """As long as the record names this owner: the server may have been away."""
    agent_id = await start(parts)
    await parts.redis.delete(parts.keys.heartbeat(agent_id), parts.keys.owned(parts.settings.node))
    await beat(parts)
    assert await parts.redis.get(parts.keys.heartbeat(agent_id)) == parts.owner
    assert parts.supervisor.crew.count() == 1


async def test_agent_without_a_record_stops_and_frees_its_task(parts: Parts) -> None:
    """Somebody deleted it, with its heartbeat: the task is lost, not `executing` for ever."""
    agent_id = await start(parts)
    await parts.redis.delete(parts.keys.heartbeat(agent_id), parts.keys.agent(agent_id))
    await beat(parts)
    await wait_until(lambda: parts.supervisor.crew.count() == 0)
    await beat(parts)
    task_key = parts.keys.task(agent_id.rpartition(".")[0])

    async def is_lost() -> bool:
        return bool(await parts.redis.hget(task_key, "reason") == "lost")

    await wait_until(is_lost)


async def test_agent_of_another_owner_stops_and_writes_nothing(parts: Parts) -> None:
    """The record names somebody else."""
    agent_id = await start(parts)
    key = parts.keys.agent(agent_id)
    kept = await parts.redis.hgetall(key)
    await parts.redis.delete(parts.keys.heartbeat(agent_id))
    await parts.redis.hset(key, "node", "another")
    before = await parts.redis.hgetall(key)
    events = await parts.redis.xlen(parts.keys.events_log)
    await beat(parts)
    await wait_until(lambda: parts.supervisor.crew.count() == 0)
    assert await parts.redis.hgetall(key) == before
    assert await parts.redis.xlen(parts.keys.events_log) == events
    await parts.redis.hset(key, mapping=kept)
    await parts.store.settle([agent_id], parts.settings.node, ended=[EPOCH])


async def test_agent_of_another_life_is_settled(parts: Parts) -> None:
    """The body stops; what is listed as this node's and has no actor is lost."""
    agent_id = await start(parts)
    await parts.redis.delete(parts.keys.heartbeat(agent_id))
    await parts.redis.hset(parts.keys.agent(agent_id), "epoch", "another")
    await beat(parts)
    await wait_until(lambda: parts.is_status(agent_id, "failed"))
    assert (await parts.agent(agent_id)).reason == "lost"
    assert parts.supervisor.crew.count() == 0


async def test_duty_that_takes_long_delays_no_renewal(settings: LoadSettings) -> None:
    """Settling what a dead daemon left may take longer than a TTL; our leases live meanwhile."""
    kind = make_kind(forever, "hold", max_attempts=1)
    async with (
        open_parts(settings(heartbeat_ttl=1), kind) as parts,
        claiming(parts),
        anyio.create_task_group() as group,
    ):
        group.start_soon(make_heartbeat(parts).run)
        group.start_soon(
            Rounds(0.3, parts.store, parts.link, parts.troubles, anyio.sleep_forever).run
        )
        lease = parts.keys.heartbeat(await start(parts))
        for _ in range(4):
            before = await parts.redis.pexpiretime(lease)

            async def is_renewed(before: int = before) -> bool:
                return bool(await parts.redis.pexpiretime(lease) > before)

            await wait_until(is_renewed)
        group.cancel_scope.cancel()


async def test_daemon_whose_name_was_taken_stops_its_agents(parts: Parts) -> None:
    """It is superseded as a whole: the error ends the daemon, and nothing is written before."""
    agent_id = await start(parts)
    node = parts.keys.node(parts.settings.node)
    await parts.redis.hset(node, "epoch", "another")
    with pytest.raises(NameTakenError):
        await make_heartbeat(parts).run()
    await wait_until(lambda: parts.supervisor.crew.count() == 0)
    assert (await parts.agent(agent_id)).status == "running"
    await parts.redis.delete(node)
    await parts.membership.renew()
    await parts.store.settle([agent_id], parts.settings.node, ended=[EPOCH])


async def test_hurry_beats_before_its_time(parts: Parts) -> None:
    """What has changed is to be seen at once."""
    heartbeat = make_heartbeat(parts)
    node = parts.keys.node(parts.settings.node)
    before = await parts.redis.pexpiretime(node)

    async def has_beaten() -> bool:
        return bool(await parts.redis.pexpiretime(node) > before)

    async with anyio.create_task_group() as group:
        group.start_soon(heartbeat.run)
        await wait_until(has_beaten)
        await anyio.wait_all_tasks_blocked()
        parts.membership.state = "draining"
        heartbeat.hurry()

        async def is_seen() -> bool:
            return bool(await parts.redis.hget(node, "state") == "draining")

        await wait_until(is_seen)
        group.cancel_scope.cancel()
