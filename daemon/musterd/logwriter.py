"""Writes lines to a descriptor from a thread of its own, so that a reader who stalls stops nobody.

It owns the lines between a log call and the descriptor: their order, their bound in memory, the
number of those for which there was no room. It blocks no caller; `flush` and `close` wait while
lines go out, and for as long as they are told when none do.
"""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Final

LIMIT: Final = 64 * 1024 * 1024
"""Bytes of lines that wait at most; what comes then is dropped."""

_BATCH: Final = 64 * 1024
"""Bytes of one write, about; each may have to wait 5 ms for the interpreter."""

_GATHER: Final = 0.001
"""Seconds for which lines gather: who logs gives way to the thread each time that it wakes."""


class LogWriter:
    """A queue of lines, and the thread that empties it; the first line starts the thread.

    Args:
        descriptor: where to.
        tell_dropped: is called with a number of dropped lines, and writes a line about them here.
        limit: bytes that wait at most.

    Attributes:
        forward: takes a line somewhere else, and may wait; False if the descriptor is to have it.
    """

    def __init__(
        self, descriptor: int, tell_dropped: Callable[[int], None], limit: int = LIMIT
    ) -> None:
        self._descriptor = descriptor
        self.forward: Callable[[bytes], bool] | None = None
        self._tell_dropped = tell_dropped
        self._limit = limit
        self._direct = False
        self._reset()

    def _reset(self) -> None:
        self._lines: deque[bytes] = deque()
        self._size = 0  # of the lines, and of the batch that is being written
        self._gone = 0  # bytes of what went out
        self._dropped = 0
        self._last = 0.0  # when the last batch went out
        self._thread: threading.Thread | None = None
        # Reentrant: a finalizer may log in the middle of another log call.
        lock = threading.RLock()
        self._filled = threading.Condition(lock)
        self._written = threading.Condition(lock)

    def write(self, line: bytes) -> None:
        """Have a line written after those before it; drop it if too much waits already."""
        if self._direct:
            self._put_out([line])
            return
        size = len(line)
        with self._filled:
            if not self._has_room(size):
                self._dropped += 1
                return
            if self._dropped:
                self._report()
            was_idle = not self._size  # no call until the next line: a finalizer could log in it
            self._size += size
            self._lines.append(line)
            if was_idle:
                self._wake()

    def flush(self, timeout: float) -> bool:
        """Whether all lines so far went out; given up once none has for this many seconds."""
        with self._written:
            upto = self._gone + self._size
            while self._gone < upto:
                before = self._gone
                self._written.wait_for(lambda: self._gone >= upto, timeout)
                if self._gone == before:
                    return False
            return True

    def close(self, timeout: float) -> None:
        """Flush; later lines are written at once: at the interpreter's end no thread runs on.

        After a flush that was not finished in time, later lines are lost.
        """
        self._direct = self.flush(timeout)

    def go_direct(self) -> None:
        """Begin anew in a forked child, without what waits and without a thread."""
        self._reset()
        self._direct = True

    def _has_room(self, size: int) -> bool:
        # Once full, half of it must be free, else every few lines would tell of dropped ones.
        limit = self._limit // 2 if self._dropped else self._limit
        return self._size + size <= limit

    def _report(self) -> None:
        dropped, self._dropped = self._dropped, 0
        Context().run(self._tell_dropped, dropped)  # the line is not about the agent that logs now

    def _wake(self) -> None:
        if self._thread is not None:
            self._filled.notify()
            return
        self._thread = threading.Thread(target=self._run, name="log writer", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # there are no more threads to be had just now
            self._thread = None
            self._write_batch()

    def _run(self) -> None:
        while True:
            self._write_batch()

    def _write_batch(self) -> None:
        batch = self._take()
        self._put_out(batch)
        self._last = time.monotonic()
        self._let_go(sum(map(len, batch)))

    def _take(self) -> list[bytes]:
        with self._filled:
            self._filled.wait_for(lambda: self._lines)
        # A line that comes alone goes at once.
        time.sleep(max(0.0, self._last + _GATHER - time.monotonic()))
        with self._filled:
            batch: list[bytes] = []
            size = 0
            while self._lines and size < _BATCH:
                batch.append(self._lines.popleft())
                size += len(batch[-1])
        return batch

    def _let_go(self, size: int) -> None:
        with self._written:
            self._size -= size
            self._gone += size
            if not self._size and self._dropped:
                self._report()
            self._written.notify_all()

    def _put_out(self, lines: list[bytes]) -> None:
        if (forward := self.forward) is not None:
            lines = [line for line in lines if not forward(line)]
        data = b"".join(lines)
        with suppress(OSError):  # closed, full or broken: there is nobody to tell
            while data:
                try:
                    data = data[os.write(self._descriptor, data) :]
                except BlockingIOError:  # a program that shares the descriptor has set it so
                    select.select((), (self._descriptor,), ())
