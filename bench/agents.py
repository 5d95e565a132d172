"""The agents that are measured. They run in the daemon and tell by datagrams what they have seen.

Times are CLOCK_MONOTONIC, which all processes of a machine share.
"""

import json
import os
import socket
import time
from typing import Final

import anyio

import musterd
from bench.listener import SOCKET

TICK: Final = 0.01
"""Seconds."""

_socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
_ran = 0


def _tell(**fields: str | float) -> None:
    _socket.sendto(json.dumps(fields).encode(), os.environ[SOCKET])


@musterd.agent("noop")
async def noop(_context: musterd.Context) -> None:
    """Nothing, as fast as it goes; the first one tells when it began."""
    global _ran  # noqa: PLW0603 - one counter a process
    if not _ran:
        _tell(event="first", at=time.monotonic())
    _ran += 1


@musterd.agent("stamp")
async def stamp(context: musterd.Context) -> None:
    """Tells when its body began."""
    _tell(event=context.task_id, at=time.monotonic())


@musterd.agent("sleep")
async def sleep(context: musterd.Context) -> None:
    """Sleeps until it is killed, and tells when it was told to end."""
    try:
        await anyio.sleep_forever()
    except anyio.get_cancelled_exc_class():
        _tell(event=context.task_id, at=time.monotonic())
        raise


@musterd.agent("metronome")
async def metronome(context: musterd.Context) -> None:
    """Ticks until it is killed, and tells how late the event loop let it: seconds."""
    late = []
    _tell(event=f"{context.task_id} ticks", at=time.monotonic())
    try:
        while True:
            due = time.monotonic() + TICK
            await anyio.sleep(TICK)
            late.append(time.monotonic() - due)
    finally:
        late.sort()
        _tell(event=f"{context.task_id} p99", at=late[int(len(late) * 0.99)])
        _tell(event=f"{context.task_id} most", at=late[-1])
