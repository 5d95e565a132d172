"""The supervisor: claims as many tasks as it has room for, and keeps the actors that run them.

It never writes an agent's record. It ends when it was told to drain and its last agent has ended.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from musterd import ids
from musterd.actor import Actor, Stop
from musterd.errors import MusterdError
from musterd.jsons import Json
from musterd.kinds import Kind
from musterd.moves import Claim, Offer
from musterd.settings import Settings
from musterd.store import Store

SLOW_LOOK: Final = 1.0
"""Seconds after which the queues are looked at without having been told; a safety net."""

MOST: Final = 128
"""Tasks taken by one claim: it keeps the server from everybody else for two or three ms."""

log = structlog.get_logger()


class Supervisor:
    """The agents of one daemon.

    Args:
        store: where tasks are claimed.
        kinds: what is offered, by name.
        settings: the daemon's name, its capacity, and the grace of its agents.
        epoch: this life of the daemon.
    """

    def __init__(
        self, store: Store, kinds: Mapping[str, Kind], settings: Settings, epoch: str
    ) -> None:
        self.actors: dict[str, Actor] = {}
        self.paused = False
        self.draining = False
        self.unwritten = 0
        self._store = store
        self._kinds = kinds
        self._alive = dict.fromkeys(kinds, 0)
        self._node = settings.node
        self._owner = f"{settings.node}/{epoch}"
        self._capacity = settings.capacity
        self._grace = settings.kill_grace
        self._bell = anyio.Event()
        self._claims = 0
        self._missing = False
        self._closing = False
        self._claiming = anyio.CancelScope()

    @property
    def state(self) -> str:
        """`active`, `paused` or `draining`."""
        return "draining" if self.draining else "paused" if self.paused else "active"

    def count(self) -> int:
        """How many agents are alive."""
        return len(self.actors)

    async def run(self) -> None:
        """Claim and run agents until drained."""
        async with anyio.create_task_group() as agents:
            with self._claiming:
                while not self.draining:
                    self._bell = anyio.Event()
                    pause = await self._claim(agents)
                    with anyio.move_on_after(pause):
                        await self._bell.wait()

    def wake(self, kind: str | None = None) -> None:
        """There may be work, of one kind or of any."""
        if kind is None or kind in self._kinds:
            self._bell.set()

    def pause(self) -> None:
        """Claim nothing until told to resume; running agents go on."""
        self.paused = True

    def resume(self) -> None:
        """Claim again."""
        self.paused = False
        self.wake()

    def drain(self) -> None:
        """Claim nothing more; `run` returns when the agents that run have ended."""
        self.draining = True
        self.wake()

    def kill(self, agent_id: str, grace: float | None = None) -> None:
        """Stop an agent for which a kill is recorded; no agent of ours is no error."""
        if agent_id in self.actors:
            self.actors[agent_id].stop(Stop.KILL, grace)

    def lose(self, agent_id: str) -> None:
        """Stop an agent that belongs to another owner."""
        if agent_id in self.actors:
            log.warning("lease lost", agent_id=agent_id, task_id=agent_id.rpartition(".")[0])
            self.actors[agent_id].stop(Stop.LOST)

    def lose_all(self) -> None:
        """Stop every agent: this daemon itself is superseded."""
        for agent_id in list(self.actors):
            self.lose(agent_id)

    def shut_down(self, grace: float | None = None) -> None:
        """Stop every agent now; their tasks are retried while attempts are left."""
        self._closing = True
        for actor in list(self.actors.values()):
            actor.stop(Stop.SHUTDOWN, grace)

    def abandon(self) -> None:
        """Wait for no answer of the server any more."""
        self._claiming.cancel()
        for actor in list(self.actors.values()):
            actor.abandon()

    def census(self) -> dict[str, Json]:
        """How many agents of each kind are alive."""
        return dict(self._alive)

    def audit(self, owned: int) -> None:
        """Told with each heartbeat how many agents the server lists as ours.

        More than there are actors means an agent that nobody runs: the answer to its claim was
        lost with the daemon's record, or its actor broke. The next look settles it as lost.
        """
        self._missing = owned > len(self.actors)
        if self._missing:
            self.wake()

    async def _claim(self, agents: TaskGroup) -> float:
        """Claim once; how many seconds to wait for the bell before the next time."""
        try:
            if self._missing:
                await self._settle_unmanned()
            offers = list(self._offers())
            room = min(self._capacity - len(self.actors), MOST)
            if self.paused or self.draining or room <= 0 or not offers:
                return SLOW_LOOK
            self._claims += 1
            claimed = await self._store.claim(self._claims, ids.new_token(), room, offers)
        except MusterdError as error:
            log.warning("nothing claimed", error=str(error))
            return SLOW_LOOK
        for broken in claimed.broken:
            log.warning("skipped in a queue: no pending record behind it", key=broken)
        for claim in claimed.claims:
            self._spawn(agents, claim)
        if len(claimed.claims) == room:
            return 0.0
        return SLOW_LOOK if claimed.due is None else min(SLOW_LOOK, claimed.due + 0.001)

    def _offers(self) -> Iterator[Offer]:
        for kind in self._kinds.values():
            most = kind.max_concurrent or self._capacity
            room = most - self._alive[kind.name]
            if room > 0:
                yield Offer(kind.name, room, kind.max_attempts, kind.timeout)

    def _spawn(self, agents: TaskGroup, claim: Claim) -> None:
        actor = Actor(
            claim, self._kinds[claim.kind], self._store, owner=self._owner, grace=self._grace
        )
        self.actors[claim.agent_id] = actor
        self._alive[claim.kind] += 1
        if self._closing:
            actor.stop(Stop.SHUTDOWN)
        agents.start_soon(self._run, actor)

    async def _run(self, actor: Actor) -> None:
        try:
            await actor.run()
        finally:
            self.unwritten += actor.unwritten
            del self.actors[actor.claim.agent_id]
            self._alive[actor.claim.kind] -= 1
            self._bell.set()

    async def _settle_unmanned(self) -> None:
        """Settle the agents that are listed as ours and that no actor runs.

        Only between two claims: during one the server may list agents whose actors do not exist
        yet.
        """
        unmanned = [one for one in await self._store.owned(self._node) if one not in self.actors]
        answers = await self._store.settle(unmanned, self._node, work_ended=True, own=True)
        self._missing = False
        for agent_id, answer in zip(unmanned, answers, strict=True):
            if isinstance(answer, MusterdError):
                log.warning("agent without an actor not settled", error=str(answer))
            elif answer.agent:
                log.warning("agent without an actor settled", agent_id=agent_id)
