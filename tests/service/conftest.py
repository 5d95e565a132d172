"""The scene, as fixtures."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.service.scene import OpenOwn, Scene, open_scene
from tests.support.fixtures import StartDaemon, StartServer
from tests.support.server import Server


@pytest.fixture
async def scene(
    server: Server, prefix: str, tmp_path: Path, start_daemon: StartDaemon
) -> AsyncIterator[Scene]:
    """A scene on the shared server."""
    async with open_scene(server, prefix, tmp_path, start_daemon) as scene:
        yield scene


@pytest.fixture
def open_own(
    own_server: StartServer, prefix: str, tmp_path: Path, start_daemon: StartDaemon
) -> OpenOwn:
    """Open a scene on a server that the test may stop, pause and restart."""

    def open_it(*, lost_limit: float = 0.0) -> AbstractAsyncContextManager[Scene]:
        server = own_server(config={"appendonly": "yes", "appendfsync": "always"})
        return open_scene(server, prefix, tmp_path, start_daemon, lost_limit=lost_limit)

    return open_it
