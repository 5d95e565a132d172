"""The heartbeat: renews every lease in batches, and the daemon's own record after them.

One timer for all agents. It runs until the last agent has ended, also while the daemon drains.
Nothing else is done in it: what takes long would let leases run out.
"""

import anyio
import structlog

from musterd.errors import MusterdError, NameTakenError
from musterd.membership import Membership
from musterd.pulse import Pulse
from musterd.settings import Settings
from musterd.store import Store
from musterd.supervisor import Supervisor

log = structlog.get_logger()


class Heartbeat:
    """Beats every third of the TTL.

    Args:
        settings: the TTL.
        store: where leases are renewed.
        membership: the daemon's own record.
        supervisor: told of leases that are lost.
    """

    def __init__(
        self, settings: Settings, store: Store, membership: Membership, supervisor: Supervisor
    ) -> None:
        self._interval = settings.heartbeat_interval
        self._store = store
        self._membership = membership
        self._supervisor = supervisor
        self._bell = anyio.Event()
        self.pulse = Pulse("heartbeat")

    async def run(self) -> None:
        """Beat until cancelled.

        Raises:
            NameTakenError: another daemon has this one's name; all agents have been told to stop.
        """
        while True:
            began = anyio.current_time()
            self.pulse.beat(self._interval)
            self._bell = anyio.Event()
            await self._beat()
            with anyio.move_on_after(began + self._interval - anyio.current_time()):
                await self._bell.wait()

    def hurry(self) -> None:
        """Beat now: there is something to be seen."""
        self._bell.set()

    async def _beat(self) -> None:
        # Leases first: they must never expire after the record of the node that answers for them.
        for renew in (self._renew_leases, self._renew_record):
            try:
                await renew()
            except NameTakenError:
                self._supervisor.lose_all()
                raise
            except MusterdError as error:
                log.warning("not renewed", part=renew.__name__, error=str(error))

    async def _renew_leases(self) -> None:
        for agent_id in await self._store.renew(list(self._supervisor.actors)):
            self._supervisor.lose(agent_id)

    async def _renew_record(self) -> None:
        self._supervisor.audit(await self._membership.renew())
