"""The heartbeat: renews every lease in batches, and does with each beat what must not be forgotten.

One timer for all agents. It runs until the last agent has ended, also while the daemon drains.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import structlog

from musterd.errors import MusterdError, NameTakenError
from musterd.membership import Membership
from musterd.settings import Settings
from musterd.store import Store
from musterd.supervisor import Supervisor
from musterd.valkey import FAULTS

TRIMS: Final = 20
"""Calls with which one beat lets go of expired index entries, at most."""

log = structlog.get_logger()


class Heartbeat:
    """Beats every third of the TTL.

    Args:
        settings: the TTL.
        store: where leases are renewed.
        membership: the daemon's own record.
        supervisor: told of leases that are lost.
        duties: what else is done with each beat; a fault in one leaves the others alone.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        membership: Membership,
        supervisor: Supervisor,
        duties: tuple[Callable[[], Awaitable[None]], ...],
    ) -> None:
        self._interval = settings.heartbeat_interval
        self._store = store
        self._membership = membership
        self._supervisor = supervisor
        self._duties = (self._renew, *duties, self._trim)
        self._bell = anyio.Event()

    async def run(self) -> None:
        """Beat until cancelled.

        Raises:
            NameTakenError: another daemon has this one's name; all agents have been told to stop.
        """
        while True:
            began = anyio.current_time()
            self._bell = anyio.Event()
            await self._beat()
            with anyio.move_on_after(began + self._interval - anyio.current_time()):
                await self._bell.wait()

    def hurry(self) -> None:
        """Beat now: there is something to be seen."""
        self._bell.set()

    async def _beat(self) -> None:
        for duty in self._duties:
            try:
                await duty()
            except NameTakenError:
                self._supervisor.lose_all()
                raise
            except (MusterdError, *FAULTS) as error:
                log.warning(
                    "heartbeat: a part of it failed", part=duty.__qualname__, error=str(error)
                )

    async def _renew(self) -> None:
        # Leases first: they must never expire after the record of the node that answers for them.
        for agent_id in await self._store.renew(list(self._supervisor.actors)):
            self._supervisor.lose(agent_id)
        self._supervisor.audit(await self._membership.renew())

    async def _trim(self) -> None:
        for _ in range(TRIMS):
            if not await self._store.trim():
                return
