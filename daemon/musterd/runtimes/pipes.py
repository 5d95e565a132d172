"""The pipes between a process and us: standard input, output and error."""

import os
from io import FileIO
from types import TracebackType
from typing import Self

from musterd.runtimes.spawn import Streams


class Pipes:
    """Three pipes; all that is open of them is closed at the end of the `with` block.

    Attributes:
        theirs: the process's ends; see `hand_over`.
        stdin: ours, to write.
        stdout: ours, to read.
        stderr: ours, to read.

    Raises:
        OSError: there are no more descriptors.
    """

    theirs: Streams
    stdin: FileIO
    stdout: FileIO
    stderr: FileIO

    def __init__(self) -> None:
        ends: list[int] = []
        try:
            for _ in range(3):
                ends += os.pipe()
        except OSError:
            for end in ends:
                os.close(end)
            raise
        self.theirs = (ends[0], ends[3], ends[5])
        self.stdin = FileIO(ends[1], "wb")
        self.stdout, self.stderr = FileIO(ends[2], "rb"), FileIO(ends[4], "rb")
        for pipe in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(pipe.fileno(), False)
        self._handed_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.hand_over()
        for pipe in (self.stdin, self.stdout, self.stderr):
            pipe.close()

    def hand_over(self) -> None:
        """The process has its ends, and we let go of them: else we would never see theirs end."""
        if not self._handed_over:
            self._handed_over = True
            for end in self.theirs:
                os.close(end)
