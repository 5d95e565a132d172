"""What a process writes, turned into log lines: bounded in memory, in order, never blocking.

A process that writes faster than lines are logged waits at its full pipe.
"""

import asyncio
import codecs
from collections import deque
from collections.abc import Callable
from io import FileIO
from typing import Final

import anyio
import anyio.lowlevel
import structlog
from structlog.typing import FilteringBoundLogger

from musterd.runtimes.readiness import readiness

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

_Decoder: Final = codecs.getincrementaldecoder("utf-8")

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
        pipe: the reading end, which does not block; the caller closes it, after `finish`.
        stream: `stdout` or `stderr`, a field of each log line.
        keep: is given stream and line of each.
    """

    def __init__(self, pipe: FileIO, stream: str, keep: Callable[[str, str], None]) -> None:
        self.tail = Tail()
        self._pipe = pipe
        self._stream = stream
        self._keep = keep
        self._decoder: codecs.IncrementalDecoder | None = None  # most write nothing
        self._lines: deque[str] = deque()
        self._rest = ""
        self._at_end = False
        self._readiness = readiness()
        self._turn: asyncio.Handle | None = None

    def follow(self) -> None:
        """Log each line as it comes, until the stream ends or `finish`."""
        self._readiness.add(self._pipe.fileno(), self._take)

    async def finish(self) -> None:
        """Log what is in the pipe by now, and no more; a stranger may hold it open for ever.

        Call it shielded from cancellation.
        """
        self._pause()
        left = _PIPE
        while not self._at_end and left > 0 and (size := self._read()):
            left -= size
            await self._log_all()
        self._end()
        await self._log_all()

    def _pause(self) -> None:
        self._readiness.remove(self._pipe.fileno())
        if self._turn is not None:
            self._turn.cancel()

    def _take(self) -> None:
        """There is something to read, or there never will be."""
        self._read()
        self._log_some()
        if self._lines or self._at_end:
            self._pause()
        if self._lines:
            self._turn = asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """Nothing more is read before all of the last is logged."""
        self._log_some()
        if self._lines:
            self._turn = asyncio.get_running_loop().call_soon(self._go_on)
        elif not self._at_end:
            self.follow()

    def _read(self) -> int:
        """Take what is there; returns how many bytes."""
        data = self._pipe.read(_CHUNK)
        if data is None:
            return 0
        if data:
            self._decoder = self._decoder or _Decoder("replace")
            self._add(self._decoder.decode(data))
        else:
            self._end()
        return len(data)

    def _end(self) -> None:
        """A line that was begun has ended, too."""
        self._at_end = True
        if self._decoder is not None:
            self._add(self._decoder.decode(b"", final=True))
        if self._rest:
            self._lines.append(self._rest)
            self._rest = ""

    def _add(self, text: str) -> None:
        *lines, rest = (self._rest + text).split("\n")
        for line in lines:
            self._lines.extend(_pieces(line.removesuffix("\r")))
        *pieces, self._rest = _pieces(rest)
        self._lines.extend(pieces)

    async def _log_all(self) -> None:
        while self._lines:
            self._log_some()
            await anyio.lowlevel.checkpoint()

    def _log_some(self) -> None:
        for _ in range(min(_TURN, len(self._lines))):
            line = self._lines.popleft()
            self.tail.add(line)
            self._keep(self._stream, line)
            _log.info("output", stream=self._stream, line=line)


def _pieces(line: str) -> list[str]:
    return [line[at : at + LINE] for at in range(0, len(line), LINE)] or [""]
