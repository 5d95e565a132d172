"""The daemon's place among the daemons: its name, and the record that shows it is alive."""

import os
import platform
from collections.abc import Callable
from typing import Final

import anyio
import structlog

from musterd import __version__, identity, jsons
from musterd.errors import NameTakenError
from musterd.jsons import Json
from musterd.nodes import Nodes
from musterd.settings import Settings

ASK_EVERY: Final = 0.2
"""Seconds between two looks at a name that is held."""

log = structlog.get_logger()


class Membership:
    """One daemon's record, kept alive by `renew`.

    Args:
        settings: name, capacity, TTL.
        epoch: this life of the daemon.
        nodes: where it is written.
        agents: how many agents are alive.
        paused_kinds: the kinds that are paused by name.
    """

    def __init__(
        self,
        settings: Settings,
        epoch: str,
        nodes: Nodes,
        agents: Callable[[], int],
        paused_kinds: Callable[[], list[str]],
    ) -> None:
        self.node = settings.node
        self._epoch = epoch
        self.state = "starting"
        self._nodes = nodes
        self._agents = agents
        self._paused_kinds = paused_kinds
        self._announced: list[str] = []
        self._waits = False
        self._left = False
        self._patience = settings.heartbeat_ttl + settings.heartbeat_interval
        self._lock = anyio.Lock()
        self._fields: dict[str, str | int] = {
            "host": platform.node(),
            "pid": os.getpid(),
            "process": identity.own(),
            "version": __version__,
            "capacity": settings.capacity,
        }

    async def join(self) -> None:
        """Take the name: at once if its holder is known to be dead, else when its record expires.

        Raises:
            NameTakenError: its holder is alive.
        """
        with anyio.move_on_after(self._patience):
            while True:
                try:
                    await self.renew()
                except NameTakenError as error:
                    await self._take_over(error)
                else:
                    return
        await self.renew()

    async def renew(self) -> int:
        """Renew the record; how many agents the server lists as this node's.

        Raises:
            NameTakenError: another daemon has the name by now.
        """
        async with self._lock:
            if self._left:  # it waited for the lock, and is not yet cancelled
                return 0
            return await self._nodes.register(self.node, self._now())

    async def announce(self, state: str) -> None:
        """Tell the state, `starting`, `active`, `paused` or `draining`, and which kinds are paused.

        What is no news is not written.
        """
        paused = self._paused_kinds()
        if (state, paused) != (self.state, self._announced):
            self.state, self._announced = state, paused
            await self.renew()

    def resize(self, capacity: int) -> None:
        """Tell of another capacity from the next renewal on."""
        self._fields["capacity"] = capacity

    def describe(self) -> dict[str, Json]:
        """The record as JSON, but for `startedAt`: that is the server's own time."""
        paused: list[Json] = [*self._paused_kinds()]
        more: dict[str, Json] = {"pausedKinds": paused} if paused else {}
        return {"node": self.node, "epoch": self._epoch, **self._counted(), **more}

    async def leave(self) -> None:
        """Give the name back."""
        async with self._lock:  # a renewal under way would bring the record back
            self._left = True
            await self._nodes.release()

    def _now(self) -> dict[str, str | int]:
        """The fields of the record; one that is empty is taken off it."""
        paused = self._paused_kinds()
        return self._counted() | {"pausedKinds": jsons.dumps(paused) if paused else ""}

    def _counted(self) -> dict[str, str | int]:
        return self._fields | {"state": self.state, "agents": self._agents()}

    async def _take_over(self, taken: NameTakenError) -> None:
        alive = identity.is_alive(taken.holder.process)
        if alive:
            raise taken
        if alive is False:
            log.info("name taken over from a dead daemon", pid=taken.holder.pid)
            await self._nodes.register(self.node, self._now(), dead=taken.holder.epoch)
            return
        if not self._waits:
            self._waits = True
            log.info("waiting for the name, its holder cannot be seen", host=taken.holder.host)
        await anyio.sleep(ASK_EVERY)
