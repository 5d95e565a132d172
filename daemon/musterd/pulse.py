"""A sign of life of one loop without which the daemon does nothing; the watchdog looks at it.

A loop beats each time that it comes round, and says by when it will again. One that waits for what
need never come, work say, rests.
"""

import time
from collections.abc import Callable
from typing import Final

STALL: Final = 60.0
"""Seconds for which a loop may be late: more than a call takes which the server answers at its
slowest, connection, login and all."""


class Pulse:
    """One loop's.

    Args:
        name: of the loop, for people.
        clock: seconds since some moment.
    """

    __slots__ = ("_clock", "_due", "name")

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._due: float | None = None

    def beat(self, within: float = 0.0) -> None:
        """It moves, and will again within so many seconds, give or take a stall."""
        self._due = self._clock() + within + STALL

    def rest(self) -> None:
        """It waits for something that need never come, or has ended."""
        self._due = None

    def late(self) -> float:
        """For how many seconds it should have moved, 0.0 if it need not have."""
        return 0.0 if self._due is None else max(0.0, self._clock() - self._due)
