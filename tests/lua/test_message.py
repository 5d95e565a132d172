"""send and receive: messages for a live agent."""

import pytest

from musterd.scripts import Reply
from tests.support.world import World


@pytest.fixture
async def agent(world: World) -> tuple[str, str]:
    """An agent that runs, and of whose kind two messages may wait for each."""
    assert await world.step("offer", 10, "check", '{"messages":2}') == ["ok"]
    return await world.running()


async def send(world: World, message_id: str, text: str = "1") -> Reply:
    """Send the agent a message, as a client does."""
    return await world.step("send", "t.1", message_id, text, node="", epoch="")


async def receive(world: World, token: str, taken: str = "", most: int = 10) -> list[list[str]]:
    """Place and text of each message that is new."""
    status, flat = await world.step("receive", "t.1", token, taken, most)
    assert status == "ok"
    return [list(pair) for pair in zip(flat[::2], flat[1::2], strict=True)]


async def test_messages_come_in_their_order(world: World, agent: tuple[str, str]) -> None:
    """From any place on; asking again without having taken them answers them again."""
    await send(world, "m1", '"é"')
    await send(world, "m2", "[2]")
    (first, text), (second, last) = await receive(world, agent[1])
    assert (text, last) == ('"é"', "[2]")
    assert await receive(world, agent[1], most=1) == [[first, '"é"']]
    assert await receive(world, agent[1], first) == [[second, "[2]"]]
    assert (await world.agent())["taken"] == first
    assert await receive(world, agent[1], second) == []
    await world.finish(*agent)


async def test_message_sent_again_is_there_once(world: World, agent: tuple[str, str]) -> None:
    """Its id makes it the same, also once it was taken; the bell rings again."""
    async with world.redis.pubsub() as pubsub:
        await pubsub.subscribe(world.keys.mail_bell("n1"))
        assert await pubsub.get_message(timeout=30)
        assert [await send(world, "m1"), await send(world, "m1")] == [["ok"], ["ok"]]
        rung = [await pubsub.get_message(timeout=30) for _ in range(2)]
        assert [message["data"] for message in rung if message] == ["t.1", "t.1"]
    ((place, _),) = await receive(world, agent[1])
    assert await receive(world, agent[1], place) == []
    assert await send(world, "m1") == ["ok"]
    assert await receive(world, agent[1], place) == []
    await world.finish(*agent)


async def test_full_mailbox_takes_no_more(world: World, agent: tuple[str, str]) -> None:
    """Nothing is written; one that is known is still no error, and room comes as some are taken."""
    await send(world, "m1")
    await send(world, "m2")
    before = await world.dump()
    assert await send(world, "m3") == ["full", "2"]
    assert await send(world, "m2") == ["ok"]
    assert await world.dump() == before
    (first, _), _ = await receive(world, agent[1])
    await receive(world, agent[1], first)
    assert await send(world, "m3") == ["ok"]
    assert await send(world, "m4") == ["full", "2"]
    await world.finish(*agent)


async def test_stream_stays_small(world: World, agent: tuple[str, str]) -> None:
    """Messages that were taken go in time; those that wait never."""
    place = ""
    for number in range(50):
        await send(world, f"m{number}", str(number))
        ((place, text),) = await receive(world, agent[1], place)
        assert text == str(number)
    assert await world.redis.xlen(world.keys.messages("t.1")) <= 4
    await world.finish(*agent)


async def test_kind_without_messages_is_deaf(world: World) -> None:
    """So is one that nobody offers, or whose offer was made nonsense by hand."""
    agent = await world.running()
    assert await send(world, "m1") == ["deaf", "check"]
    for offer in ('{"maxAttempts":1}', '{"messages":"many"}', "nonsense", "[]", "7"):
        await world.redis.hset(world.keys.kinds, "check", offer)
        assert await send(world, "m1") == ["deaf", "check"]
    assert not await world.redis.exists(world.keys.messages("t.1"))
    await world.finish(*agent)


async def test_messages_go_with_the_agent(world: World, agent: tuple[str, str]) -> None:
    """At its end, and none is taken any more."""
    await send(world, "m1")
    await world.finish(*agent)
    before = await world.dump()
    assert await send(world, "m2") == ["ended", "completed"]
    assert await receive(world, agent[1]) == []
    assert await receive(world, agent[1], "1-0") == []
    assert await world.dump() == before
    assert not await world.redis.exists(world.keys.messages("t.1"))


@pytest.mark.usefixtures("agent")
async def test_messages_go_when_another_settles_the_agent(world: World) -> None:
    """An owner that died takes its agent's messages along."""
    await send(world, "m1")
    await world.succeed_itself()
    (reply,) = await world.steps(("settle", "t.1", "n1", "e1"), epoch="e2")
    assert reply[0] == "ok", reply
    assert not await world.redis.exists(world.keys.messages("t.1"))


async def test_no_message_for_an_agent_that_is_not_there(world: World) -> None:
    """Nothing is left of it."""
    assert await send(world, "m1") == ["not_found"]
    assert await world.dump() == {}


@pytest.mark.parametrize("wrong", ["node", "epoch", "token"])
async def test_only_the_owner_receives(world: World, agent: tuple[str, str], wrong: str) -> None:
    """Another one takes nothing away."""
    await send(world, "m1")
    before = await world.dump()
    given = "x" if wrong == "token" else agent[1]
    caller = {} if wrong == "token" else {wrong: "other"}
    assert await world.step("receive", "t.1", given, "1-0", 10, **caller) == ["not_owner"]
    assert await world.dump() == before
    await world.finish(*agent)


async def test_key_of_a_wrong_type_is_named(world: World, agent: tuple[str, str]) -> None:
    """Neither step writes anything."""
    await world.plant(key := world.keys.messages("t.1"))
    before = await world.dump()
    assert (await send(world, "m1"))[:2] == ["broken", key]
    assert (await world.step("receive", "t.1", agent[1], "1-0", 10))[:2] == ["broken", key]
    assert await world.dump() == before
    await world.finish(*agent)


async def test_entry_made_by_hand_shifts_no_other(world: World, agent: tuple[str, str]) -> None:
    """It has no message; those around it have theirs."""
    await send(world, "m1", "1")
    await world.redis.xadd(world.keys.messages("t.1"), {"strange": "entry"})
    await world.redis.xadd(world.keys.messages("t.1"), {"message": "2", "more": "x", "id": "m2"})
    assert [text for _, text in await receive(world, agent[1])] == ["1", "", "2"]
    await world.finish(*agent)


async def test_user_who_may_not_ring_sends_nothing(world: World, agent: tuple[str, str]) -> None:
    """The right is looked for before the first write."""
    name, prefix = f"u-{world.keys.prefix}", world.keys.prefix
    rules = ("on", "nopass", "~*", "+@all", "resetchannels", f"&{prefix}:events", f"&{prefix}:wake")
    await world.redis.execute_command("ACL", "SETUSER", name, *rules)
    try:
        async with world.redis.client() as limited:
            await limited.execute_command("AUTH", name, "x")
            other = World(limited, prefix)
            (reply,) = await other.steps(("send", "t.1", "m1", "1"), node="", epoch="")
            await limited.execute_command("RESET")
    finally:
        await world.redis.execute_command("ACL", "DELUSER", name)
    assert reply[:2] == ["broken", world.keys.mail_bell("n1")]
    assert not await world.redis.exists(world.keys.messages("t.1"))
    await world.finish(*agent)
