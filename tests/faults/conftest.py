"""The trouble, as a fixture."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.trouble import Trouble, open_trouble
from tests.support.fixtures import StartDaemon, StartServer

LOST = 10.0
"""Seconds for which what a dead or frozen daemon has left may run on: until it is back."""


@pytest.fixture
async def trouble(
    own_server: StartServer, prefix: str, tmp_path: Path, start_daemon: StartDaemon
) -> AsyncIterator[Trouble]:
    """A server of the test's own that loses nothing which it has answered, and a proxy."""
    server = own_server(config={"appendonly": "yes", "appendfsync": "always"})
    async with open_trouble(server, prefix, tmp_path, start_daemon, LOST) as trouble:
        yield trouble
