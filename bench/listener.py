"""Hears what the agents tell."""

import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.support.wait import wait_until

SOCKET: Final = "BENCH_SOCKET"
"""The environment variable that names the socket."""

LARGEST: Final = 4096
"""Bytes of a datagram, at most."""


class Listener:
    """A socket for datagrams, and the times that were told by them.

    Attributes:
        path: where agents send to.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "told"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._told: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._socket.bind(str(self.path))
        self._socket.setblocking(False)  # noqa: FBT003 - the standard library's own
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    async def time_of(self, event: str, limit: float) -> float:
        """When an event was told, by the monotonic clock; waits for it for `limit` seconds."""

        def is_told() -> bool:
            self._hear()
            return event in self._told

        await wait_until(is_told, limit, f"{event} is told")
        return self._told.pop(event)

    def _hear(self) -> None:
        while True:
            try:
                told = json.loads(self._socket.recv(LARGEST))
            except BlockingIOError:
                return
            self._told[told["event"]] = told["at"]
