"""The files of the state folder: who may enter, who holds a lock, where the socket is.

Knows nothing of the server that lives there.
"""

import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from musterd.environment import runtime_dir
from musterd.errors import StateDirError

MAX_SOCKET_PATH = 107
"""Bytes that the kernel takes."""

_SHORTEST = Path("/tmp")  # noqa: S108 - only a private folder is made in it
"""Where a socket always fits, however long TMPDIR is."""


@contextmanager
def held(state_dir: Path) -> Iterator[None]:
    """Make the folder if it is not there, and hold its lock, which names our process.

    Raises:
        StateDirError: another daemon holds it, or the folder cannot be used.
    """
    path = state_dir / "lock"
    with os_errors(state_dir):
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = lock(path)
    if descriptor is None:
        holder = read(path).strip() or "unknown"
        problem = f"process {holder} uses it; stop that one, or give this one another folder"
        raise StateDirError(str(state_dir), problem)
    try:
        with os_errors(state_dir):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def holder(state_dir: Path) -> int | None:
    """The live process that has the folder, or None.

    The lock is not tried: that would keep out a daemon that takes it at this moment.
    """
    path = state_dir / "lock"
    pid = read(path).strip()
    with suppress(OSError):
        opened = list(Path("/proc", pid, "fd").iterdir()) if pid.isdecimal() else []
        return int(pid) if any(_is_same(one, path) for one in opened) else None
    return None


def _is_same(descriptor: Path, path: Path) -> bool:
    with suppress(OSError):  # closed since it was listed
        return descriptor.samefile(path)
    return False


def lock(path: Path) -> int | None:
    """A descriptor that holds the file's lock, or None if another holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor


@contextmanager
def os_errors(folder: Path) -> Iterator[None]:
    """Turn what the system refuses into a `StateDirError` that names the file."""
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        raise StateDirError(str(where), error.strerror or str(error)) from error


def make_private(folder: Path) -> None:
    """Make a folder that only this user can enter; refuse one that another has put there."""
    with os_errors(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise StateDirError(str(folder), "is a link or another user's; remove it")
        folder.chmod(0o700)


def socket_of(folder: Path) -> Path:
    """Where the folder's server listens, or did last."""
    path = folder / "socket"
    return path.readlink() if path.is_symlink() else path


def choose_socket(folder: Path) -> Path:
    """Where the next server listens: in the folder, or, if that is too long, where a link leads.

    Where the last one did, if that still is there: its clients know no other place.

    Raises:
        StateDirError: there is no place that is short enough and ours alone.
    """
    last = socket_of(folder)
    remove_socket(folder)
    path = folder / "socket"
    if _fits(path):
        return path
    name = f"musterd-{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}"
    before = None if last == path else last.parent.parent
    for base in (before, runtime_dir(), Path(tempfile.gettempdir()), _SHORTEST):
        if base is not None and base.is_dir() and _fits(base / name / "socket"):
            make_private(base / name)
            path.symlink_to(base / name / "socket")
            return base / name / "socket"
    raise StateDirError(str(folder), "is too long for the path of a socket; give a shorter one")


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= MAX_SOCKET_PATH


def remove_socket(folder: Path) -> None:
    """Remove what a server left of its socket, and the place that `choose_socket` made for it."""
    place = socket_of(folder)
    with suppress(OSError):
        place.unlink(missing_ok=True)
        if place.parent != folder:
            (folder / "socket").unlink()
            place.parent.rmdir()


def read(path: Path) -> str:
    """The text of a file that may not be there."""
    with suppress(OSError):
        return path.read_text(errors="replace")
    return ""
