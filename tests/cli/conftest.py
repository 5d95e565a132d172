"""The command line in this process and as a process, and states for it to show."""

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import anyio
import pytest
import structlog

from musterd import ids, valkey
from musterd.cli.program import run
from musterd.client import Client
from musterd.direct import Direct
from musterd.moves import Claim, Ending, Note, Offer
from musterd.nodes import Nodes
from musterd.notes import Notes
from musterd.scripts import Caller
from musterd.settings import load
from musterd.store import Store
from tests.support.server import Server

Value = TypeVar("Value")

NODE = "hand"


class Outcome(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)

    @property
    def documents(self) -> list[Any]:
        """Standard output as JSON, one document a line."""
        return [json.loads(line) for line in self.out.splitlines()]


class Cli(Protocol):
    """What `cli` is."""

    def __call__(self, *arguments: str) -> Outcome:
        """Run `musterd ARGUMENTS` in this process."""


class Program(Protocol):
    """What `program` is."""

    def __call__(
        self, *arguments: str, env: Mapping[str, str] | None = None, **options: Any
    ) -> "subprocess.Popen[str]":
        """Start `python -m musterd ARGUMENTS`.

        Args:
            *arguments: of the command line.
            env: beside the environment that points at the test's server and prefix.
            **options: those of Popen.
        """


@pytest.fixture
def where(
    server: Server, prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> dict[str, str]:
    """The environment that points at the test's server and prefix; it is in force."""
    environment = {"VALKEY_URL": server.url, "MUSTERD_PREFIX": prefix}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return environment


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], where: dict[str, str]) -> Cli:
    """Run commands in this process, on the test's server and prefix."""
    assert where

    def play(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = run(arguments)
        return Outcome(code, *capsys.readouterr())

    return play


@pytest.fixture
def program(where: dict[str, str], request: pytest.FixtureRequest) -> Program:
    """Start commands as processes, on the test's server and prefix; they end with the test."""
    paths = os.pathsep.join(str(Path(path).resolve()) for path in sys.path)

    def start(
        *arguments: str, env: Mapping[str, str] | None = None, **options: Any
    ) -> "subprocess.Popen[str]":
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            [sys.executable, "-m", "musterd", *arguments],
            env=os.environ | where | {"PYTHONPATH": paths} | dict(env or {}),
            text=True,
            **(pipes | options),
        )
        request.addfinalizer(lambda: _end(process))
        return process

    return start


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()


def as_client(work: Callable[[Client], Awaitable[Value]]) -> Value:
    """Do something as another program would."""

    async def run() -> Value:
        async with Client() as client:
            return await work(client)

    return anyio.run(run)


class Hand:
    """A daemon's writes, made by hand, one after the other."""

    def __init__(self, store: Store, nodes: Nodes, notes: Notes) -> None:
        self._store = store
        self._nodes = nodes
        self._notes = notes
        self._claims = 0

    async def offer(self, kind: str, fields: Any) -> None:
        """Publish a kind."""
        await self._nodes.offer({kind: fields}, most=10)

    async def run(self, kind: str, max_attempts: int = 1) -> Claim:
        """Claim the next task of a kind and start its agent."""
        self._claims += 1
        offer = Offer(kind, 1, max_attempts, None)
        claimed = await self._store.claim(self._claims, ids.new_token(), 1, [offer])
        (claim,) = claimed.claims
        assert await self._store.start(claim.agent_id, claim.token)
        return claim

    async def tell(self, claim: Claim, **fields: Any) -> None:
        """Write what an agent tells; see `moves.Note`."""
        await self._notes.write([Note(claim.agent_id, claim.token, **fields)])

    async def end(self, claim: Claim, ending: Ending) -> None:
        """Write an agent's ending."""
        await self._store.finish(claim.agent_id, claim.token, ending)


def as_daemon(work: Callable[[Hand], Awaitable[Value]]) -> Value:
    """Write as a daemon named NODE."""

    async def run() -> Value:
        settings = load(node=NODE)
        caller = Caller.of(settings, epoch=ids.new_epoch())
        async with valkey.connect(settings.server_url, connections=1) as redis:
            steps = Direct(redis, caller, "the test's server")
            nodes = Nodes(steps)
            await nodes.register(NODE, {"capacity": 5, "agents": 1, "state": "active"})
            value = await work(Hand(Store(steps), nodes, Notes(steps, lines_kept=5)))
            await nodes.release()
            return value

    return anyio.run(run)


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A command that runs inside the test chooses what is logged; the next test does not."""
    yield
    structlog.reset_defaults()
