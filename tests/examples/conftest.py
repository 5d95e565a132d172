"""The examples of the documentation, run by real daemons."""

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from musterd.client import Client
from tests.support.daemon import Daemon
from tests.support.fixtures import LoadSettings, StartDaemon

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
PATHS = [str(Path(path).resolve()) for path in sys.path]


class StartExample(Protocol):
    """What `start_example` is."""

    async def __call__(self, folder: str, agents: str, **env: str) -> Daemon:
        """Start a daemon as if in an example's folder, with this source of kinds there."""


@pytest.fixture
def start_example(start_daemon: StartDaemon) -> StartExample:
    """Start daemons that offer what an example defines, and are quick to give up waiting."""

    async def start(folder: str, agents: str, **env: str) -> Daemon:
        place = EXAMPLES / folder
        ours = {
            "MUSTERD_AGENTS": str(place / agents) if agents.endswith(".toml") else agents,
            "PYTHONPATH": os.pathsep.join([str(place), *PATHS]),
            "MUSTERD_DRAIN_TIMEOUT": "0.5",
        }
        settings: Any = ours | env
        return await start_daemon(**settings)

    return start


@pytest.fixture
async def client(settings: LoadSettings) -> AsyncIterator[Client]:
    """A client on the test's prefix."""
    async with Client(settings()) as client:
        yield client
