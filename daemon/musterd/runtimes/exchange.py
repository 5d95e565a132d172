"""The files through which a command and its daemon speak: result, progress and checkpoint.

Named in the command's environment, so that any language can use them. Whatever an agent puts in
their places, a pipe or a folder, harms nobody but that agent.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from functools import partial
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Final

import structlog
from structlog.typing import FilteringBoundLogger

from musterd import jsons
from musterd.errors import MalformedError, MusterdError, TooLargeError
from musterd.runtimes.base import REFUSED, SAVED, AgentFailed, Context, Desk
from musterd.runtimes.folders import Folders, is_untouched

_NOTE_BYTES: Final = 4096

_log: FilteringBoundLogger = structlog.get_logger()


class Exchange:
    """The files of one agent, in a folder of its own.

    They are named after the agent, too: who outlived an earlier one and still writes to that one's
    files, from inside of a container say, writes nothing that is read.

    Args:
        folders: gives it its folder.
        context: the agent's.

    Raises:
        OSError: they cannot be made.
    """

    def __init__(self, folders: Folders, context: Context) -> None:
        self._folders = folders
        self._folder = folders.take()
        self._result = f"{self._folder}/result-{context.agent_id}"
        self._progress = _Watched(f"{self._folder}/progress-{context.agent_id}")
        self._checkpoint = _Watched(f"{self._folder}/checkpoint-{context.agent_id}")
        self._unread: dict[str, str] = {}
        self._untouched = False
        if context.restored is not None:
            self._restore(jsons.dumps(context.restored))

    def variables(self) -> dict[str, str]:
        """Where they are, for the command's environment."""
        return {
            "MUSTERD_RESULT": self._result,
            "MUSTERD_PROGRESS": self._progress.path,
            "MUSTERD_CHECKPOINT": self._checkpoint.path,
        }

    def look(self, desk: Desk) -> None:
        """Hand on what is new of progress and checkpoint."""
        if self._progress.has_changed():
            with self._forgiving("MUSTERD_PROGRESS"):
                text = _read_file(self._progress.path, _NOTE_BYTES).decode(errors="replace")
                if text.strip():
                    desk.progress(*_read_progress(text))
        if self._checkpoint.has_changed():
            with self._forgiving("MUSTERD_CHECKPOINT"):
                self._hand_on(_read_file(self._checkpoint.path, jsons.MAX_BYTES), desk)

    def close(self, desk: Desk) -> None:
        """The agent has ended: look for the last time; what cannot be read by now never will be."""
        self._untouched = is_untouched(self._folder)
        if not self._untouched:
            self.look(desk)
        for name, problem in self._unread.items():
            _log.warning("report not read", file=name, error=problem)

    def result(self) -> str | None:
        """What the command left as its result, JSON; None if nothing.

        Raises:
            AgentFailed: it cannot be read, is no JSON, or is larger than 1 MiB.
        """
        if self._untouched:
            return None
        try:
            text = _json_of("result", _read_file(self._result, jsons.MAX_BYTES))
            return None if text is None or text.strip() == "null" else text
        except FileNotFoundError:
            return None
        except (OSError, ValueError, MalformedError) as error:
            raise AgentFailed(f"MUSTERD_RESULT: {say(error)}") from error

    def remove(self) -> None:
        """Let nothing be left of them."""
        self._folders.give_back(self._folder, untouched=self._untouched)

    def _restore(self, checkpoint: str) -> None:
        try:
            Path(self._checkpoint.path).write_text(checkpoint, encoding="utf-8")
        except OSError:
            self.remove()
            raise
        self._checkpoint.has_changed()

    def _hand_on(self, data: bytes, desk: Desk) -> None:
        try:
            if (value := _json_of("checkpoint", data)) is not None:
                desk.checkpoint_soon(value, partial(self._answer, data))
        except MalformedError as error:  # too large; no more of it will mend that
            self._answer(data, error)
            raise

    def _answer(self, data: bytes, problem: MusterdError | None) -> None:
        """Say what became of a checkpoint to a command that waits for it."""
        with contextlib.suppress(OSError):  # the agent has ended, or the disk is full
            if problem is None:
                Path(self._checkpoint.path + REFUSED).unlink(missing_ok=True)
                _leave(Path(self._checkpoint.path + SAVED), data)
            else:
                _leave(Path(self._checkpoint.path + REFUSED), str(problem).encode())

    @contextlib.contextmanager
    def _forgiving(self, name: str) -> Iterator[None]:
        """It may be half written: it is read again once it has changed."""
        try:
            yield
        except (OSError, ValueError, MalformedError) as error:
            self._unread[name] = say(error)
        else:
            self._unread.pop(name, None)


class _Watched:
    """A file that is overwritten, or replaced, again and again."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._mark: tuple[int, ...] = ()

    def has_changed(self) -> bool:
        """Whether it is there and another than when this was last asked."""
        try:
            found = os.stat(self.path)  # noqa: PTH116, many files, again and again: half the time
        except OSError:
            return False
        mark = (found.st_mtime_ns, found.st_ino, found.st_size)
        changed, self._mark = mark != self._mark, mark
        return changed


def say(error: Exception) -> str:
    """What went wrong, with the file where one is known."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    if error.filename is None:
        return error.strerror
    return f"{error.strerror}: {os.fspath(error.filename)!r}"


def _read_progress(text: str) -> tuple[float | None, str | None]:
    """`0.4 cloned`: a fraction from 0 to 1, a note, or both; `- 1 file`: a note for certain."""
    first, _, rest = text.strip().partition(" ")
    if first == "-":
        return None, rest.strip() or None
    try:
        fraction = float(first)
    except ValueError:
        fraction = -1.0
    if not 0 <= fraction <= 1:  # a note that begins with some other number
        return None, text.strip()
    return fraction, rest.strip() or None


def _json_of(name: str, data: bytes) -> str | None:
    """A JSON value on one line; None where there is nothing. Raises TooLargeError, ValueError."""
    if len(data) > jsons.MAX_BYTES:
        raise TooLargeError(name, None, jsons.MAX_BYTES)
    if not data.strip():
        return None
    value = jsons.loads(data)
    # An event is one line, so JSON on many lines is written anew.
    return data.decode() if b"\n" not in data else jsons.dumps(value)


def _leave(path: Path, data: bytes) -> None:
    """Put a file there, whole. Whatever lies in its way, a pipe say, must not be opened."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with fresh.open("xb") as file:
        file.write(data)
    fresh.replace(path)


def _read_file(path: str, most: int) -> bytes:
    """At most one byte more than it may have."""
    # Opening a pipe must not wait for a writer, who may never come.
    with FileIO(path, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", path)
        with BufferedReader(file) as whole:
            return whole.read(most + 1)
