"""The agents of `bench.alive` and `bench.scale`; one tells by datagrams what it has seen."""

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


def _tell(**fields: str | float) -> None:
    _socket.sendto(json.dumps(fields).encode(), os.environ[SOCKET])


@musterd.agent("noop")
async def noop(_context: musterd.Context) -> None:
    """Does nothing."""


@musterd.agent("sleep")
async def sleep(_context: musterd.Context) -> None:
    """Sleeps until it is killed."""
    await anyio.sleep_forever()


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
