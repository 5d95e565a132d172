"""Folders for agents' files: each is one agent's at a time, and untouched ones are used again.

To make one and to remove it takes a disk's file system longer than to start a process, and the
longer the more were removed lately. Most commands leave nothing in theirs.
"""

import contextlib
import functools
import itertools
import os
import shutil
import stat
from pathlib import Path
from typing import Final

_MODE: Final = 0o700

_MADE: Final = 500_000_000
"""A folder's time of modification, in seconds since 1970, until something is put into it.

Its real one would not do: clocks of file systems stand still for milliseconds. Even, and after
1980, so that each file system can keep it.
"""

_IDLE: Final = 64
"""Folders that are kept at most while they are nobody's."""


class Folders:
    """The folders in one place.

    Args:
        scratch: where they are; made when missing.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._idle: list[str] = []
        self._numbers = itertools.count(1)

    def take(self) -> str:
        """An empty one, for one agent alone until it is given back.

        Raises:
            OSError: it cannot be made.
        """
        while self._idle:
            folder = self._idle.pop()
            if is_untouched(folder):
                return folder
            _remove(folder)
        return self._make()

    def give_back(self, folder: str, *, untouched: bool) -> None:
        """It is nobody's any more; nothing is left of what is in it."""
        if untouched and len(self._idle) < _IDLE:
            self._idle.append(folder)
        else:
            _remove(folder)

    def _make(self) -> str:
        while True:
            folder = self._scratch / str(next(self._numbers))
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=_MODE, parents=True)
                with contextlib.suppress(OSError):  # then it counts as touched, and is used once
                    os.utime(folder, (_MADE, _MADE))
                return str(folder)


@functools.cache
def folders_in(scratch: Path) -> Folders:
    """Those of all kinds; of kinds that were read again, too."""
    return Folders(scratch)


def is_untouched(folder: str) -> bool:
    """Whether it is as it was made, and never had anything in it."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return found.st_mode == stat.S_IFDIR | _MODE and found.st_mtime == _MADE


def _remove(folder: str) -> None:
    """Whatever its agent has made of it."""
    shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        os.unlink(folder)  # noqa: PTH108, it may be a file or a link by now
