"""All desks of a daemon: what agents tell is written together, and looked for."""

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from itertools import pairwise

import anyio
import anyio.lowlevel
import pytest

from musterd.desk import Desk
from musterd.desks import Desks
from musterd.moves import Claim
from musterd.notes import Notes
from musterd.runtimes.base import Context
from musterd.settings import Settings, load
from tests.service.parts import EPOCH, Parts, make_kind, open_parts
from tests.support.fixtures import LoadSettings, StartServer
from tests.support.pace import within
from tests.support.steps import Unheard
from tests.support.wait import pass_time, wait_until


async def nothing(_: Context) -> None:
    """Never run here."""


@pytest.fixture
async def parts(settings: LoadSettings) -> AsyncIterator[Parts]:
    """A daemon whose agents are claimed and told for by the tests."""
    async with open_manned(settings(output_lines=5)) as parts:
        yield parts


@asynccontextmanager
async def open_manned(settings: Settings) -> AsyncIterator[Parts]:
    """The parts of a daemon; its agents are ended with the block."""
    async with open_parts(settings, make_kind(nothing)) as parts:
        yield parts
        left = await parts.store.owned(settings.node)
        await parts.store.settle(left, settings.node, ended=[EPOCH])


async def open_desk(parts: Parts) -> tuple[Desk, Claim]:
    """The desk of an agent that runs."""
    await parts.submit()
    claim = await parts.claim()
    assert await parts.store.start(claim.agent_id, claim.token)
    return parts.desks.open(claim), claim


async def under_way(parts: Parts, desk: Desk) -> None:
    """Return while a round is under way that holds something of a desk; it takes a millisecond."""
    with anyio.fail_after(within(5)):
        while desk not in parts.desks.writing:
            await anyio.lowlevel.checkpoint()


async def lines(parts: Parts, claim: Claim) -> list[str]:
    """The lines kept of an agent."""
    return [line.line for line in await parts.reads.output(claim.agent_id, "0-0")]


@asynccontextmanager
async def unheard(**settings: int) -> AsyncIterator[tuple[Desks, Unheard]]:
    """Desks that are at work, on a server that answers nothing."""
    steps = Unheard()
    desks = Desks(Notes(steps, 5), load(**settings))
    async with anyio.create_task_group() as group:
        group.start_soon(desks.run)
        yield desks, steps
        group.cancel_scope.cancel()


async def test_last_word_is_written(parts: Parts) -> None:
    """Without anybody asking: of many reports the first, then the last."""
    desk, claim = await open_desk(parts)
    for step in range(101):
        desk.progress(step / 100, f"step {step}")

    async def is_written() -> bool:
        record = await parts.agent(claim.agent_id)
        return (record.progress, record.note) == (1.0, "step 100")

    await wait_until(is_written)
    for step in range(50):
        desk.progress(step / 100, f"again {step}")

    async def is_written_again() -> bool:
        return (await parts.agent(claim.agent_id)).note == "again 49"

    await wait_until(is_written_again)
    told = await parts.redis.xrange(parts.keys.events_log)
    assert sum('"agent.progress"' in fields["event"] for _, fields in told) <= 4


async def test_many_agents_share_a_round(parts: Parts) -> None:
    """What a hundred agents tell at a time is one call, not a hundred."""
    desks = [await open_desk(parts) for _ in range(100)]
    before = (await parts.redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    for desk, _ in desks:
        desk.output("stdout", "hello")
        desk.progress(0.5, None)
    for desk, _ in desks:
        await desk.flush()
    calls = (await parts.redis.info("commandstats"))["cmdstat_evalsha"]["calls"] - before
    assert calls <= 10
    assert [await lines(parts, claim) for _, claim in desks] == [["hello"]] * 100


async def test_flush_returns_when_all_is_written(parts: Parts) -> None:
    """Also what came while a round was under way."""
    desk, claim = await open_desk(parts)
    for step in range(10):
        desk.progress(step / 10, None)
        desk.output("stdout", str(step))
        await anyio.lowlevel.checkpoint()
    await desk.flush()
    assert (await parts.agent(claim.agent_id)).progress == 0.9
    assert await lines(parts, claim) == ["5", "6", "7", "8", "9"]


async def test_flush_does_not_wait_for_the_second_to_pass(parts: Parts) -> None:
    """The last progress of an agent is written before its ending, however soon that comes."""
    desk, claim = await open_desk(parts)
    for fraction in (0.1, 0.2):
        desk.progress(fraction, None)
        await desk.flush()
        assert (await parts.agent(claim.agent_id)).progress == fraction


async def test_flush_of_nothing_is_no_wait() -> None:
    """An agent that told nothing ends at once, also while the server is away."""
    async with unheard() as (desks, _):
        with anyio.fail_after(within(1)):
            await desks.open(Claim("t.1", "x", "t", "work", 1, 1, None, "")).flush()


async def test_flush_does_not_wait_for_who_tells_on(parts: Parts) -> None:
    """A task that an agent left behind may log for ever; the agent ends all the same."""
    desk, _ = await open_desk(parts)

    async def tell_on() -> None:
        while True:
            desk.output("log", "still here")
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        group.start_soon(tell_on)
        await under_way(parts, desk)
        with anyio.fail_after(within(2)):
            await desk.flush()
        group.cancel_scope.cancel()


async def test_flush_during_a_round_waits_for_the_next(parts: Parts) -> None:
    """Where nothing is left to be written, too."""
    desk, claim = await open_desk(parts)
    desk.output("stdout", "a")
    await under_way(parts, desk)
    assert desk not in parts.desks.marked
    with anyio.fail_after(within(2)):
        await desk.flush()
    assert await lines(parts, claim) == ["a"]


async def test_little_is_handed_in_while_the_server_is_away() -> None:
    """One round waits; what comes meanwhile gathers on the desk, and is bounded there."""
    async with unheard(output_lines=5) as (desks, steps):
        desk = desks.open(Claim("t.1", "x", "t", "work", 1, 1, None, ""))
        desk.output("stdout", "first")
        await wait_until(lambda: desk in desks.writing)
        for number in range(10_000):
            desk.output("stdout", str(number))
            desk.progress(None, str(number))
        await pass_time(0.3)  # three rounds that must not be
        assert Counter(step[0] for step in steps.handed_in) == {"output": 1}
        note = desk.take(1e9)
    assert note is not None
    assert note.output is not None
    assert [line for _, line in note.output.lines] == ["9995", "9996", "9997", "9998", "9999"]


@pytest.mark.usefixtures("prefix")
async def test_what_gathered_is_written_once_the_server_is_back(
    own_server: StartServer, settings: LoadSettings
) -> None:
    """In order, the last lines, each once."""
    server = own_server()
    async with open_manned(settings(url=server.url, output_lines=5)) as parts:
        desk, claim = await open_desk(parts)
        server.pause()
        for number in range(100):
            desk.output("stdout", str(number))
            await anyio.sleep(0.002)
        server.resume()
        await desk.flush()
        assert await lines(parts, claim) == ["95", "96", "97", "98", "99"]
        places = [line.place for line in await parts.reads.output(claim.agent_id, "0-0")]
        assert places == ["96-0", "97-0", "98-0", "99-0", "100-0"]


async def test_as_many_lines_as_may_be_kept_fit_a_step(settings: LoadSettings) -> None:
    """The largest number that the setting takes."""
    async with open_manned(settings(output_lines=1000)) as parts:
        desk, claim = await open_desk(parts)
        for number in range(1500):
            desk.output("stdout", str(number))
        await desk.flush()
        assert await lines(parts, claim) == [str(number) for number in range(500, 1500)]


async def test_looks_go_on_and_end_with_their_block() -> None:
    """Again and again within it, though nobody tells anything; never after it."""
    async with unheard() as (desks, _):
        looks = list[int]()
        desk = desks.open(Claim("t.1", "x", "t", "work", 1, 1, None, ""))
        with desk.watched(lambda: looks.append(1)):
            await wait_until(lambda: len(looks) >= 3)
        assert desks.looks == set()


async def test_looks_are_rarer_than_rounds(parts: Parts) -> None:
    """One agent that tells much does not have the files of all looked at ten times a second."""
    desk, _ = await open_desk(parts)
    times = list[float]()
    with desk.watched(lambda: times.append(anyio.current_time())):
        async with anyio.create_task_group() as group:

            async def tell_on() -> None:
                while True:
                    desk.output("log", "still here")
                    await anyio.sleep(0.01)

            group.start_soon(tell_on)
            await wait_until(lambda: len(times) >= 4)
            group.cancel_scope.cancel()
    assert all(later - sooner >= 0.24 for sooner, later in pairwise(times))


async def test_ring_of_a_stranger_is_no_error() -> None:
    """A bell may be false, and an agent gone."""
    desks = Desks(Notes(Unheard()), load())
    desks.ring("strange.1")
    desk = desks.open(Claim("t.1", "x", "t", "work", 1, 1, None, ""))
    assert desk.messages is desks.mailboxes["t.1"]
    desk.clear()
    assert desks.mailboxes == {}


async def test_looks_that_take_long_leave_others_their_turn() -> None:
    """Large files that many agents have left are read one by one."""
    turns = [0]
    seen: list[int] = []

    def slow_look(_: int) -> None:
        seen.append(turns[0])
        time.sleep(0.01)  # as reading a large file does

    async def take_turns() -> None:
        while True:
            turns[0] += 1
            await anyio.lowlevel.checkpoint()

    async with unheard() as (desks, _), anyio.create_task_group() as group:
        first = desks.open(Claim("t.1", "x", "t", "work", 1, 1, None, ""))
        with ExitStack() as looking:
            for number in range(10):
                looking.enter_context(first.watched(partial(slow_look, number)))
            group.start_soon(take_turns)
            await wait_until(lambda: len(seen) >= 10)
        group.cancel_scope.cancel()
    assert len(set(seen[:10])) >= 9
