"""What daemons say of themselves: each answer as a value, each refusal as its error."""

import json

import pytest
from redis.asyncio import Redis

from musterd.errors import NameTakenError
from musterd.jsons import Json
from musterd.moves import Life
from musterd.nodes import Nodes
from musterd.store import Store
from musterd.submission import Submission
from tests.support.world import KIND, Plain, World

pytestmark = pytest.mark.leaves_work("a submitted task waits")

NODE: dict[str, str | int] = {
    "host": "here",
    "pid": 7,
    "process": "p",
    "state": "active",
    "version": "1",
    "startedAt": "2026-11-22T03:00:00.000Z",
    "capacity": 1,
    "agents": 0,
}


@pytest.fixture
def world(redis: Redis, prefix: str) -> World:
    """The test's prefix on the shared server."""
    return World(redis, prefix)


@pytest.fixture
def nodes(world: World) -> Nodes:
    """As the daemon n1 sees them."""
    return Nodes(Plain(world))


@pytest.mark.parametrize("defaults", [{}, {"maxAttempts": 4, "timeout": 2.5}])
async def test_offer_with_a_schema(nodes: Nodes, world: World, defaults: dict[str, Json]) -> None:
    """It is published as it is, and hides no default from a submission."""
    schema: Json = {"properties": {"schema": {"const": {"timeout": 7}}}, "x": '","schema":{'}
    await nodes.offer({KIND: defaults | {"schema": schema}}, most=10)
    offer = json.loads(await world.redis.hget(world.keys.kinds, KIND))
    assert offer.pop("offeredAt")
    assert offer == defaults | {"schema": schema}
    await Store(Plain(world)).submit(Submission(kind=KIND, task_id="t"))
    task = await world.task("t")
    found = {name: float(task[name]) for name in ("maxAttempts", "timeout") if task.get(name)}
    assert found == defaults


async def test_names(nodes: Nodes, world: World) -> None:
    """Registered, taken, taken over, given back."""
    assert await nodes.register("n1", NODE) == 0
    other = Nodes(Plain(world, epoch="e2"))
    with pytest.raises(NameTakenError) as taken:
        await other.register("n1", NODE)
    assert taken.value.holder == ("e1", "here", "7", "p")
    assert await other.register("n1", NODE, dead="e1") == 0
    assert await other.lives() == [Life("e1", "p")]
    await nodes.release()
    assert await world.redis.hget(world.keys.node("n1"), "epoch") == "e2"
    await other.release()
    assert not await world.redis.exists(world.keys.node("n1"))
