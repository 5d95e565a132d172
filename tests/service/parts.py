"""The parts of one daemon inside the test, on a real server: what lies between them can be seen."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import anyio
from redis.asyncio import Redis

from musterd import ids, scripts, valkey
from musterd.committer import Committer
from musterd.crew import Crew
from musterd.desks import Desks
from musterd.errors import NotOwnerError
from musterd.keys import Keys
from musterd.kinds import Kind
from musterd.link import Link
from musterd.membership import Membership
from musterd.moves import Claim, KillOrder, Offer
from musterd.nodes import Nodes
from musterd.notes import Notes
from musterd.reads import Reads
from musterd.records import AgentRecord, TaskRecord
from musterd.runtimes.base import Context
from musterd.runtimes.coroutine import CoroutineRuntime
from musterd.scripts import Caller
from musterd.settings import Settings
from musterd.store import Store
from musterd.submission import Submission
from musterd.supervisor import Supervisor
from musterd.troubles import Troubles

EPOCH = "e" * 32


def make_kind(
    function: Callable[[Context], Awaitable[Any]], name: str = "work", **options: Any
) -> Kind:
    """A kind that awaits a function."""
    return Kind(name=name, runtime=CoroutineRuntime(function), **options)


class Parts:
    """One life of a daemon that has joined; nothing beats or listens unless the test does it.

    Attributes:
        kinds: what is offered, by name.
        owner: `{node}/{epoch}`.
    """

    def __init__(self, settings: Settings, redis: Redis, epoch: str, *kinds: Kind) -> None:
        self.settings = settings
        self.redis: Any = redis  # its stubs answer bytes or None everywhere
        self.keys = Keys(settings.prefix)
        self.kinds = {kind.name: kind for kind in kinds}
        self.owner = f"{settings.node}/{epoch}"
        self.link = Link("the test's server")
        call = partial(scripts.call, redis, Caller.of(settings, epoch=epoch))
        crew = Crew(self.kinds)
        self.committer = Committer(call, self.link, crew.living)
        self.store = Store(self.committer)
        self.nodes = Nodes(self.committer)
        self.notes = Notes(self.committer, settings.output_lines)
        self.desks = Desks(self.notes, settings)
        self.reads = Reads(redis, self.keys)
        self.troubles = Troubles()
        self.supervisor = Supervisor(
            self.store, self.desks, crew, self.kinds, settings, epoch, self.troubles
        )
        self.membership = Membership(
            settings,
            epoch,
            self.nodes,
            self.supervisor.crew.count,
            lambda: self.supervisor.pauses.kinds,
        )

    async def submit(self, kind: str = "work", **options: Any) -> str:
        """Submit a task; its id."""
        submission = Submission(kind=kind, **options)
        await self.store.submit(submission)
        return submission.task_id

    async def claim(self, kind: str = "work") -> Claim:
        """Take the next task, beside the supervisor."""
        self.supervisor._claims += 1
        number, options = self.supervisor._claims, self.kinds[kind]
        offer = Offer(kind, 1, options.max_attempts, options.timeout)
        claimed = await self.store.claim(number, f"token{number}", 1, [offer])
        (claim,) = claimed.claims
        return claim

    async def claim_in_vain(self, kind: str) -> Claim:
        """Take the next task as the supervisor does when the answer never comes."""
        claim = await self.claim(kind)
        with suppress(NotOwnerError), self.supervisor._strays.unanswered(claim.token[:-2]):
            raise NotOwnerError(claim.agent_id)
        return claim

    async def task(self, task_id: str) -> TaskRecord:
        """A task's record."""
        record = await self.reads.get(task_id)
        assert isinstance(record, TaskRecord)
        return record

    async def agent(self, agent_id: str) -> AgentRecord:
        """An agent's record."""
        record = await self.reads.get(agent_id)
        assert isinstance(record, AgentRecord)
        return record

    async def is_status(self, record_id: str, status: str) -> bool:
        """Whether a record is there and has come to a status."""
        is_agent = ids.is_agent_id(record_id)
        key = self.keys.agent(record_id) if is_agent else self.keys.task(record_id)
        return bool(await self.redis.hget(key, "status") == status)


@asynccontextmanager
async def open_parts(settings: Settings, *kinds: Kind, epoch: str = EPOCH) -> AsyncIterator[Parts]:
    """The parts, connected and joined; they leave with the block."""
    async with valkey.connect(settings.server_url, connections=8) as redis:
        parts = Parts(settings, redis, epoch, *kinds)
        async with anyio.create_task_group() as writing:
            writing.start_soon(parts.committer.run)
            writing.start_soon(parts.desks.run)
            await parts.membership.join()
            yield parts
            writing.cancel_scope.cancel()


@asynccontextmanager
async def claiming(parts: Parts) -> AsyncIterator[None]:
    """The supervisor runs during the block; what lives at its end is killed."""
    async with anyio.create_task_group() as group:
        group.start_soon(parts.supervisor.run)
        yield
        await parts.store.kill_tasks(await parts.reads.live_tasks(), "", KillOrder())
        parts.supervisor.drain()
        parts.supervisor.crew.shut_down()
