"""Notices when the event loop stands still, and says which agent held it up.

A thread looks on, because nothing in the loop can while it stands. Nothing is stopped: a coroutine
that blocks can be ended by nobody but a watchdog, with the whole daemon.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import PurePath
from sys import _current_frames  # the only way to another thread's stack
from types import FrameType
from typing import Final

import anyio
import structlog

from musterd.clocks import boottime
from musterd.runtimes.coroutine import context_of

FRAMES: Final = 3
"""Places told, the innermost first."""

log = structlog.get_logger()


class LoopClock:
    """When the event loop has moved last."""

    def __init__(self) -> None:
        self.moved = boottime()

    def move(self) -> None:
        """It moves now."""
        self.moved = boottime()

    def standing(self) -> float:
        """For how many seconds it has not moved, give or take the pause between two moves."""
        return boottime() - self.moved


class Stalls:
    """Watches the loop in whose thread `run` is awaited.

    Args:
        clock: kept here, four times in each threshold.
        threshold: seconds of standing still that are worth a line in the log.
        lease: seconds after which leases may have run out meanwhile.
        on_wake: called when it has stood still for so long, before anything that waits a moment.
    """

    def __init__(
        self, clock: LoopClock, threshold: float, lease: float, on_wake: Callable[[], None]
    ) -> None:
        self._clock = clock
        self._threshold = threshold
        self._lease = lease
        self._on_wake = on_wake
        self._loop_thread = 0
        self._ended = threading.Event()

    async def run(self) -> None:
        """Go on until cancelled; a loop that stood still is told about when it moves again."""
        self._loop_thread = threading.get_ident()
        self._clock.move()
        threading.Thread(target=self._look_on, name="stalls", daemon=True).start()
        try:
            while True:
                await anyio.sleep(self._threshold / 4)
                if (seconds := self._clock.standing()) > self._threshold:
                    log.warning("event loop was blocked", seconds=round(seconds, 2))
                if seconds > self._lease:
                    self._on_wake()
                self._clock.move()
        finally:
            self._ended.set()

    def _look_on(self) -> None:
        """In a thread: tell once about each time that the loop stands still, while it does."""
        pause = self._threshold / 4
        told, before = 0.0, time.monotonic()
        while not self._ended.wait(pause):
            before, since = time.monotonic(), time.monotonic() - before
            # This thread stood still as well: the daemon was stopped, or the machine is overloaded.
            if since < self._threshold / 2 and self._clock.standing() > self._threshold:
                if told != self._clock.moved:
                    self._tell()
                told = self._clock.moved

    def _tell(self) -> None:
        frames = list(_frames_of(self._loop_thread))
        context = next(filter(None, map(context_of, frames)), None)
        ids = {"task_id": context.task_id, "agent_id": context.agent_id} if context else {}
        places = [_place(frame) for frame in frames[:FRAMES]]
        log.warning(
            "event loop is blocked", at=places, seconds=round(self._clock.standing(), 2), **ids
        )


def _frames_of(thread: int) -> Iterator[FrameType]:
    """What a thread is doing, the innermost frame first."""
    frame = _current_frames().get(thread)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _place(frame: FrameType) -> str:
    name = PurePath(frame.f_code.co_filename).name
    return f"{frame.f_code.co_qualname} ({name}:{frame.f_lineno})"
