"""Starts a process as `subprocess` does: with three streams, in a session of its own.

What can be prepared once for many starts is an argument here. `subprocess` prepares it each time,
above all the environment, and takes longer over that than over the start.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

KNOWN: Final = sys.version_info < (3, 14)
"""Whether `fork_exec` takes the arguments that it is given here; it is private."""

if KNOWN:
    # There is nothing else: `os.posix_spawn` neither changes the folder nor closes what a library
    # has left open. multiprocessing uses it, too.
    from _posixsubprocess import fork_exec

Streams: TypeAlias = tuple[int, int, int]
"""Descriptors that become standard input, output and error."""

_REPORT: Final = 1024
"""Bytes in which a child says why it could not become the program."""


class Recipe(NamedTuple):
    """What to start.

    Attributes:
        command: the program's name and its arguments.
        paths: where the program may be; the first that can be started is.
        environment: entries `NAME=value`.
        folder: where it runs; where we do unless given.
    """

    command: Sequence[str]
    paths: Sequence[bytes]
    environment: Sequence[bytes]
    folder: Path | None


def spawn(recipe: Recipe, streams: Streams) -> int:
    """Start a process; no other descriptor of ours is passed on to it, and these stay open here.

    Returns:
        The process id; the caller reaps it.

    Raises:
        OSError: it cannot be started; names the program or the folder.
        ValueError: something holds a zero byte.
    """
    if not KNOWN:
        return _spawn_by_subprocess(recipe, streams)
    reading, writing = os.pipe()
    try:
        try:
            pid = _fork(recipe, streams, reading, writing)
        finally:
            os.close(writing)
        report = os.read(reading, _REPORT)
    finally:
        os.close(reading)
    if report:
        os.waitpid(pid, 0)
        raise _explain(report, recipe)
    return pid


def _fork(recipe: Recipe, streams: Streams, reading: int, writing: int) -> int:
    stdin, stdout, stderr = streams
    close_others, restore_signals, start_session, by_vfork = True, True, True, True
    arguments: tuple[Any, ...] = (
        recipe.command,
        recipe.paths,
        close_others,
        (writing,),
        recipe.folder,
        recipe.environment,
        *(stdin, -1),
        *(-1, stdout),
        *(-1, stderr),
        *(reading, writing),
        restore_signals,
        start_session,
        *(-1, None, None, None, -1, None),  # nobody else to become, and nothing to call
        by_vfork,
    )
    return fork_exec(*arguments)


def _explain(report: bytes, recipe: Recipe) -> OSError:
    """`OSError:2:` is said by a child that found no program, `OSError:2:noexec` by one before."""
    _, number, stage = report.decode().split(":", 2)
    code = int(number, 16)
    name = recipe.folder if stage.startswith("noexec") else recipe.command[0]
    return OSError(code, os.strerror(code), name)


def _spawn_by_subprocess(recipe: Recipe, streams: Streams) -> int:
    stdin, stdout, stderr = streams
    process = subprocess.Popen(  # noqa: S603, no shell; the command is the operator's
        recipe.command,
        env=dict(entry.split(b"=", 1) for entry in recipe.environment),
        cwd=recipe.folder,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    process.returncode = 0  # who reaps it is the caller; else `subprocess` does so some time
    return process.pid
