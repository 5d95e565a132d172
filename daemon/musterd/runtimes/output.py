"""What a process writes, turned into log lines: bounded in memory, in order, never blocking.

A process that writes faster than lines are logged waits at its full pipe.
"""

import codecs
import os
from collections import deque
from collections.abc import Callable
from io import FileIO
from typing import Final

import anyio
import anyio.lowlevel
import structlog
from structlog.typing import FilteringBoundLogger

LINE: Final = 8 * 1024
"""Characters of one log line; a longer line is cut."""

TAIL_LINES: Final = 20
TAIL: Final = 4 * 1024
"""Characters that are kept for the error."""

_CHUNK: Final = 8 * 1024

_PIPE: Final = 1024 * 1024
"""Bytes that a pipe holds at most, unless root has raised it."""

_TURN: Final = 50
"""Lines logged at a stretch, about 1 ms; then others have their turn."""

_log: FilteringBoundLogger = structlog.get_logger()


class Tail:
    """The last lines, at most 20 and about 4 KiB."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque()
        self._size = 0

    def add(self, line: str) -> None:
        """Append a line, and forget what is too much."""
        self._lines.append(line[-TAIL:])
        self._size += len(self._lines[-1])
        while len(self._lines) > TAIL_LINES or self._size > TAIL:
            self._size -= len(self._lines.popleft())

    def __str__(self) -> str:
        return "\n".join(self._lines).strip()


class Output:
    """One stream of a process, read from its pipe.

    Args:
        pipe: the reading end; the caller closes it.
        stream: `stdout` or `stderr`, a field of each log line.
        keep: is given stream and line of each.
    """

    def __init__(self, pipe: FileIO, stream: str, keep: Callable[[str, str], None]) -> None:
        self.tail = Tail()
        self._pipe = pipe
        self._stream = stream
        self._keep = keep
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._lines: deque[str] = deque()
        self._rest = ""
        self._at_end = False
        self._following = anyio.CancelScope(shield=True)
        os.set_blocking(pipe.fileno(), False)

    async def follow(self) -> None:
        """Log each line until the stream ends, or until `stop` and what is in the pipe by then.

        Being cancelled does not end it: who is asked to stop may have much to say.
        """
        with self._following:
            while not self._at_end:
                await anyio.wait_readable(self._pipe)
                self._read()
                await self._log_lines()
        with anyio.CancelScope(shield=True):
            await self._drain()

    def stop(self) -> None:
        """Wait for nothing more; a stranger may hold the pipe open for ever."""
        self._following.cancel()

    async def _drain(self) -> None:
        await self._log_lines()
        left = _PIPE
        while left > 0 and (size := self._read()):
            left -= size
            await self._log_lines()
        self._add(self._decoder.decode(b"", final=True))
        if self._rest:
            self._lines.append(self._rest)
        await self._log_lines()

    def _read(self) -> int:
        """Take what is there; returns how many bytes."""
        data = self._pipe.read(_CHUNK)
        if data is None:
            return 0
        self._at_end = not data
        self._add(self._decoder.decode(data))
        return len(data)

    def _add(self, text: str) -> None:
        *lines, rest = (self._rest + text).split("\n")
        for line in lines:
            self._lines.extend(_pieces(line.removesuffix("\r")))
        *pieces, self._rest = _pieces(rest)
        self._lines.extend(pieces)

    async def _log_lines(self) -> None:
        while self._lines:
            for _ in range(min(_TURN, len(self._lines))):
                line = self._lines.popleft()
                self.tail.add(line)
                self._keep(self._stream, line)
                _log.info("output", stream=self._stream, line=line)
            await anyio.lowlevel.checkpoint()


def _pieces(line: str) -> list[str]:
    return [line[at : at + LINE] for at in range(0, len(line), LINE)] or [""]
