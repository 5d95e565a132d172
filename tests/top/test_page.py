"""Reading the part of a listing that is looked at."""

import pytest

from musterd.client import Client
from musterd.top.listing import Listing, Sort
from musterd.top.page import Page, Reader
from musterd.top.roster import PORTION
from tests.top.conftest import Crowd

pytestmark = pytest.mark.leaves_work("what is listed")


async def read(
    client: Client, listing: Listing, first: int = 0, count: int = 50, reader: Reader | None = None
) -> Page:
    """A page, by the sizes that hold now."""
    counts = await client.read(lambda reads: reads.counts(10))
    return await client.read(
        lambda reads: (reader or Reader()).read(reads, listing, counts.agents, first, count)
    )


def ids(page: Page) -> list[str]:
    """The agents of a page."""
    return [row.agent_id for row in page.rows]


async def test_by_age(crowd: Crowd, client: Client) -> None:
    """Oldest first, state by state; from any row on, and from the last ones if there are fewer."""
    for name in "abc":
        await crowd.run(1, name=name)
    await crowd.submit("s")
    await crowd.claim()
    assert ids(await read(client, Listing())) == ["a0.1", "b0.1", "c0.1", "s.1"]
    assert ids(await read(client, Listing(reverse=True))) == ["s.1", "c0.1", "b0.1", "a0.1"]
    page = await read(client, Listing(), first=2, count=1)
    assert (ids(page), page.first, page.total) == (["c0.1"], 2, 4)
    page = await read(client, Listing(), first=99, count=2)
    assert (ids(page), page.first) == (["c0.1", "s.1"], 2)
    row = (await read(client, Listing())).rows[0]
    assert (row.kind, row.node, row.attempt, row.status) == ("check", "n1", 1, "running")


async def test_ended(crowd: Crowd, client: Client) -> None:
    """Failures first, with the cause; of each state the last ended first."""
    agents = await crowd.run(4)
    await crowd.finish(*agents[0])
    await crowd.fail(*agents[1])
    await crowd.fail(*agents[2])
    page = await read(client, Listing(ended=True))
    assert ids(page)[-1] == "t0.1"
    assert sorted(ids(page)[:2]) == ["t1.1", "t2.1"]
    assert (page.rows[0].reason, page.rows[0].error) == ("error", "it broke")


async def test_a_kill_that_is_under_way(crowd: Crowd, client: Client) -> None:
    """An agent that was asked to stop is marked, whichever way it is listed."""
    await crowd.run(2)
    await crowd.kill("t1.1")
    for listing in (Listing(), Listing(sort=Sort.KIND)):
        page = await read(client, listing)
        assert {row.agent_id for row in page.rows if row.stopping} == {"t1.1"}


async def test_filter_and_sort(crowd: Crowd, client: Client) -> None:
    """Other orders and filters look at all agents, also at those that are not on the page."""
    await crowd.run(60, "check", "c")
    await crowd.run(3, "summarise", "z")
    await crowd.run(3, "audit", "a")
    page = await read(client, Listing(sort=Sort.KIND), count=2)
    assert (ids(page), page.total) == (["a0.1", "a1.1"], 66)
    page = await read(client, Listing(words=("summ", "1.1")))
    assert (ids(page), page.total, page.unread) == (["z1.1"], 1, 0)


async def test_many_are_read_bit_by_bit(crowd: Crowd, client: Client) -> None:
    """A look reads a bounded number of records, each once, and tells how many are left."""
    await crowd.run(2 * PORTION + 10)
    reader, listing = Reader(), Listing(sort=Sort.NODE)
    pages = [await read(client, listing, reader=reader) for _ in range(3)]
    assert [(page.total, page.unread) for page in pages] == [
        (PORTION, PORTION + 10),
        (2 * PORTION, 10),
        (2 * PORTION + 10, 0),
    ]
    await crowd.redis.config_resetstat()
    await read(client, listing, reader=reader)
    stats = await crowd.redis.info("commandstats")
    assert "cmdstat_hgetall" not in stats
    assert stats["cmdstat_hmget"]["calls"] == 50 + 1  # those on the page, and their kills


@pytest.mark.parametrize("listing", [Listing(), Listing(sort=Sort.KIND)], ids=["index", "roster"])
async def test_progress_and_last_line(crowd: Crowd, client: Client, listing: Listing) -> None:
    """What an agent tells is there with the next look, whichever way it is listed."""
    (first, token), _ = await crowd.run(2)
    reader = Reader()
    await read(client, listing, reader=reader)
    await crowd.step("progress", first, token, "0.4", "cloned")
    await crowd.step("output", first, token, 10, 1, "stdout", "one", "stderr", "two")
    told, quiet = (await read(client, listing, reader=reader)).rows
    assert (told.progress, told.line) == ("40 % cloned", "two")
    assert (quiet.progress, quiet.line) == ("", "")


async def test_output_that_is_none(crowd: Crowd, client: Client) -> None:
    """A key of another type in place of one agent's lines hides no other's."""
    (first, token), _ = await crowd.run(2)
    await crowd.step("output", first, token, 10, 1, "stdout", "one")
    await crowd.plant(crowd.keys.output("t1.1"))
    assert [row.line for row in (await read(client, Listing())).rows] == ["one", ""]


async def test_a_record_that_is_gone(crowd: Crowd, client: Client) -> None:
    """An index entry without a record is shown with what the index has."""
    await crowd.run(2)
    await crowd.redis.delete(crowd.keys.agent("t0.1"))
    for listing in (Listing(), Listing(sort=Sort.AGENT)):
        row = (await read(client, listing)).rows[0]
        assert (row.agent_id, row.status, row.kind) == ("t0.1", "running", "")


async def test_cost_of_a_page(crowd: Crowd, client: Client) -> None:
    """By age, a page reads the records of its rows and no others, however many agents there are."""
    await crowd.run(1200)
    await crowd.redis.config_resetstat()
    await read(client, Listing(), first=600, count=40)
    stats = await crowd.redis.info("commandstats")
    assert stats["cmdstat_hmget"]["calls"] == 40 + 1
    assert stats["cmdstat_zrange"]["calls"] == 1
    assert stats["cmdstat_xrevrange"]["calls"] == 40
    assert "cmdstat_hgetall" not in stats
