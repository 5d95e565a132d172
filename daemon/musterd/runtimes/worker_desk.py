"""The desk of a plain function: it uses the files and the input that every command has."""

import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Final

from musterd import jsons
from musterd.moves import Answer, Look
from musterd.runtimes.base import REFUSED, SAVED, AgentFailed

_LOOK: Final = 0.01
"""Seconds between two looks at whether a checkpoint is kept."""


class WorkerDesk:
    """See `musterd.runtimes.base.Desk`.

    Args:
        progress: the file for progress.
        checkpoint: the file for checkpoints.
    """

    def __init__(self, progress: Path, checkpoint: Path) -> None:
        self._progress = progress
        self._checkpoint = checkpoint
        self._saved = Path(f"{checkpoint}{SAVED}")
        self._refused = Path(f"{checkpoint}{REFUSED}")
        self._told = ("-", "")
        self._turn = threading.RLock()  # a handler of signals may come in while one is held
        self.messages = _Lines()

    def restored(self) -> Any:
        """What an earlier attempt has left."""
        if not self._checkpoint.exists():
            return None
        return jsons.loads(self._checkpoint.read_bytes())

    def progress(self, fraction: float | None, note: str | None) -> None:
        """It is so far."""
        with self._turn:
            before = self._told  # a file that nobody has read yet is lost when it is replaced
            self._told = (
                before[0] if fraction is None else repr(float(fraction)),
                before[1] if note is None else " ".join(note.split()),
            )
            _replace(self._progress, " ".join(self._told))

    def output(self, stream: str, line: str) -> None:
        """It has written a line."""
        sys.stdout.write(f"{stream}: {line}\n")

    def checkpoint(self, value: str) -> Awaitable[None]:
        """Keep a value, JSON; returns when the daemon says that the server has it.

        Raises:
            AgentFailed: it is not kept; says why.
        """
        with self._turn:  # the function may have threads, and one would never see its own kept
            self._refused.unlink(missing_ok=True)
            _replace(self._checkpoint, value)
            while not (self._saved.exists() and self._saved.read_text(encoding="utf-8") == value):
                if self._refused.exists():
                    raise AgentFailed(self._refused.read_text(encoding="utf-8"))
                time.sleep(_LOOK)
        return _Kept()

    def checkpoint_soon(self, value: str, answer: Answer) -> None:
        """Keep a value, JSON, and call `answer` then."""
        self.checkpoint(value)
        answer(None)

    def watched(self, look: Look) -> AbstractContextManager[None]:
        """Nothing is left in files for a worker to look at."""
        del look
        return nullcontext()


class _Kept:
    """Awaited or not: it is done."""

    def __await__(self) -> Generator[None, None, None]:
        yield from ()


class _Lines:
    """Messages, one a line of standard input; see `musterd.runtimes.base.Messages`."""

    def __iter__(self) -> Iterator[Any]:
        return map(jsons.loads, iter(sys.stdin.readline, ""))

    def __aiter__(self) -> AsyncIterator[Any]:
        raise TypeError("a plain function takes its messages with `for`")


def _replace(path: Path, text: str) -> None:
    """Write it whole: whoever looks sees the old or the new one."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8", errors="replace")
    fresh.replace(path)
