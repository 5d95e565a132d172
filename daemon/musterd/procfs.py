"""What Linux tells about processes in /proc. It only reads; one that is gone is no error."""

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

_ENDED: Final = frozenset("ZXx")


class Stat(NamedTuple):
    """Where a process stands.

    Attributes:
        state: one letter as in proc(5), for example "S" for sleeping.
        parent: the parent's process id.
        group: its process group.
        session: its session.
        threads: how many it has; its first one may end before the others.
        started: when, in clock ticks (10 ms) since the machine started.
    """

    state: str
    parent: int
    group: int
    session: int
    threads: int
    started: int

    @property
    def alive(self) -> bool:
        """False for a zombie: it runs nothing any more, its parent has yet to take note of it."""
        return self.state not in _ENDED or self.threads > 1


def pids() -> list[int]:
    """All processes that can be seen."""
    return [int(name) for name in _list("/proc") if name.isdecimal()]


def stat(pid: int) -> Stat | None:
    """Where a process stands; None if there is none."""
    text = _read(f"/proc/{pid}/stat")
    if not text:
        return None
    # The name before the last bracket may itself hold spaces and brackets.
    fields = text.rpartition(b")")[2].split()
    parent, group, session = map(int, fields[1:4])
    return Stat(fields[0].decode(), parent, group, session, int(fields[17]), int(fields[19]))


def environment(pid: int) -> list[bytes]:
    """The entries `NAME=value` a process was started with; none if they may not be read."""
    return _read(f"/proc/{pid}/environ").split(b"\0")


def children(pid: int | None = None) -> set[int]:
    """The children of a process, of this one unless told; zombies and adopted ones too.

    Complete only if none of them is reaped meanwhile.
    """
    tasks = f"/proc/{pid or 'self'}/task"
    lists = [_read(f"{tasks}/{thread}/children") for thread in _list(tasks)]
    return {int(child) for text in lists for child in text.split()}


def adopted() -> set[int]:
    """The children that this process adopts, and those that its first thread has started.

    The kernel gives orphans to the first thread, whichever one their ancestor was started by.
    """
    text = _read(f"/proc/self/task/{os.getpid()}/children")
    return {int(child) for child in text.split()}


def descendants(roots: Iterable[int], without: int | None = None) -> set[int]:
    """These processes, their children, and so on down; not one process and what is below it."""
    found: set[int] = set()
    left = set(roots) - {without}
    while left:
        pid = left.pop()
        found.add(pid)
        left |= children(pid) - found - {without}
    return found


@contextlib.contextmanager
def opened(pid: int, seen: Stat) -> Iterator[int]:
    """A descriptor of a process that was seen before, through which no other can be signalled.

    Raises:
        OSError: it is gone, and its number may be another's.
    """
    pidfd = os.pidfd_open(pid)
    try:
        # Only now is the number sure to be the same process for as long as we look.
        now = stat(pid)
        if now is None or now.started != seen.started:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        yield pidfd
    finally:
        os.close(pidfd)


def _list(path: str) -> list[str]:
    try:
        return os.listdir(path)  # noqa: PTH208, as below
    except OSError:
        return []


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123, a Path takes twice the time
            return file.read()
    except OSError:
        return b""
