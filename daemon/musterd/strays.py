"""Agents that the server lists as ours and that no actor runs: adopted, or settled as lost.

The answer to their claim was lost with the daemon's record, or their actor broke.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from musterd.crew import Crew, about
from musterd.errors import MusterdError
from musterd.moves import Claim
from musterd.store import Store

KEPT: Final = 100
"""Claims without an answer that are remembered."""

log = structlog.get_logger()


class Strays:
    """Those of one daemon. Look after them between two claims only.

    During a claim the server may list agents whose actors do not exist yet.

    Args:
        store: where they are adopted and settled.
        crew: the agents that have an actor.
        node: the daemon's name.
        epoch: this life of it.
    """

    def __init__(self, store: Store, crew: Crew, node: str, epoch: str) -> None:
        self._store = store
        self._crew = crew
        self._node = node
        self._epoch = epoch
        self._unsettled: set[str] = set()
        self._stems: deque[str] = deque(maxlen=KEPT)

    @contextmanager
    def unanswered(self, stem: str) -> Iterator[None]:
        """The claim with this stem of tokens has no answer, unless the block ends well."""
        self._stems.append(stem)
        yield
        self._stems.remove(stem)

    async def listed(self) -> list[str]:
        """All agents that are listed as ours, those with an actor too."""
        return await self._store.owned(self._node)

    async def adopt(self, listed: Iterable[str]) -> list[Claim]:
        """Those of claims without an answer, with their leases renewed: they are to be run.

        Any other has had an actor: what it has done must not be done again.
        """
        if not self._stems:
            return []
        found = await self._store.adopt(self._without_actor(listed))
        claims = [claim for claim in found if claim.token.rpartition(".")[0] in self._stems]
        # Nobody has renewed them so far: how long their leases last is known only after this.
        await self._store.renew(claim.agent_id for claim in claims)
        self._stems.clear()  # not before: what is refused is tried again, and settles nobody
        return claims

    async def settle(self, listed: Iterable[str]) -> None:
        """Settle those that still have no actor; say once of each that cannot be settled."""
        agent_ids = self._without_actor(listed)
        answers = await self._store.settle(agent_ids, self._node, ended=[self._epoch])
        unsettled = set()
        for agent_id, answer in zip(agent_ids, answers, strict=True):
            if isinstance(answer, MusterdError):
                unsettled.add(agent_id)
                if agent_id not in self._unsettled:
                    log.warning(
                        "agent without an actor not settled", error=str(answer), **about(agent_id)
                    )
            elif answer.agent:
                log.warning("agent without an actor settled", **about(agent_id))
        self._unsettled = unsettled

    def _without_actor(self, listed: Iterable[str]) -> list[str]:
        return [agent_id for agent_id in listed if agent_id not in self._crew.actors]
