"""This machine: the state folder, and how many files may be open. It makes and locks nothing."""

import os
import resource
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from musterd import committer, control
from musterd import state_dir as files
from musterd.doctor.findings import Area, Finding
from musterd.settings import Settings

MACHINE = Area.MACHINE

CONNECTIONS: Final = committer.LANES + 2 + control.HANDLERS
"""What a daemon may have open to the server."""

_MIB: Final = 1024 * 1024
_ROOM: Final = 1024 * _MIB
_LITTLE_ROOM: Final = 100 * _MIB
_FILES_OF_A_PROCESS: Final = 3
_FILES_BESIDE: Final = CONNECTIONS + 50
"""Connections, standard streams, logs, and what libraries open."""


def state_folder(settings: Settings) -> Iterator[Finding]:
    """Whether a daemon of this user can work in it."""
    folder = settings.state_dir
    if not folder.exists():
        yield from _to_be_made(folder)
        return
    found = folder.stat()
    mode = stat.S_IMODE(found.st_mode)
    if not stat.S_ISDIR(found.st_mode):
        yield MACHINE.problem(f"{folder} is no folder", "remove it, or change MUSTERD_STATE_DIR")
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        what = f"{folder} cannot be written by this user ({mode:o}, owner {found.st_uid})"
        yield MACHINE.problem(what, f"chown it to user {os.geteuid()}, or ask as the daemon's user")
    elif found.st_uid != os.geteuid():
        what = f"{folder} belongs to user {found.st_uid}, and this is user {os.geteuid()}"
        yield MACHINE.warning(what, "ask as the user that the daemon runs as, or chown it")
    elif mode & 0o022:
        yield MACHINE.warning(f"others can write into {folder} ({mode:o})", f"chmod 700 {folder}")
    else:
        yield MACHINE.ok(f"{folder} is this user's own, writable, mode {mode:o}")


def _to_be_made(folder: Path) -> Iterator[Finding]:
    parent = _nearest(folder)
    if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
        yield MACHINE.ok(f"{folder} is not there yet; the daemon makes it")
    else:
        what = f"{folder} is not there, and {parent} does not let this user make it"
        yield MACHINE.problem(what, "make it for the daemon's user, or change MUSTERD_STATE_DIR")


def _nearest(folder: Path) -> Path:
    """The folder itself, or the first one above that is there."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def free_space(settings: Settings) -> Iterator[Finding]:
    """Room for results, and for the data of an embedded server."""
    free = shutil.disk_usage(_nearest(settings.state_dir)).free
    what = f"{free // _MIB} MiB are free for {settings.state_dir}"
    if free < _LITTLE_ROOM:
        yield MACHINE.problem(what, "free some: results and the embedded server's data go there")
    elif settings.embedded and free < _ROOM:
        yield MACHINE.warning(what, "the embedded server rewrites its file there; give it 1 GiB")
    else:
        yield MACHINE.ok(what)


def socket_path(settings: Settings) -> Iterator[Finding]:
    """Whether the embedded server's socket has room in the state folder."""
    if not settings.embedded:
        return
    path = settings.state_dir / "valkey" / "socket"
    length, most = len(os.fsencode(path)), files.MAX_SOCKET_PATH
    if length > most:
        what = f"the path of the embedded server's socket has {length} bytes, over {most}"
        do = "the socket goes into the session's or the temporary folder; better a shorter path"
        yield MACHINE.note(what, do)
    else:
        yield MACHINE.ok(f"the path of the embedded server's socket has {length} of {most} bytes")


def open_files(settings: Settings) -> Iterator[Finding]:
    """Whether so many agents as MUSTERD_CAPACITY says can be processes at once."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.capacity * _FILES_OF_A_PROCESS + _FILES_BESIDE
    limit = "without limit" if hard == resource.RLIM_INFINITY else f"{hard}"
    what = f"open files here: {limit}; {settings.capacity} processes as agents need {wanted}"
    if hard in range(wanted):
        do = f"raise the hard limit (LimitNOFILE={wanted} in the unit) or lower MUSTERD_CAPACITY"
        yield MACHINE.warning(what, do)
    else:
        yield MACHINE.ok(what)


CHECKS: Final = (state_folder, free_space, socket_path, open_files)
