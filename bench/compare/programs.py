"""The two processes of a peer, seen from outside: one does what is asked, the other tells."""

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

import anyio
from anyio.abc import ByteReceiveStream, ByteSendStream, Process
from anyio.streams.buffered import BufferedByteReceiveStream

from bench.compare.told import Told
from tests.support.wait import wait_until

PATIENCE: Final = 300.0
"""Seconds after which a program that shows nothing has failed."""

_LAST_WORDS: Final = 5.0
"""Seconds in which a program that closed its output says why, and ends."""

_LONGEST: Final = 2**24
_TAIL: Final = 1500


class PeerError(Exception):
    """A program of a peer has ended, or shows nothing.

    Args:
        what: happened, or did not.
        log: what the program wrote.
    """

    def __init__(self, what: str, log: Path) -> None:
        super().__init__(f"{what}; it said:\n{log.read_text(errors='replace')[-_TAIL:]}")


class Producer:
    """Submits and kills; see `drivers/library.py` for its orders."""

    def __init__(self, process: Process, log: Path) -> None:
        self._orders = cast("ByteSendStream", process.stdin)  # both are pipes
        self._replies = BufferedByteReceiveStream(cast("ByteReceiveStream", process.stdout))
        self._process = process
        self._log = log

    async def ask(self, do: str, **fields: float) -> Any:
        """Have an order carried out; its reply.

        Raises:
            PeerError: there was none.
        """
        try:
            await self._orders.send(json.dumps({"do": do, **fields}).encode() + b"\n")
            with anyio.fail_after(PATIENCE):
                return json.loads(await self._replies.receive_until(b"\n", _LONGEST))
        except (anyio.BrokenResourceError, anyio.IncompleteRead, TimeoutError) as error:
            with anyio.move_on_after(_LAST_WORDS):
                await self._process.wait()
            raise PeerError(f"the producer did not answer {do!r}", self._log) from error


class Worker:
    """Plays jobs, which tell what happens to them.

    Attributes:
        pid: its process id.
    """

    def __init__(self, process: subprocess.Popen[bytes], told: Told, log: Path) -> None:
        self.pid = process.pid
        self._process = process
        self._told = told
        self._log = log

    async def times_of(self, events: Sequence[str]) -> list[float]:
        """When each of these happened, by the monotonic clock; waits for them.

        Raises:
            PeerError: it ended, or not all were told in time.
        """
        await self.wait_until(lambda: self._told.has(events))
        return [self._told.times[event] for event in events]

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once this is so; raises as `times_of`."""

        def is_so() -> bool:
            if self._process.poll() is not None:
                raise PeerError("the worker has ended", self._log)
            return condition()

        try:
            await wait_until(is_so, PATIENCE)
        except AssertionError as error:
            raise PeerError("the worker did not play all", self._log) from error
