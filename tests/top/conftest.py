"""A state with many agents, the program that shows it, and what stands on its screen."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from musterd.client import Client
from musterd.top.app import TopApp
from musterd.top.feed import Feed
from tests.support.fixtures import LoadSettings
from tests.support.world import World

_BATCH = 500


class Crowd(World):
    """Tasks and agents of the daemon `n1`, as many as one likes."""

    async def run(self, number: int, kind: str = "check", name: str = "t") -> list[tuple[str, str]]:
        """So many agents that run; the id and token of each."""
        found: list[tuple[str, str]] = []
        digits = len(str(number - 1))  # of one moment, an index has ids in the order of texts
        await self.register()
        for first in range(0, number, _BATCH):
            ids = [
                f"{name}{place:0{digits}}" for place in range(first, min(number, first + _BATCH))
            ]
            await self.steps(*(("submit", task_id, kind, "", 0, 0, "", "", "") for task_id in ids))
            claimed = await self.claim(len(ids), kind)
            await self.steps(*(("start", agent[0], agent[1]) for agent in claimed))
            found += [(agent[0], agent[1]) for agent in claimed]
        return found


@pytest.fixture
def crowd(redis: Redis, prefix: str) -> Crowd:
    """The state, empty at first."""
    return Crowd(redis, prefix)


@pytest.fixture
async def client(settings: LoadSettings) -> AsyncIterator[Client]:
    """A client of the test's server and prefix."""
    async with Client(settings()) as found:
        yield found


@pytest.fixture
def feed(client: Client) -> Feed:
    """Looks at the test's state."""
    return Feed(client)


@pytest.fixture
def app(feed: Feed) -> TopApp:
    """The program."""
    return TopApp(feed)


def screen_of(app: TopApp) -> list[str]:
    """The lines of the screen, without styles."""
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]


def text_of(app: TopApp) -> str:
    """The whole screen."""
    return "\n".join(screen_of(app))
