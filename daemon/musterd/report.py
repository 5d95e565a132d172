"""What the daemon tells systemd of itself: a line for `systemctl status`, and that its end goes on.

It reads and never decides. Where systemd did not start us, nothing is asked and nothing told.
"""

from contextlib import suppress
from typing import Final

import anyio

from musterd.configuration import Configuration
from musterd.environment import notify_socket
from musterd.link import Link
from musterd.membership import Membership
from musterd.reads import Reads
from musterd.supervisor import Supervisor
from musterd.systemd import notify
from musterd.valkey import FAULTS

TELL_EVERY: Final = 1.0
"""Seconds between two lines on how things stand."""

COUNT_EVERY: Final = 5.0
"""Seconds between two counts of what waits."""

MORE_TIME: Final = 20.0
"""Seconds for which systemd is to wait at least from each line on while the daemon drains; what
comes after the last one, the end of an embedded server say, must fit in."""


class Report:
    """Tells of one daemon.

    Args:
        configuration: what it offers, and whether a reload was refused.
        supervisor: its agents.
        membership: its state.
        reads: where waiting tasks are counted.
        link: whether Valkey serves us.
    """

    def __init__(
        self,
        configuration: Configuration,
        supervisor: Supervisor,
        membership: Membership,
        reads: Reads,
        link: Link,
    ) -> None:
        self._configuration = configuration
        self._supervisor = supervisor
        self._membership = membership
        self._reads = reads
        self._link = link
        self._waiting = 0
        self._told = ""

    async def run(self) -> None:
        """Tell until cancelled."""
        if not notify_socket():
            return
        async with anyio.create_task_group() as counting:
            counting.start_soon(self._count)  # which may have to wait for Valkey
            while True:
                self._tell()
                await anyio.sleep(TELL_EVERY)

    def line(self) -> str:
        """How things stand, `12 agents, 3 waiting, Valkey ok` say."""
        agents = self._supervisor.crew.count()
        parts = [f"{agents} agent{'s' * (agents != 1)}", f"{self._waiting} waiting", self._valkey()]
        if self._membership.state != "active":
            parts.insert(0, self._membership.state)
        if self._configuration.refused:
            parts.append("last reload refused, see the log")
        return ", ".join(parts)

    def _tell(self) -> None:
        line = self.line()
        if line != self._told and notify(f"STATUS={line}"):
            self._told = line
        if self._membership.state == "draining":
            notify(f"EXTEND_TIMEOUT_USEC={MORE_TIME * 1_000_000:.0f}")

    def _valkey(self) -> str:
        if self._link.serving:
            return "Valkey ok"
        return "Valkey takes no writes" if self._link.up else "Valkey lost"

    async def _count(self) -> None:
        while True:
            with suppress(*FAULTS):  # the link tells of them
                self._waiting = sum(await self._reads.waiting(self._configuration.kinds))
            await anyio.sleep(COUNT_EVERY)
