"""What the jobs do, the same for every library, and how they tell of it.

They add lines to a file, as a program in any language can: a time of the monotonic clock, which all
processes of a machine share, and what happened. Needs the standard library alone.
"""

import asyncio
import itertools
import os
import time
from typing import Final

LONG: Final = 3600
"""Seconds that a sleeping job would sleep, and that libraries with a timeout let it."""

_JOBS: Final = int(os.environ.get("COMPARE_JOBS", "0"))
_told: Final = os.open(os.environ.get("COMPARE_TOLD", os.devnull), os.O_WRONLY | os.O_APPEND)
_begun = itertools.count(1)


def tell(event: str) -> None:
    """Say what has just happened."""
    os.write(_told, f"{time.monotonic()} {event}\n".encode())


def begin() -> None:
    """Count a job that begins; the first one and the last that is expected are told."""
    number = next(_begun)
    if number == 1:
        tell("first")
    if number == _JOBS:
        tell("all")


def stamp(number: int) -> None:
    """Tell when the body of this job began."""
    tell(f"stamp {number}")


async def sleep(number: int) -> None:
    """Sleep until it is cancelled, and tell when it was."""
    begin()
    try:
        await asyncio.sleep(LONG)
    except asyncio.CancelledError:
        tell(f"cancelled {number}")
        raise


def sleep_in_thread(number: int) -> None:
    """The same for libraries whose jobs are plain functions."""
    begin()
    try:
        time.sleep(LONG)
    except BaseException:
        tell(f"cancelled {number}")
        raise
