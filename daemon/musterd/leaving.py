"""How a daemon leaves: a drain, its deadline, a second signal, and agents that do not stop."""

import os
from typing import Final

import anyio
import structlog

from musterd import logs
from musterd.embedded import EmbeddedValkey
from musterd.heartbeat import Heartbeat
from musterd.link import Link
from musterd.membership import Membership
from musterd.settings import Settings
from musterd.stopping import Stopping
from musterd.supervisor import Supervisor
from musterd.systemd import insist

AT_ONCE: Final = 1.0
"""Seconds of grace that agents have after a second signal."""

LAST_WRITES: Final = 5.0
"""Seconds after the agents' grace in which their endings may still be written."""

UNHEARD: Final = 1.0
"""Seconds that a daemon without agents waits for a server that is away before it leaves."""

LISTEN_EVERY: Final = 0.05
"""Seconds between two looks at whether it does."""

log = structlog.get_logger()


class Leaving:
    """The end of one daemon, from the word to stop on.

    Args:
        settings: how long agents may finish, and their grace.
        stopping: the word.
        supervisor: who runs them.
        membership: told that the daemon drains.
        heartbeat: which tells others.
        link: whether the last writes can be heard.
        embedded: the server, if it is our own.
    """

    def __init__(
        self,
        settings: Settings,
        stopping: Stopping,
        supervisor: Supervisor,
        membership: Membership,
        heartbeat: Heartbeat,
        link: Link,
        embedded: EmbeddedValkey | None,
    ) -> None:
        self._settings = settings
        self._stopping = stopping
        self._supervisor = supervisor
        self._membership = membership
        self._heartbeat = heartbeat
        self._link = link
        self._embedded = embedded

    def drain(self) -> None:
        """Claim nothing more, and leave when the last agent has ended."""
        self._supervisor.drain()
        self._membership.state = self._supervisor.state
        self._heartbeat.hurry()
        self._stopping.asked.set()

    async def obey(self) -> None:
        """Drain when the word comes; stop the agents when it comes again."""
        await self._stopping.asked.wait()
        self.drain()
        await self._stopping.at_once.wait()
        self._supervisor.crew.shut_down(AT_ONCE)

    async def end_in_time(self) -> None:
        """See to it that the daemon has ended some time after the word, whatever its agents do."""
        await self._stopping.asked.wait()
        await insist("STOPPING=1")
        longest = self._settings.drain_timeout
        hint = {"hint": "a second signal stops them at once"} if self._stopping.interrupted else {}
        log.info("draining", agents=self._supervisor.crew.count(), seconds=longest, **hint)
        with anyio.move_on_after(longest):
            await self._stopping.at_once.wait()
        grace = AT_ONCE if self._stopping.at_once.is_set() else self._settings.kill_grace
        log.warning("stopping agents", agents=self._supervisor.crew.count(), grace=grace)
        self._supervisor.crew.shut_down(grace)
        await anyio.sleep(grace + LAST_WRITES)
        self._supervisor.abandon()
        await anyio.sleep(AT_ONCE)
        log.error("left with agents that do not stop", agents=sorted(self._supervisor.crew.actors))
        if self._embedded is not None:
            with anyio.CancelScope(shield=True):  # there is no way back from here
                await self._embedded.end()
        logs.flush()
        os._exit(1)

    async def leave_unheard(self) -> None:
        """Give up a server that is away, without agents: only a claim could still be answered."""
        await self._stopping.asked.wait()
        unheard = 0.0
        while unheard < UNHEARD:
            await anyio.sleep(LISTEN_EVERY)
            waited_for = self._link.serving or self._supervisor.crew.count()
            unheard = 0.0 if waited_for else unheard + LISTEN_EVERY
        self._supervisor.abandon()
