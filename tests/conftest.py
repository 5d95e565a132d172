"""Fixtures for every test: a real server, a prefix, settings, daemons, and a check for leaks."""

import os
import secrets
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import hypothesis
import pytest
from redis.asyncio import Redis

from musterd.settings import load
from tests.support.daemon import Daemon
from tests.support.fixtures import LoadSettings, StartDaemon, StartServer
from tests.support.leaks import find_leaks
from tests.support.schedule import Schedule
from tests.support.server import Server

_failed = pytest.StashKey[bool]()

LONG = frozenset({"systemd", "chaos", "faults"})
"""Folders of tests that take long."""


hypothesis.settings.register_profile(
    "ci", max_examples=60, derandomize=True, database=None, deadline=None
)
hypothesis.settings.register_profile("deep", max_examples=3000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_configure(config: pytest.Config) -> None:
    """Register our markers."""
    config.addinivalue_line(
        "markers", "leaves_work(why): the test may end while tasks or agents are live"
    )


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Schedule:
    """How tests are handed out to those who run them side by side."""
    return Schedule(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long comes first, so that tests that run side by side end together."""
    items.sort(key=lambda item: not LONG.isdisjoint(item.path.parts))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note which test failed: the keys it left say nothing."""
    report = yield
    item.stash[_failed] = report.failed or item.stash.get(_failed, False)
    return report


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """redis-py speaks asyncio alone."""
    return "asyncio"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of this machine reaches a test."""
    for name in [name for name in os.environ if name.startswith(("MUSTERD_", "VALKEY_"))]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def server_process() -> Iterator[Server]:
    """The server that all tests share; they use it through `server`."""
    with Server() as server:
        yield server


@pytest.fixture
def server(server_process: Server) -> Server:
    """The shared server, emptied. Tests that stop, pause or configure one use `own_server`."""
    server_process.flush()
    return server_process


@pytest.fixture
def own_servers() -> Iterator[list[Server]]:
    """The servers that `own_server` has started, ended after the test."""
    servers: list[Server] = []
    yield servers
    for server in servers:
        server.close()


@pytest.fixture
def own_server(own_servers: list[Server]) -> StartServer:
    """Start servers that this test may stop, kill, pause and restart."""

    def start(*, tcp: bool = False, config: Mapping[str, str] | None = None) -> Server:
        server = Server(tcp=tcp, config=config)
        own_servers.append(server)
        server.start()
        return server

    return start


@pytest.fixture
async def redis(server: Server) -> AsyncIterator[Redis]:
    """An asyncio client of the shared server; it answers text."""
    async with Redis.from_url(server.url, decode_responses=True) as client:
        yield client


@pytest.fixture
def prefix() -> str:
    """A key prefix of this test's own."""
    return f"t{secrets.token_hex(4)}"


@pytest.fixture
def settings(server: Server, prefix: str) -> LoadSettings:
    """Load settings that point at the test's server and prefix."""
    return partial(load, url=server.url, prefix=prefix)


@pytest.fixture
def start_daemon(server: Server, prefix: str) -> Iterator[StartDaemon]:
    """Start daemons; they and their agents end with the test."""
    with ExitStack() as daemons:
        shared = server

        async def start(
            *, server: Server | None = None, node: str = "", wait: bool = True, **env: str
        ) -> Daemon:
            daemon = Daemon((server or shared).url, prefix, node=node, env=env)
            daemons.enter_context(closing(daemon))
            daemon.start()
            if wait:
                await daemon.wait_ready()
            return daemon

        yield start


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test with a server and a prefix, no key is left that has no end."""
    used = set(request.fixturenames) & {"server", "own_server"}
    if not used or "prefix" not in request.fixturenames:
        yield
        return
    # Asked for here, first, so that daemons end before the check and servers after it.
    servers = list[Server]()
    if "server" in used:
        servers.append(request.getfixturevalue("server"))
    own = request.getfixturevalue("own_servers")
    prefix = request.getfixturevalue("prefix")
    yield
    if request.node.stash.get(_failed, False):
        return
    leaves_work = request.node.get_closest_marker("leaves_work") is not None
    for server in (server for server in [*servers, *own] if server.is_running):
        with server.client() as client:
            assert not find_leaks(client, prefix, leaves_work=leaves_work)
