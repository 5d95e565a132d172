"""The supervisor: claims as many tasks as it has room for, and keeps the actors that run them.

It never writes an agent's record. It ends when it was told to drain and its last agent has ended.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import anyio
import structlog
from anyio.abc import TaskGroup

from musterd import ids
from musterd.actor import Actor, Stop
from musterd.bell import Bell
from musterd.clocks import boottime
from musterd.crew import Crew, about
from musterd.desks import Desks
from musterd.errors import MusterdError, NotOwnerError
from musterd.intensity import Intensity
from musterd.kinds import Kind
from musterd.moves import Claim, Claimed, Offer
from musterd.pauses import Pauses
from musterd.pulse import Pulse
from musterd.settings import Settings
from musterd.store import Store
from musterd.strays import Strays
from musterd.troubles import Troubles

AGENT_TASK: Final = "musterd agent"
"""The name of every agent's task: anyio would make one anew for each."""

SLOW_LOOK: Final = 1.0
"""Seconds after which the queues are looked at without having been told; a safety net."""

RECHECK_EVERY: Final = 0.05
"""Seconds between two looks at an agent that must end before another of its id may start."""

TELLING: Final = 5.0
"""Seconds for which the end of an agent waits until its kind's pause is told."""

MOST: Final = 32
"""Tasks taken by one claim: while the server makes the next one, the last one's agents begin."""

Enlisted: TypeAlias = tuple[Actor, Actor | None]
"""An actor that is yet to run, and the one of the same agent that still does."""

log = structlog.get_logger()


class Supervisor:
    """The agents of one daemon.

    Args:
        store: where tasks are claimed.
        desks: where agents tell and are told.
        crew: the agents that run; empty so far.
        kinds: what is offered, by name.
        settings: the daemon's name, its capacity, and the grace of its agents.
        epoch: this life of the daemon.
        troubles: told of claims that cannot be made.
    """

    def __init__(
        self,
        store: Store,
        desks: Desks,
        crew: Crew,
        kinds: Mapping[str, Kind],
        settings: Settings,
        epoch: str,
        troubles: Troubles,
    ) -> None:
        self.crew = crew
        self._bell = Bell()
        self.pauses = Pauses(kinds, self._bell)
        self.draining = False
        self.unwritten = 0
        self._store = store
        self._desks = desks
        self._kinds = kinds
        self._owner = f"{settings.node}/{epoch}"
        self._capacity = settings.capacity
        self._settings = settings
        self._claims = 0
        self._intensity = Intensity(kinds)
        self._missing = False
        self._cramped = True
        self._troubles = troubles
        self._skipped: set[str] = set()
        self._strays = Strays(store, crew, settings.node, epoch)
        self._claiming = anyio.CancelScope()
        self._log = structlog.get_logger().bind()  # once: `log` makes one for each line
        self._known = dict(kinds)
        self.pulse = Pulse("supervisor")

    @property
    def state(self) -> str:
        """`active`, `paused` or `draining`."""
        return "draining" if self.draining else "paused" if self.pauses.everything else "active"

    async def run(self) -> None:
        """Claim and run agents until drained."""
        async with anyio.create_task_group() as agents:
            with self._claiming:
                while not self.draining:
                    self.pulse.beat(SLOW_LOOK)
                    pause = await self._claim(agents)
                    if pause:
                        await self._bell.wait(pause)
            self.pulse.rest()

    def offer(self, kinds: Mapping[str, Kind], capacity: int) -> None:
        """From now on claim these kinds, up to this capacity; running agents go on as they are."""
        # A claim that is under way may still bring an agent of a kind that is gone.
        self._known |= kinds
        self.pauses.offer(kinds)
        self._intensity = Intensity(kinds)
        self._kinds = kinds
        self.crew.offer(kinds)
        self._capacity = capacity
        self._log = structlog.get_logger().bind()  # its level may be another now
        for actor in self.crew.actors.values():
            actor.log = self._log
        self.wake()

    def wake(self, kind: str | None = None) -> None:
        """There may be work, of one kind or of any."""
        if kind is None or kind in self._kinds:
            self._bell.ring()

    def drain(self) -> None:
        """Claim nothing more; `run` returns when the agents that run have ended."""
        self.draining = True
        self.wake()

    def ring(self, agent_id: str) -> None:
        """A message was sent to an agent; no agent of ours is no error."""
        self._desks.ring(agent_id)

    def ring_all(self) -> None:
        """Messages may have been sent unheard."""
        self._desks.ring_all()

    def abandon(self) -> None:
        """Wait for no answer of the server any more."""
        self._claiming.cancel()
        self.crew.abandon()

    def audit(self, owned: int) -> None:
        """Told with each heartbeat how many agents the server lists as ours.

        More than there are actors means that one of them strays; it is looked for before the next
        claim.
        """
        self._missing = owned > len(self.crew.actors)
        if self._missing:
            self.wake()
        self.crew.look_after()

    async def _claim(self, agents: TaskGroup) -> float:
        """Claim once; how many seconds to wait for the bell before the next time."""
        try:
            if self._missing:
                await self._man(agents)
            self.pauses.expire()
            self._cramped = True
            offers = list(self._offers())
            room = min(self._capacity - len(self.crew.actors), MOST)
            if self.draining or room <= 0 or not offers:
                return SLOW_LOOK
            with self.crew.expecting():
                claimed = await self._take(agents, room, offers)
        except NotOwnerError:  # our record has expired; the next heartbeat sets it again
            return SLOW_LOOK
        except MusterdError as error:
            self._troubles.met("nothing claimed", "claim", error)
            return SLOW_LOOK
        self._troubles.over("claim")
        self._report(claimed.broken)
        if len(claimed.claims) == room:
            return 0.0
        taken = Counter(claim.kind for claim in claimed.claims)
        is_filled = any(taken[offer.kind] >= offer.room for offer in offers)
        self._cramped = is_filled or len(offers) < len(self._kinds)
        return SLOW_LOOK if claimed.due is None else min(SLOW_LOOK, claimed.due + 0.001)

    async def _take(self, agents: TaskGroup, room: int, offers: Sequence[Offer]) -> Claimed:
        """Claim, and start an actor for each agent."""
        self._claims += 1
        stem, asked = ids.new_token(), boottime()
        leased_until = asked + self._settings.heartbeat_ttl
        with self._strays.unanswered(stem):
            claimed = await self._store.claim(self._claims, stem, room, offers)
            if boottime() >= leased_until:  # it came late: how long the leases last is unknown
                leased_until = boottime() + self._settings.heartbeat_ttl
                await self._store.renew(claim.agent_id for claim in claimed.claims)
        # Once the next claim is on its way: the server makes it while these begin.
        enlisted = [self._enlist(claim, leased_until, asked) for claim in claimed.claims]
        agents.start_soon(self._spawn, agents, enlisted)
        return claimed

    def _offers(self) -> Iterator[Offer]:
        for kind in self._kinds.values():
            most = kind.max_concurrent or self._capacity
            room = most - self.crew.alive(kind.name)
            if room > 0 and not self.pauses.holds(kind.name):
                yield Offer(kind.name, room, kind.max_attempts, kind.timeout)

    def _report(self, broken: list[str]) -> None:
        """Say once what a claim has skipped, until it is no longer met."""
        for key in broken:
            if key not in self._skipped:
                log.warning("skipped by a claim: no pending task, or no queue", key=key)
        self._skipped = set(broken)

    def _enlist(self, claim: Claim, leased_until: float, asked: float = -math.inf) -> Enlisted:
        kind, desk = self._known[claim.kind], self._desks.open(claim)
        actor = Actor(claim, kind, self._store, desk, self._settings, owner=self._owner)
        actor.log = self._log
        actor.claimed_at, actor.leased_until = asked, leased_until
        former = self.crew.add(actor, exclusive=kind.exclusive)
        return actor, former

    async def _spawn(self, agents: TaskGroup, enlisted: Iterable[Enlisted]) -> None:
        for actor, former in enlisted:
            agents.start_soon(self._run, actor, former, name=AGENT_TASK)

    async def _run(self, actor: Actor, former: Actor | None) -> None:
        try:
            if former is not None:
                await self._end(former)
            await actor.run()
            if actor.failed:
                await self._note_failure(actor.claim)
        finally:
            self.unwritten += actor.unwritten
            self.crew.remove(actor)
            if self._cramped:  # else what waits is not for want of room
                self._bell.ring()

    async def _note_failure(self, claim: Claim) -> None:
        """Pause a kind whose agents fail too often, and tell of it."""
        kind = self._known[claim.kind]
        if not self._intensity.exceeded(kind.name, anyio.current_time()):
            return
        self.pauses.pause_for(kind.name, kind.failure_pause)
        log.error(
            "kind paused, its agents fail too often",
            kind=kind.name,
            failures=kind.max_failures,
            within=kind.failure_window,
            seconds=kind.failure_pause,
        )
        try:
            with anyio.move_on_after(TELLING):
                await self._store.tell_paused(claim.agent_id, claim.token, kind.failure_pause)
        except MusterdError as error:  # it is paused all the same
            log.warning("pause not told", kind=kind.name, error=str(error), **about(claim.agent_id))

    async def _end(self, former: Actor) -> None:
        """End an agent of the same id, whose record somebody removed: its work must not overlap."""
        log.warning(
            "an agent of this id still runs, its record is gone", **about(former.claim.agent_id)
        )
        former.stop(Stop.LOST)
        while not former.gone:  # noqa: ASYNC110 - too rare for each actor to carry an event
            await anyio.sleep(RECHECK_EVERY)

    async def _man(self, agents: TaskGroup) -> None:
        """Run the agents that are listed as ours and that no actor runs, or settle them as lost."""
        listed = await self._strays.listed()
        leased_until = boottime() + self._settings.heartbeat_ttl
        for claim in await self._strays.adopt(listed):
            if claim.kind not in self._known:  # its record was changed by hand
                continue
            log.warning("agent adopted, the answer to its claim was lost", **about(claim.agent_id))
            await self._spawn(agents, [self._enlist(claim, leased_until)])
        await self._strays.settle(listed)
        self._missing = False
