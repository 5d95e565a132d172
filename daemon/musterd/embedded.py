"""A private Valkey server in the state folder. Nothing else starts a server.

A server that ends under a live daemon is started again, at the same place. One that outlives a
daemon that is killed is taken over by the next daemon on the folder. Two locks hold this together:
`lock` is the daemon's; `valkey/lock` is inherited by the server, which so holds it for as long as
it lives. Without the second nobody starts a server on these files.
"""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self
from urllib.parse import quote

import anyio

from musterd import state_dir as files
from musterd.valkey_process import ANSWER_TIMEOUT, ValkeyProcess


def find(state_dir: Path) -> str | None:
    """URL of the server that runs in `state_dir`, or None; for other commands of the same user."""
    path = files.socket_of(state_dir.absolute() / "valkey")
    with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
        probe.settimeout(ANSWER_TIMEOUT)
        probe.connect(str(path))
        return _url(path)
    return None


class EmbeddedValkey(anyio.AsyncContextManagerMixin):
    """The server of one state folder: started or taken over on entering, ended on leaving.

    Entering raises `StateDirError` if the folder is another daemon's or cannot be used, or if the
    server does not start, and `SettingError` if there is no server for this machine.
    """

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir.absolute()
        self._server = ValkeyProcess(self._state_dir / "valkey")
        self._keeping = anyio.CancelScope()
        self._in_hand = anyio.Lock()
        self.url = ""
        """Where it is, as redis-py's `from_url` takes it. Empty before entering."""

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self]:
        with files.held(self._state_dir):
            try:
                self.url = _url(await self._server.obtain())
                yield self
            finally:
                with anyio.CancelScope(shield=True):
                    await self.end()

    async def keep(self) -> None:
        """Start the server again, at the same URL, whenever it has ended; until `end`."""
        with self._keeping:
            async with self._in_hand:
                await self._server.keep()

    async def end(self) -> None:
        """End the server for good; leaving does it too. It takes 20 s at most."""
        self._keeping.cancel()
        async with self._in_hand:  # by now nobody else waits for the process, or starts one
            await self._server.release()


def _url(path: Path) -> str:
    return f"unix://{quote(str(path))}"
