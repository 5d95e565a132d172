"""The agents that a daemon runs: told to stop, counted, and named for a server that lost them.

It never claims and never writes; each actor does what it is told by itself.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import structlog

from musterd import ids
from musterd.actor import Actor, Stop
from musterd.errors import shorten
from musterd.jsons import Json
from musterd.scripts import Step

log = structlog.get_logger()


class Crew:
    """The actors of one daemon, by the ids of their agents.

    Args:
        kinds: counted from the beginning, though there are no agents of them.
    """

    def __init__(self, kinds: Iterable[str]) -> None:
        self.actors: dict[str, Actor] = {}
        self._alive = dict.fromkeys(kinds, 0)
        self._exclusive: dict[str, Actor] = {}
        self._early: dict[str, tuple[float | None, str]] | None = None
        self._closing = False

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """A claim is under way: a kill may be heard of an agent before the claim's answer is."""
        self._early = {}
        try:
            yield
        finally:
            self._early = None

    def add(self, actor: Actor, *, exclusive: bool) -> Actor | None:
        """One more, that is yet to run; the one of the same agent that is there already."""
        agent_id, kind = actor.claim.agent_id, actor.claim.kind
        former = self.actors.get(agent_id)
        self.actors[agent_id] = actor
        self._alive[kind] = self.alive(kind) + 1
        if exclusive:
            self._exclusive[agent_id] = actor
        if self._closing:
            actor.stop(Stop.SHUTDOWN)
        if self._early and agent_id in self._early:
            self.kill(agent_id, *self._early.pop(agent_id))
        return former

    def remove(self, actor: Actor) -> None:
        """It has ended."""
        agent_id = actor.claim.agent_id
        if self.actors.get(agent_id) is actor:
            del self.actors[agent_id]
            self._exclusive.pop(agent_id, None)
        self._alive[actor.claim.kind] -= 1

    def offer(self, kinds: Iterable[str]) -> None:
        """Count these kinds from now on, and of others those that still run."""
        alive = {name: count for name, count in self._alive.items() if count}
        self._alive = dict.fromkeys(kinds, 0) | alive

    def alive(self, kind: str) -> int:
        """How many agents of a kind are alive."""
        return self._alive.get(kind, 0)

    def count(self) -> int:
        """How many agents are alive."""
        return len(self.actors)

    def kill(self, agent_id: str, grace: float | None = None, why: str = "") -> None:
        """Stop an agent for which a kill is recorded, if it is ours or is about to be.

        Args:
            agent_id: whose kill it is.
            grace: seconds, as `Actor.stop` takes them.
            why: the reason that was given, for the log.
        """
        actor = self.actors.get(agent_id)
        if actor is None:
            if self._early is not None:
                self._early[agent_id] = (grace, why)
            return
        if not actor.stopping:
            more = {"why": shorten(why)} if why else {}
            log.info(
                "agent is asked to stop", **about(actor.claim.agent_id), reason="killed", **more
            )
        actor.stop(Stop.KILL, grace, why)

    def lose(self, agent_id: str) -> None:
        """Stop an agent that belongs to another owner."""
        actor = self.actors.get(agent_id)
        # One whose ending is on its way is told by the server itself whether it still is its own.
        if actor is not None and not actor.ending and not actor.lost:
            log.warning("lease lost", **about(actor.claim.agent_id))
            actor.stop(Stop.LOST)

    def renewed(self, agent_ids: Iterable[str], until: float) -> None:
        """The leases of these agents last until then, by `clocks.boottime`."""
        for agent_id in agent_ids:
            if (actor := self._exclusive.get(agent_id)) is not None:
                actor.leased_until = until

    def expire(self, before: float, grace: float) -> None:
        """Stop the exclusive agents whose leases run out before then, within `grace` seconds."""
        for actor in list(self._exclusive.values()):
            if actor.leased_until >= before:
                continue
            if not actor.stopping:
                log.warning(
                    "lease may run out, the exclusive agent is stopped",
                    **about(actor.claim.agent_id),
                )
            actor.stop(Stop.EXPIRED, grace)  # of a longer grace that it was given no more is left

    def lose_all(self) -> None:
        """Stop every agent: this daemon itself is superseded."""
        for agent_id in list(self.actors):
            self.lose(agent_id)

    def shut_down(self, grace: float | None = None) -> None:
        """Stop every agent now; their tasks are retried while attempts are left."""
        self._closing = True
        for actor in list(self.actors.values()):
            actor.stop(Stop.SHUTDOWN, grace)

    def living(self) -> Iterator[Step]:
        """The steps that take all agents again, for a server that may have lost them."""
        for actor in self.actors.values():
            yield actor.claim.reclaim()
            if actor.started:
                yield ("start", actor.claim.agent_id, actor.claim.token)

    def census(self) -> dict[str, Json]:
        """How many agents of each kind are alive."""
        return dict(self._alive)

    def abandon(self) -> None:
        """Wait for no answer of the server any more."""
        for actor in list(self.actors.values()):
            actor.abandon()

    def look_after(self) -> None:
        """Say once of each agent that it does not stop, where its grace is over."""
        for actor in self.actors.values():
            if actor.is_overdue():
                grace = actor.context.grace
                log.warning("agent does not stop", **about(actor.claim.agent_id), grace=grace)


def about(agent_id: str) -> dict[str, str]:
    """The ids that a log line about an agent carries."""
    return {"task_id": ids.task_id_of(agent_id), "agent_id": agent_id}
