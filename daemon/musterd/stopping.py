"""The word to stop, and the signals that bring it.

The signals are watched from before the first server or agent of ours starts until all have ended.
"""

import signal
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import structlog
from anyio.abc import TaskStatus

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger()


class Stopping:
    """What was asked for.

    Attributes:
        asked: the daemon is to stop.
        at_once: its agents are to be stopped now, not waited for.
        interrupted: the last signal was SIGINT, Ctrl-C at a terminal say.
    """

    def __init__(self) -> None:
        self.asked = anyio.Event()
        self.at_once = anyio.Event()
        self.interrupted = False

    async def watch_signals(self, *, task_status: TaskStatus[None]) -> None:
        """The first one asks to stop, each further one to do so at once."""
        try:
            with anyio.open_signal_receiver(*SIGNALS) as received:
                task_status.started()
                async for number in received:
                    log.info("signal", name=number.name)
                    self.interrupted = number == signal.SIGINT
                    (self.at_once if self.asked.is_set() else self.asked).set()
        finally:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)  # it ends already; no other exit code now

    async def unless_asked(self, part: Callable[[], Awaitable[object]]) -> bool:
        """Do a part of the start, or give it up; whether it came to its end before the word."""
        done = False
        async with anyio.create_task_group() as group:

            async def give_up() -> None:
                await self.asked.wait()
                group.cancel_scope.cancel()

            group.start_soon(give_up)
            await part()
            done = True
            group.cancel_scope.cancel()
        return done
