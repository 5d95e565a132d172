"""Stops exclusive agents before their leases can run out while Valkey is away.

Another daemon may start the task again once the lease is over. By then the agent must have ended:
it is asked to stop so long before that its grace still fits.
"""

from collections.abc import Callable

import anyio

from musterd.clocks import boottime
from musterd.settings import Settings
from musterd.supervisor import Supervisor


class Leases:
    """Looks at the deadlines of exclusive agents.

    Args:
        settings: the TTL of leases, and the grace of agents.
        supervisor: whose agents.
        clock: seconds since some moment; that of `Actor.leased_until`.
    """

    def __init__(
        self, settings: Settings, supervisor: Supervisor, clock: Callable[[], float] = boottime
    ) -> None:
        self._supervisor = supervisor
        self._clock = clock
        # A longer one would stop the agent though its lease is renewed as usual.
        self._grace = min(settings.kill_grace, settings.heartbeat_interval)
        self._look = settings.heartbeat_ttl / 60

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await anyio.sleep(self._look)
            self._supervisor.crew.expire(self._clock() + self._grace + self._look, self._grace)
