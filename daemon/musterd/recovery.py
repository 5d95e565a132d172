"""Finds agents whose owner is dead, and settles them: retried while attempts are left, else failed.

The server decides whether an owner is dead; here is decided only when to ask.
"""

from collections.abc import Callable, Collection

import structlog

from musterd import identity, ids
from musterd.clocks import boottime
from musterd.errors import MusterdError, NotOwnerError
from musterd.leftovers import end_leftovers
from musterd.link import Link
from musterd.moves import Ended
from musterd.nodes import Nodes
from musterd.settings import Settings
from musterd.store import PAGE, Store

log = structlog.get_logger()


class Recovery:
    """Settles what dead daemons left.

    Args:
        store: where.
        nodes: which are dead, and the earlier lives of our own.
        link: whether we ourselves could have been heard.
        settings: this daemon's name, the TTL of its leases, the grace of leftover processes.
        clock: seconds since some moment.
    """

    def __init__(
        self,
        store: Store,
        nodes: Nodes,
        link: Link,
        settings: Settings,
        clock: Callable[[], float] = boottime,
    ) -> None:
        self._store = store
        self._nodes = nodes
        self._link = link
        self._node = settings.node
        self._ttl = settings.heartbeat_ttl
        self._patience = settings.heartbeat_ttl + settings.heartbeat_interval
        self._grace = settings.kill_grace
        self._clock = clock
        self._unsettled: set[str] = set()
        self._swept = self._awake_since = clock()

    async def settle_own_past(self) -> list[str]:
        """Settle the agents of this node's earlier lives, after ending what still runs of them.

        Call it after the name is ours and before anything is claimed.

        Returns:
            The epochs of those lives that are known to be over.
        """
        lives = await self._nodes.lives()
        ended = await end_leftovers([f"{self._node}/{life.epoch}" for life in lives], self._grace)
        if ended:
            log.warning("processes of an earlier life ended", processes=ended)
        # A life on another machine cannot be seen from here, and one that is only frozen may go on.
        over = [life.epoch for life in lives if identity.is_alive(life.process) is False]
        await self._settle(self._node, ended=over)
        return over

    async def sweep(self) -> None:
        """Settle the agents of other nodes that are dead; call it with each heartbeat.

        Not before this daemon has been heard itself for a TTL and a renewal: after an outage of
        the server, or when the machine has slept, everybody looks dead to everybody.
        """
        if not (self._awake() >= self._patience and self._may_judge()):
            return
        dead = await self._nodes.dead_nodes(self._ttl)
        if self._may_judge():  # the answer may have waited for another server, or a restarted one
            for node in dead:
                await self._settle(node)

    def _may_judge(self) -> bool:
        return self._link.unbroken() >= self._patience

    def _awake(self) -> float:
        """For how many seconds no beat was so late that our own lease may have expired."""
        now = self._clock()
        if now - self._swept > self._ttl:
            self._awake_since = now
        self._swept = now
        return now - self._awake_since

    async def _settle(self, node: str, *, ended: Collection[str] = ()) -> None:
        settled = 0
        while agent_ids := await self._store.owned(node, PAGE):
            answers = await self._store.settle(agent_ids, node, ended=ended)
            progress = sum(self._tell(*pair, node) for pair in zip(agent_ids, answers, strict=True))
            settled += progress
            if not progress:
                break
        if settled:
            log.warning("agents of a dead daemon settled", of=node, agents=settled)

    def _tell(self, agent_id: str, answer: Ended | MusterdError, node: str) -> bool:
        """Say what became of an agent, once; whether it is settled."""
        about = {"agent_id": agent_id, "task_id": ids.task_id_of(agent_id), "of": node}
        if not isinstance(answer, MusterdError):
            self._unsettled.discard(agent_id)
            log.info("agent settled", status=answer.agent, task=answer.task, **about)
            return True
        if not isinstance(answer, NotOwnerError) and agent_id not in self._unsettled:
            self._unsettled.add(agent_id)
            log.warning("agent not settled", error=str(answer), **about)
        return False
