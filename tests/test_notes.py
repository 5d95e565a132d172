"""What an agent tells and is told, as steps; and what their refusals mean."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from musterd.errors import (
    AlreadyTerminalError,
    BrokenRecordError,
    DeafError,
    IllegalStepError,
    MailboxFullError,
    MalformedError,
    NotFoundError,
    NotOwnerError,
)
from musterd.moves import Lines, Note, Progress
from musterd.notes import MAX_MESSAGE, Notes, fraction_text
from tests.support.world import Plain, World


@pytest.fixture
def world(redis: Redis, prefix: str) -> World:
    """The test's prefix on the shared server."""
    return World(redis, prefix)


@pytest.fixture
def notes(world: World) -> Notes:
    """Those of the daemon `n1`."""
    return Notes(Plain(world), 10)


@pytest.fixture
async def agent(world: World) -> AsyncIterator[tuple[str, str]]:
    """An agent that runs, and for which one message may wait."""
    await world.step("offer", 10, "check", '{"messages":1}')
    agent_id, token = await world.running()
    yield agent_id, token
    await world.finish(agent_id, token)


async def test_each_note_has_its_own_refusals(
    world: World, notes: Notes, agent: tuple[str, str]
) -> None:
    """By the name of the part; what is not refused is written."""
    key = world.keys.output("t.1")
    await world.plant(key)
    whole = Note(*agent, Progress(0.25, "on"), "[1]", Lines(1, [("stdout", "a")]))
    strange = Note("t.1", "other", Progress(1, None))
    gone = Note("u.1", "x", checkpoint="1")
    first, second, third, fourth = await notes.write([whole, strange, gone, Note(*agent)])
    assert list(first) == ["output"]
    assert isinstance(first["output"], BrokenRecordError)
    assert key in str(first["output"])
    assert [(name, type(error)) for name, error in second.items()] == [("progress", NotOwnerError)]
    assert [(name, type(error)) for name, error in third.items()] == [("checkpoint", NotFoundError)]
    assert fourth == {}
    assert (await world.agent())["progress"] == "0.25"
    assert (await world.task())["checkpoint"] == "[1]"
    await world.redis.delete(key)


async def test_checkpoint_says_why_it_is_not_kept(
    world: World, notes: Notes, agent: tuple[str, str]
) -> None:
    """Another's agent, one that has ended, none at all."""
    with pytest.raises(NotOwnerError):
        await notes.checkpoint("t.1", "other", "1")
    with pytest.raises(NotFoundError):
        await notes.checkpoint("u.1", "x", "1")
    await world.finish(*agent)
    with pytest.raises(IllegalStepError):
        await notes.checkpoint(*agent, "1")


async def test_send_says_why_it_is_not_kept(
    world: World, notes: Notes, agent: tuple[str, str]
) -> None:
    """Each refusal is an error of its own, which names the agent."""
    with pytest.raises(NotFoundError, match=r"u\.1"):
        await notes.send("u.1", "m", 1)
    await notes.send("t.1", "m1", 1)
    with pytest.raises(MailboxFullError, match=r"t\.1: 1 messages wait .*MUSTERD_MAX_MESSAGES"):
        await notes.send("t.1", "m2", 1)
    await world.redis.hdel(world.keys.kinds, "check")
    with pytest.raises(DeafError, match=r"kind check .*`messages = true`"):
        await notes.send("t.1", "m2", 1)
    await world.finish(*agent)
    with pytest.raises(AlreadyTerminalError, match="completed"):
        await notes.send("t.1", "m2", 1)


async def test_message_is_bounded_in_bytes(notes: Notes, agent: tuple[str, str]) -> None:
    """One of the largest size goes through; one byte more, or no JSON, is not sent."""
    largest = "é" * (MAX_MESSAGE // 2 - 1)
    await notes.send("t.1", "m1", largest)
    (message,) = await notes.receive(*agent, "")
    assert message.text == f'"{largest}"'
    with pytest.raises(MalformedError, match=f"{MAX_MESSAGE + 1} bytes"):
        await notes.send("t.1", "m2", largest + "x")
    with pytest.raises(MalformedError, match="message: not a JSON value"):
        await notes.send("t.1", "m2", {1, 2})  # type: ignore[arg-type]  # that is what is tested


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(None, ""), (0, "0"), (1, "1"), (1.0, "1"), (0.123456, "0.1235"), (0.00001, "1e-05")],
)
def test_fraction_is_a_number_of_json(fraction: float | None, text: str) -> None:
    """Short, and never in a form that JSON does not know."""
    assert fraction_text(fraction) == text
