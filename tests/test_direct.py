"""Steps of a program that is no daemon: taken at once, or an error in a sentence."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from musterd import valkey
from musterd.direct import BATCH, Direct
from musterd.errors import RefusedError, UnreachableError
from musterd.scripts import Step
from musterd.submission import Submission
from tests.support.fixtures import StartServer
from tests.support.server import Server
from tests.support.world import KIND, World

pytestmark = pytest.mark.leaves_work("what was submitted waits")


def submission(task_id: str) -> Step:
    """The step that submits a task."""
    return Submission(kind=KIND, task_id=task_id).step()


@pytest.fixture
def own(own_server: StartServer) -> Server:
    """A server that the test may stop."""
    return own_server()


@pytest.fixture
async def client(own: Server) -> AsyncIterator[Redis]:
    """As a client program has it."""
    async with valkey.connect(own.url, connections=2) as client:
        yield client


@pytest.fixture
def direct(client: Redis, prefix: str) -> Direct:
    """On a server of its own."""
    return Direct(client, World(client, prefix).as_caller(node="", epoch=""), "valkey://v")


async def test_one_and_many(direct: Direct) -> None:
    """In calls of a bounded size; the answers in order."""
    assert await direct.commit(submission("t0")) == ["ok", 1]
    steps = [submission(f"t{number}") for number in range(BATCH + 10)]
    assert await direct.commit_all(steps) == [["ok", 0]] + [["ok", 1]] * (BATCH + 9)
    assert await direct.commit_all([]) == []


async def test_connection_that_died_unnoticed(direct: Direct, own: Server) -> None:
    """A pooled one: the step is sent again on another, by itself."""
    await direct.commit(submission("a"))
    own.restart()
    assert await direct.commit(submission("b")) == ["ok", 1]


async def test_server_that_is_away(direct: Direct, own: Server) -> None:
    """Is not reachable; the sentence says where it was looked for and which setting to see."""
    own.stop()
    with pytest.raises(UnreachableError, match=r"valkey://v is not reachable.*VALKEY_URL"):
        await direct.commit(submission("a"))


async def test_server_without_memory(direct: Direct, client: Redis) -> None:
    """A client waits for nobody: it is told."""
    await client.config_set("maxmemory", "1")
    with pytest.raises(UnreachableError, match="OOM"):
        await direct.commit(submission("a"))
    await client.config_set("maxmemory", "0")
    assert await direct.commit(submission("a")) == ["ok", 1]


@pytest.mark.parametrize("password", ["", "?password=wrong"])
async def test_server_that_wants_a_password(
    own: Server, client: Redis, prefix: str, password: str
) -> None:
    """It answers, but not to us; waiting would not help."""
    await client.config_set("requirepass", "secret")
    async with valkey.connect(own.url + password, connections=1) as stranger:
        direct = Direct(stranger, World(stranger, prefix).caller, "valkey://v")
        with pytest.raises(RefusedError, match="valkey://v refuses"):
            await direct.commit(submission("a"))
    await client.config_set("requirepass", "")  # by a connection that is known already
