"""Looking again and again."""

import contextlib
from collections.abc import AsyncIterator

import anyio
import pytest

from musterd.client import Client
from musterd.top import feed as feeds
from musterd.top.feed import Feed, Outage, Snapshot
from musterd.top.listing import Listing
from musterd.top.rates import WINDOW
from musterd.top.tail import LINES
from musterd.valkey import ANSWER_TIMEOUT
from tests.support.fixtures import LoadSettings, StartServer
from tests.support.wait import wait_until
from tests.top.conftest import Crowd

pytestmark = pytest.mark.leaves_work("what is looked at")


@contextlib.asynccontextmanager
async def running(feed: Feed) -> AsyncIterator[list[Snapshot | Outage]]:
    """What the feed has shown so far, while it runs."""
    seen: list[Snapshot | Outage] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feed.run, seen.append)
        await wait_until(lambda: seen)
        yield seen
        tasks.cancel_scope.cancel()


async def test_a_look_at_nothing(feed: Feed) -> None:
    """An empty server is zeros, not an error."""
    snapshot = await feed.look()
    assert (snapshot.page.total, snapshot.nodes, snapshot.events) == (0, [], ())
    assert set(snapshot.counts.agents.values()) == {0}


async def test_a_look_at_something(crowd: Crowd, feed: Feed) -> None:
    """Sizes, rates, daemons, events and rows, as of one look."""
    agents = await crowd.run(3)
    await crowd.finish(*agents[0])
    await crowd.submit("waits")
    await crowd.submit("later", delay=60_000)
    snapshot = await feed.look()
    counts = snapshot.counts
    assert (counts.agents["running"], counts.agents["completed"]) == (2, 1)
    assert (counts.tasks["pending"], counts.scheduled, counts.queued) == (2, 1, 4)
    assert snapshot.rates.ended["completed"] == 1 / WINDOW
    assert [node.node for node in snapshot.nodes] == ["n1"]
    assert [event.task_id for event in snapshot.events[-2:]] == ["waits", "later"]
    assert snapshot.page.total == 2


async def test_events_are_read_once(crowd: Crowd, feed: Feed) -> None:
    """Each look adds what is new; only the newest are kept."""
    await crowd.run(30)
    assert len((await feed.look()).events) == feeds.EVENTS
    await crowd.submit("one-more")
    events = (await feed.look()).events
    assert (len(events), events[-1].task_id) == (feeds.EVENTS, "one-more")
    assert len({event.place for event in events}) == feeds.EVENTS


async def test_progress_leaves_room_for_other_events(crowd: Crowd, feed: Feed) -> None:
    """However much agents report, what else was told stays where it is seen."""
    agents = await crowd.run(1)
    reports = [("progress", *agents[0], "0.5", str(number)) for number in range(feeds.EVENTS)]
    await crowd.steps(*reports)
    assert [event.type for event in (await feed.look()).events][-2:] == [
        "agent.running",
        "task.executing",
    ]
    await crowd.steps(*reports)
    await crowd.submit("more")
    assert [event.task_id for event in (await feed.look()).events][-2:] == ["t0", "more"]


async def test_output_is_read_as_it_comes(crowd: Crowd, feed: Feed) -> None:
    """Each line of the agent that one looks at, once; of another agent none of them."""
    (first, token), (second, its_token) = await crowd.run(2)
    await crowd.step("output", first, token, 500, 1, *["stdout", "x"] * (LINES + 7))
    feed.examine(first)
    assert len(await lines(feed)) == LINES
    await crowd.step("output", first, token, 500, LINES + 8, "stderr", "last")
    found = await lines(feed)
    assert (len(found), found[-2:]) == (LINES, ["x", "last"])
    assert await lines(feed) == found
    feed.examine(second)
    assert await lines(feed) == []
    for number in (1, 2):
        await crowd.step("output", second, its_token, 500, number, "log", f"{number}")
        await lines(feed)
    assert await lines(feed) == ["1", "2"]


async def test_an_event_brings_a_look(
    crowd: Crowd, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What happens is shown at once, not with the next look that is due."""
    monkeypatch.setattr(feeds, "EVERY", 600.0)
    async with running(feed) as seen:
        await wait_until(lambda: _blocked(crowd))
        await crowd.run(1)
        await wait_until(lambda: _total(seen) == 1)


async def test_asking_brings_a_look(
    crowd: Crowd, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another listing is read at once."""
    agents = await crowd.run(2)
    await crowd.finish(*agents[0])
    monkeypatch.setattr(feeds, "EVERY", 600.0)
    async with running(feed) as seen:
        feed.turn_to(Listing(ended=True), 0, 10)
        await wait_until(lambda: _total(seen) == 1)


async def test_details(crowd: Crowd, feed: Feed) -> None:
    """One agent's record, its task's, and what was told of both, in order; of no other attempt."""
    agent_id, token = await crowd.running("t", attempts=2)
    await crowd.fail(agent_id, token)
    await crowd.claim()
    feed.examine("t.1")
    details = (await feed.look()).details
    assert details is not None
    assert (details.agent.agent_id, details.agent.status) == ("t.1", "failed")
    assert details.task is not None
    assert details.task.attempt == 2
    told = [event.type for event in details.events]
    assert told[:5] == [
        "task.pending", "agent.spawned", "task.assigned", "agent.running", "task.executing",
    ]  # fmt: skip
    assert told[5:7] == ["agent.failed", "task.failed"]
    assert {event.agent_id for event in details.events} == {None, "t.1"}
    feed.examine("t.7")
    assert (await feed.look()).details is None


@pytest.mark.parametrize("how", ["gone", "frozen"])
async def test_outage(own_server: StartServer, settings: LoadSettings, how: str) -> None:
    """While Valkey is away this is told; when it is back, looks go on."""
    server = own_server()
    async with Client(settings(url=server.url)) as client, running(Feed(client)) as seen:
        assert isinstance(seen[-1], Snapshot)
        if how == "gone":
            server.stop()
        else:
            server.pause()
        await wait_until(lambda: isinstance(seen[-1], Outage), ANSWER_TIMEOUT + 5)
        assert "is not reachable" in str(seen[-1])
        if how == "gone":
            server.start()
        else:
            server.resume()
        await wait_until(lambda: isinstance(seen[-1], Snapshot))


async def lines(feed: Feed) -> list[str]:
    """The output of the agent that is looked at, as of now."""
    details = (await feed.look()).details
    assert details is not None
    return [line.line for line in details.output]


async def _blocked(crowd: Crowd) -> bool:
    return int((await crowd.redis.info("clients"))["blocked_clients"]) > 0


def _total(seen: list[Snapshot | Outage]) -> int | None:
    return seen[-1].page.total if isinstance(seen[-1], Snapshot) else None
