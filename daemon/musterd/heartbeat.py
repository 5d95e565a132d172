"""The heartbeat: renews every lease in batches, and the daemon's own record after them.

One timer for all agents. It runs until the last agent has ended, also while the daemon drains.
Nothing else is done in it: what takes long would let leases run out.
"""

from collections.abc import Awaitable, Callable

import anyio

from musterd.bell import Bell
from musterd.clocks import boottime
from musterd.errors import MusterdError, NameTakenError
from musterd.membership import Membership
from musterd.pulse import Pulse
from musterd.settings import Settings
from musterd.store import Store
from musterd.supervisor import Supervisor
from musterd.troubles import Troubles


class Heartbeat:
    """Beats every third of the TTL.

    Args:
        settings: the TTL.
        store: where leases are renewed.
        membership: the daemon's own record.
        supervisor: told of leases that are lost.
        troubles: told of what cannot be renewed.
        bell: rung when it is to beat at once: that of the link, for when the server is back.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        membership: Membership,
        supervisor: Supervisor,
        troubles: Troubles,
        bell: Bell,
    ) -> None:
        self._ttl = settings.heartbeat_ttl
        self._interval = settings.heartbeat_interval
        self._store = store
        self._membership = membership
        self._supervisor = supervisor
        self._troubles = troubles
        self._bell = bell
        self.pulse = Pulse("heartbeat")

    async def run(self) -> None:
        """Beat until cancelled.

        Raises:
            NameTakenError: another daemon has this one's name; all agents have been told to stop.
        """
        while True:
            began = anyio.current_time()
            self.pulse.beat(self._interval)
            await self._beat()
            await self._bell.wait(began + self._interval - anyio.current_time())

    async def relearn(self) -> None:
        """Renew the leases now; those that are lost have been told to stop when this returns."""
        await self._try(self._renew_leases)

    def hurry(self) -> None:
        """Beat now: there is something to be seen."""
        self._bell.ring()

    async def _beat(self) -> None:
        # Leases first: they must never expire after the record of the node that answers for them.
        for renew in (self._renew_leases, self._renew_record):
            await self._try(renew)

    async def _try(self, renew: Callable[[], Awaitable[None]]) -> None:
        name = getattr(renew, "__name__", "")
        try:
            await renew()
        except NameTakenError:
            self._supervisor.crew.lose_all()
            raise
        except MusterdError as error:
            self._troubles.met("not renewed", name, error, part=name)
        else:
            self._troubles.over(name)

    async def _renew_leases(self) -> None:
        agent_ids = list(self._supervisor.crew.actors)
        until = boottime() + self._ttl
        lost = await self._store.renew(agent_ids)
        self._supervisor.crew.renewed(agent_ids, until)
        for agent_id in lost:
            self._supervisor.crew.lose(agent_id)

    async def _renew_record(self) -> None:
        self._supervisor.audit(await self._membership.renew())
