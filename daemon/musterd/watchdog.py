"""Tells systemd that the daemon moves, as long as it really does (`WatchdogSec=`).

That this loop comes round shows that the event loop does. The core loops show it by their pulses.
One that asks Valkey is not judged while that is away: a restart would not bring it back. And none
is judged just after this loop itself has stood still: all of them have yet to move again.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

import anyio
import structlog

from musterd.environment import watchdog_seconds
from musterd.link import Link
from musterd.pulse import STALL, Pulse
from musterd.systemd import notify

LOOK_EVERY: Final = 5.0
"""Seconds between two looks, if systemd does not want to hear of it more often."""

SLOW: Final = 5.0
"""Seconds for which it may be late on a machine that is merely busy."""

log = structlog.get_logger()


class Watchdog:
    """Looks at the pulses of one daemon.

    Args:
        link: whether Valkey serves us.
        lanes: of loops that end each call by themselves, Valkey or not.
        asking: of loops that wait until Valkey has answered.
        clock: seconds since some moment.
    """

    def __init__(
        self,
        link: Link,
        *,
        lanes: Sequence[Pulse],
        asking: Sequence[Pulse],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        self._lanes = lanes
        self._asking = asking
        self._clock = clock
        self._due = clock()
        self._told: set[str] = set()

    async def run(self) -> None:
        """Feed the watchdog of systemd until cancelled, but while something is stuck."""
        pause = min(LOOK_EVERY, (watchdog_seconds() or LOOK_EVERY) / 4)
        while True:
            self.come_round(pause)
            await anyio.sleep(pause)

    def come_round(self, pause: float) -> None:
        """Look, and again after `pause` seconds; not if that was long ago: it was stopped, say."""
        late, self._due = self._clock() - self._due, self._clock() + pause
        if late > max(pause, SLOW):
            notify("WATCHDOG=1")
        else:
            self.look()

    def look(self) -> bool:
        """Whether all moves; said to systemd if so, else to the log, once."""
        late = {pulse.name: pulse.late() for pulse in self._judged() if pulse.late()}
        for name in late.keys() - self._told:
            log.error("a core task does not move", part=name, late=round(late[name], 3))
        for name in self._told - late.keys():
            log.warning("a core task moves again", part=name)
        self._told = set(late)
        if not late:
            notify("WATCHDOG=1")
        return not late

    def _judged(self) -> list[Pulse]:
        served = self._link.unbroken() > STALL
        return [*self._lanes, *(self._asking if served else ())]
