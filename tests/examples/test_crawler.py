"""The crawler, on a site of the test's own."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest

from musterd.client import Client
from tests.examples.conftest import StartExample
from tests.support.wait import wait_until

PAGES = {
    "/": '<a href="a">a</a> <a href="/b#part">b</a> <a href="http://elsewhere.invalid/">x</a>',
    "/a": '<a href="/c">c</a> <a href="/">home</a> <a href="/private/d">d</a>',
    "/b": '<a href="/missing">gone</a> <a href="mailto:us@example.com">us</a>',
    "/c": "the end",
    "/private/d": "not for robots",
    "/island": "nobody links here",
}
ROBOTS = "User-agent: *\nDisallow: /private/\n"


class Site(ThreadingHTTPServer):
    """Serves PAGES; notes who was asked for when; holds `/b` back while `open` is not set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.visits: list[tuple[str, float]] = []
        self.open = threading.Event()
        self.open.set()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def paths(self) -> list[str]:
        """What was asked for, but for robots.txt."""
        return [path for path, _ in self.visits if path != "/robots.txt"]


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    server: Site

    def do_GET(self) -> None:
        """One page."""
        self.server.visits.append((self.path, time.monotonic()))
        if self.path == "/b":
            self.server.open.wait(30)
        body = ROBOTS if self.path == "/robots.txt" else PAGES.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write((body or "").encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[Site]:
    """A site that is there for the test."""
    with Site() as site:
        thread = threading.Thread(target=site.serve_forever, args=(0.01,))
        thread.start()
        yield site
        site.open.set()
        site.shutdown()
        thread.join()


def context(site: Site, folder: Path, **others: Any) -> dict[str, Any]:
    """What the crawler is given."""
    return {"seeds": [f"{site.url}/"], "folder": str(folder), "delay": 0} | others


async def test_visits_all_that_may_be_visited(
    start_example: StartExample, client: Client, site: Site, tmp_path: Path
) -> None:
    """Each page of its host once; what robots.txt forbids and what fails is told of."""
    await start_example("crawler", "crawler")
    task = await client.wait_for(await client.submit("crawl", context(site, tmp_path / "p")), 30)
    assert task.result == {
        "pages": 4,
        "failed": {
            f"{site.url}/private/d": "robots.txt does not allow it",
            f"{site.url}/missing": "HTTPError: HTTP Error 404: Not Found",
        },
    }, task
    assert sorted(site.paths()) == ["/", "/a", "/b", "/c", "/missing"]
    kept = sorted(path.read_text() for path in (tmp_path / "p").iterdir())
    assert kept == sorted(PAGES[path] for path in ("/", "/a", "/b", "/c"))


async def test_is_polite_and_knows_its_limit(
    start_example: StartExample, client: Client, site: Site, tmp_path: Path
) -> None:
    """It waits between two pages, and visits no more URLs than it may."""
    await start_example("crawler", "crawler")
    given = context(site, tmp_path / "p", most=3, delay=0.2)
    task = await client.wait_for(await client.submit("crawl", given), 30)
    assert task.result == {"pages": 3, "failed": {}}
    times = [at for path, at in site.visits if path != "/robots.txt"]
    assert all(later - earlier >= 0.2 for earlier, later in pairwise(times))


async def test_goes_on_after_the_daemon_was_killed(
    start_example: StartExample, client: Client, site: Site, tmp_path: Path
) -> None:
    """What was visited before is not visited again; the page under way is."""
    daemon = await start_example("crawler", "crawler")
    site.open.clear()
    task_id = await client.submit("crawl", context(site, tmp_path / "p"))
    await wait_until(lambda: "/b" in site.paths(), 20)
    daemon.kill9()
    site.open.set()
    daemon.start()
    task = await client.wait_for(task_id, 30)
    assert (task.status, task.attempt) == ("completed", 2)
    assert sorted(site.paths()) == ["/", "/a", "/b", "/b", "/c", "/missing"]
    assert len(list((tmp_path / "p").iterdir())) == 4


async def test_seed_by_message(
    start_example: StartExample, client: Client, site: Site, tmp_path: Path
) -> None:
    """A URL that is sent while it works is visited, too; the progress shows where it is."""
    daemon = await start_example("crawler", "crawler")
    site.open.clear()
    task_id = await client.submit("crawl", context(site, tmp_path / "p"))
    await wait_until(lambda: "/b" in site.paths(), 20)

    async def is_told() -> bool:
        agent = await client.get(f"{task_id}.1")
        return f"{site.url}/b" in str(agent.as_json().get("note"))

    await wait_until(is_told, 10)
    await client.send(f"{task_id}.1", f"{site.url}/island")
    await wait_until(lambda: "seed added" in daemon.log_text(), 10)
    site.open.set()
    task = await client.wait_for(task_id, 30)
    assert task.status == "completed"
    assert "/island" in site.paths()


async def test_kill_does_not_wait_for_a_page(
    start_example: StartExample, client: Client, site: Site, tmp_path: Path
) -> None:
    """It is killed while a host does not answer."""
    await start_example("crawler", "crawler")
    site.open.clear()
    task_id = await client.submit("crawl", context(site, tmp_path / "p"))
    await wait_until(lambda: "/b" in site.paths(), 20)
    with anyio.fail_after(9):  # a socket waits for ten, so this does not grow with the load
        await client.kill(task_id, wait=True)
    assert (await client.get(f"{task_id}.1")).status == "killed"
    assert not site.open.is_set()


async def test_context_that_will_not_do(start_example: StartExample, client: Client) -> None:
    """It is rejected, and not tried again."""
    await start_example("crawler", "crawler")
    task = await client.wait_for(await client.submit("crawl", {"seeds": []}), 20)
    assert (task.reason, task.attempt) == ("rejected", 1)
