"""The context on its way to a process; one that never reads it delays nothing."""

import os
from io import FileIO

import anyio


class Input:
    """The standard input of a process; written to its pipe.

    Args:
        pipe: the writing end; closed as soon as all is written, or nobody reads any more.
        data: what the process gets.
    """

    def __init__(self, pipe: FileIO, data: bytes) -> None:
        self._pipe = pipe
        self._left = memoryview(data)
        os.set_blocking(pipe.fileno(), False)

    def offer(self) -> bool:
        """Write as much as the pipe takes now; returns whether that was the end."""
        try:
            while self._left and (size := self._pipe.write(self._left)):
                self._left = self._left[size:]
        except BrokenPipeError:
            self._left = memoryview(b"")
        if self._left:
            return False
        self._pipe.close()
        return True

    async def follow(self) -> None:
        """Write the rest, as the process reads."""
        while not self.offer():
            await anyio.wait_writable(self._pipe)
