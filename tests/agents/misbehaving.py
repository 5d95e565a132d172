"""Kinds that do what no agent should. A folder that a test may look into is the context of each.

The plain functions run in processes of their own, and nothing of theirs may outlive them; the
coroutines run in the daemon itself.
"""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import anyio

import musterd
from musterd.jsons import Json
from musterd.runtimes.base import Context
from tests.agents.examples import noted

ZOMBIES = 100
BOMB = 150
"""Processes at which the bomb stops by itself; those that are just forking come on top."""


@musterd.agent("swallows")
async def swallows(ctx: Context) -> Json:
    """Take no notice of being cancelled until the file `go` is there."""
    with noted(ctx):
        while not _folder(ctx).joinpath("go").exists():
            with suppress(BaseException):
                await anyio.sleep(0.01)
    return "swallowed"


@musterd.agent("blocks")
async def blocks(ctx: Context) -> Json:
    """Block the event loop for as many seconds as the context says, in the middle of its life."""
    with noted(ctx):
        assert isinstance(ctx.context, int | float)
        await anyio.sleep(0.3)
        time.sleep(ctx.context)  # noqa: ASYNC251, that is its misdeed
        await anyio.sleep(0.3)
    return "unblocked"


@musterd.agent("deaf")
def deaf(ctx: Context) -> Json:
    """Ignore every signal that can be ignored."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    return _stay(ctx)


@musterd.agent("closes-pipes")
def closes_pipes(ctx: Context) -> Json:
    """Close standard input, output and error."""
    for descriptor in range(3):
        os.close(descriptor)
    return _stay(ctx)


@musterd.agent("floods")
def floods(ctx: Context) -> Json:
    """Write without end, and never a newline."""
    _note(ctx)
    chunk = b"x" * 2**20
    while True:
        os.write(1, chunk)


@musterd.agent("leaves-zombies")
def leaves_zombies(ctx: Context) -> Json:
    """Have children that end, and grandchildren that end as orphans; look after none."""
    for _ in range(ZOMBIES):
        _fork(lambda: None)
        _fork(lambda: _fork(lambda: time.sleep(0.1)))
    return _stay(ctx)


@musterd.agent("bombs")
def bombs(ctx: Context) -> Json:
    """Fork without end, each child in a session of its own, deaf, and forking on."""
    _note(ctx)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _explode(ctx)
    return _stay(ctx)


@musterd.agent("escapes")
def escapes(ctx: Context) -> Json:
    """Start a process that has no parent, session or environment of ours, and is deaf."""
    script = 'trap "" TERM; : > "$0/$$.alive"; while :; do sleep 0.05; done'
    command = ["/usr/bin/env", "-i", "setsid", "bash", "-c", script, str(_folder(ctx))]
    _fork(lambda: _fork(lambda: os.execv(command[0], command)))  # noqa: S606, it is to be lost
    return _stay(ctx)


@musterd.agent("writes-result")
def writes_result(ctx: Context) -> Json:
    """Leave in MUSTERD_RESULT what the context names, then exit as if all were well."""
    results: dict[str, Callable[[], str]] = {
        "giant": lambda: '"' + "x" * 50_000_000 + '"',
        "broken": lambda: '{"half":',
        "deep": lambda: "[" * 500_000,
        "binary": lambda: "\0\udcff",
        "number": lambda: "NaN",
    }
    text = results[str(ctx.context)]()
    Path(os.environ["MUSTERD_RESULT"]).write_bytes(text.encode(errors="surrogateescape"))
    os._exit(0)


def _folder(ctx: Context) -> Path:
    return Path(str(ctx.context))


def _note(ctx: Context) -> None:
    """Leave this process's id in the folder."""
    _folder(ctx).joinpath(f"{os.getpid()}.alive").touch()


def _stay(ctx: Context) -> Json:
    _note(ctx)
    while True:
        time.sleep(0.05)


def _fork(body: Callable[[], object]) -> None:
    if os.fork() == 0:
        body()
        os._exit(0)


def _explode(ctx: Context) -> None:
    while len([*_folder(ctx).iterdir()]) < BOMB:
        if os.fork() == 0:
            os.setsid()
            _note(ctx)
        time.sleep(0.02)
