"""What Linux tells about processes in /proc. It only reads; one that is gone is no error."""

from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")
_ENDED: Final = frozenset("ZXx")


class Stat(NamedTuple):
    """Where a process stands.

    Attributes:
        state: one letter as in proc(5), for example "S" for sleeping.
        parent: the parent's process id.
        group: its process group.
        session: its session.
    """

    state: str
    parent: int
    group: int
    session: int

    @property
    def alive(self) -> bool:
        """False for a zombie: it runs nothing any more, its parent has yet to take note of it."""
        return self.state not in _ENDED


def pids() -> list[int]:
    """All processes that can be seen."""
    return [int(path.name) for path in _PROC.iterdir() if path.name.isdecimal()]


def stat(pid: int) -> Stat | None:
    """Where a process stands; None if there is none."""
    text = _read(_PROC / str(pid) / "stat")
    if not text:
        return None
    # The name before the last bracket may itself hold spaces and brackets.
    state, parent, group, session = text.rpartition(b")")[2].split()[:4]
    return Stat(state.decode(), int(parent), int(group), int(session))


def environment(pid: int) -> list[bytes]:
    """The entries `NAME=value` a process was started with; none if they may not be read."""
    return _read(_PROC / str(pid) / "environ").split(b"\0")


def children() -> set[int]:
    """The children of this process, zombies and adopted ones too."""
    lists = (_read(path) for path in _PROC.glob("self/task/*/children"))
    return {int(pid) for text in lists for pid in text.split()}


def group_alive(group: int) -> bool:
    """Whether a process group has a member that is not a zombie. Reads all of /proc."""
    found = (stat(pid) for pid in pids())
    return any(one is not None and one.group == group and one.alive for one in found)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
