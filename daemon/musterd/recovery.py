"""Finds agents whose owner is dead, and settles them: retried while attempts are left, else failed.

The server decides whether an owner is dead; here is decided only when to ask.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog

from musterd.errors import MusterdError, NotOwnerError
from musterd.leftovers import end_leftovers
from musterd.link import Link
from musterd.settings import Settings
from musterd.store import Store

PAGE: Final = 256
"""Agents settled by one look."""

log = structlog.get_logger()


def _clock() -> float:
    # Goes on while the machine sleeps, as the server's TTLs do.
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Recovery:
    """Settles what dead daemons left.

    Args:
        store: where.
        link: whether we ourselves could have been heard.
        settings: this daemon's name, the TTL of its leases, the grace of leftover processes.
        clock: seconds since some moment.
    """

    def __init__(
        self, store: Store, link: Link, settings: Settings, clock: Callable[[], float] = _clock
    ) -> None:
        self._store = store
        self._link = link
        self._node = settings.node
        self._ttl = settings.heartbeat_ttl
        self._grace = settings.kill_grace
        self._clock = clock
        self._swept = self._awake_since = clock()

    async def settle_own_past(self) -> None:
        """Settle the agents of this node's earlier lives, after ending what still runs of them.

        Call it after the name is ours and before anything is claimed.
        """
        owners = [f"{self._node}/{epoch}" for epoch in await self._store.epochs()]
        ended = await end_leftovers(owners, self._grace)
        if ended:
            log.warning("processes of an earlier life ended", processes=ended)
        await self._settle(self._node, work_ended=True)

    async def sweep(self) -> None:
        """Settle the agents of other nodes that are dead; call it with each heartbeat.

        Not before this daemon has been heard itself for a TTL and a renewal: after an outage of
        the server, or when the machine has slept, everybody looks dead to everybody.
        """
        if min(self._link.unbroken(), self._awake()) < self._ttl + self._ttl / 3:
            return
        for node in await self._store.dead_nodes(self._ttl):
            await self._settle(node, work_ended=False)

    def _awake(self) -> float:
        """For how many seconds no beat was so late that our own lease may have expired."""
        now = self._clock()
        if now - self._swept > self._ttl:
            self._awake_since = now
        self._swept = now
        return now - self._awake_since

    async def _settle(self, node: str, *, work_ended: bool) -> None:
        settled = 0
        while agent_ids := await self._store.owned(node, PAGE):
            answers = await self._store.settle(agent_ids, node, work_ended=work_ended)
            progress = 0
            for agent_id, answer in zip(agent_ids, answers, strict=True):
                if not isinstance(answer, MusterdError):
                    progress += 1
                    log.info("agent settled", agent_id=agent_id, status=answer.agent, of=node)
                elif not isinstance(answer, NotOwnerError):
                    log.warning("agent not settled", agent_id=agent_id, error=str(answer))
            settled += progress
            if not progress:
                break
        if settled:
            log.warning("agents of a dead daemon settled", of=node, agents=settled)
