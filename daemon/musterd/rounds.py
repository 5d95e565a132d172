"""What must not be forgotten is done again and again, beside the heartbeat and never in its way."""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from musterd.bell import Bell
from musterd.errors import MusterdError
from musterd.link import Link
from musterd.store import Store
from musterd.troubles import Troubles
from musterd.valkey import FAULTS, passes

TRIMS: Final = 20
"""Calls with which one round lets go of expired index entries, at most."""


class Rounds:
    """Goes through the duties, one after the other, once in each interval if they leave time.

    Args:
        interval: seconds.
        store: where expired index entries are let go of.
        link: what tells of an outage, which no duty has to.
        troubles: told of duties that cannot be done.
        duties: what else is done; a fault in one leaves the others alone.
    """

    def __init__(
        self,
        interval: float,
        store: Store,
        link: Link,
        troubles: Troubles,
        *duties: Callable[[], Awaitable[None]],
    ) -> None:
        self._interval = interval
        self._store = store
        self._link = link
        self._troubles = troubles
        self._unserved: set[str] = set()
        self._duties = (*duties, self._trim)
        self._bell = Bell()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            began = anyio.current_time()
            await self._go_through()
            await self._bell.wait(began + self._interval - anyio.current_time())

    def hurry(self) -> None:
        """Go through them now."""
        self._bell.ring()

    async def _go_through(self) -> None:
        for duty in self._duties:
            name = duty.__qualname__
            try:
                await duty()
            except (MusterdError, *FAULTS) as error:
                if self._is_its_own(name, error):
                    self._troubles.met("a recurring duty failed", name, error, part=name)
            else:
                self._unserved.discard(name)
                self._troubles.over(name)

    def _is_its_own(self, name: str, error: Exception) -> bool:
        """Whether a trouble is the duty's. A fault of its connection is, on meeting it twice.

        The link is up all the while, or it tells of that itself.
        """
        if isinstance(error, MusterdError) or not passes(error):
            return True
        again, up = name in self._unserved, self._link.up
        (self._unserved.add if up else self._unserved.discard)(name)
        self._link.ask()
        return again and up

    async def _trim(self) -> None:
        for _ in range(TRIMS):
            if not await self._store.trim():
                return
