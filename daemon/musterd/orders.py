"""Carries commands out: what each one does to this daemon and to the state.

Each one in good time: a server that takes no writes at the moment must not make this daemon deaf.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import anyio

from musterd.commands import Command, Drain, Kill, Message, Pause, Ping, Resume, Spawn, Status
from musterd.errors import AlreadyTerminalError, MusterdError
from musterd.jsons import Json
from musterd.membership import Membership
from musterd.moves import KillOrder, KillTarget
from musterd.notes import Notes
from musterd.published import PublishedSchemas
from musterd.reads import Reads
from musterd.states import AGENT_ENDED
from musterd.store import Store
from musterd.submission import Submission
from musterd.supervisor import Supervisor
from musterd.valkey import ANSWER_TIMEOUT, FAULTS

Result = dict[str, Json]

HELD: Final = 192
"""Spawns and messages carried out at once. Control hears more commands: a ping, a kill, a drain."""

SOON: Final = 0.25
"""Seconds in which a server that takes writes has taken some of so many."""


class UnservedError(MusterdError):
    """Valkey failed while a command was carried out, or has not answered yet."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"Valkey did not serve this command: {problem}; it may have been carried out all the "
            "same, or still be: look before you give it again"
        )


class BusyError(MusterdError):
    """As many spawns and messages as are allowed wait for Valkey, and it takes none."""

    def __init__(self) -> None:
        super().__init__(
            f"{HELD} spawns and messages wait for Valkey to take them, so this one was not handed "
            "to it: give it again later"
        )


class Orders:
    """One daemon's answers to commands.

    Args:
        store: where tasks are submitted and kills recorded.
        notes: where messages are left.
        reads: where live tasks, and the schemas of kinds, are looked up.
        supervisor: who runs the agents.
        membership: told of a changed state.
        drain: begins the end of the daemon.
    """

    def __init__(
        self,
        store: Store,
        notes: Notes,
        reads: Reads,
        supervisor: Supervisor,
        membership: Membership,
        drain: Callable[[], None],
    ) -> None:
        self._store = store
        self._notes = notes
        self._reads = reads
        self._supervisor = supervisor
        self._membership = membership
        self._drain = drain
        self._schemas = PublishedSchemas(reads)
        self._holding = anyio.create_task_group()
        self._places = anyio.Semaphore(HELD)
        self._stuck = False
        self._methods: dict[type, Callable[..., Awaitable[Result | None]]] = {
            Spawn: self._spawn,
            Kill: self._kill,
            Message: self._send,
            Pause: self._pause,
            Resume: self._resume,
            Drain: self._begin_drain,
            Ping: self._ping,
            Status: self._status,
        }

    @asynccontextmanager
    async def holding(self) -> AsyncIterator[None]:
        """Spawns and messages are taken in the block; those under way at its end were answered."""
        async with self._holding:
            yield
            self._holding.cancel_scope.cancel()

    async def carry_out(self, command: Command) -> Result | None:
        """Do what a command says; the `result` of its reply, None if another daemon replies.

        Raises:
            UnservedError: the server failed, or has not answered in time.
            MusterdError: what refused it; its `code` is that of the reply.
        """
        try:
            with anyio.move_on_after(ANSWER_TIMEOUT):
                return await self._methods[type(command)](command)
        except FAULTS as error:
            raise UnservedError(str(error)) from error
        raise UnservedError(f"no answer within {ANSWER_TIMEOUT:g} s")

    async def _spawn(self, command: Spawn) -> Result:
        created = await self._hold(partial(self._submit, command.submission()))
        return {"taskId": command.task_id, "created": created}

    async def _submit(self, submission: Submission) -> bool:
        (error,) = await self._schemas.check([submission])
        if error is not None:
            raise error
        return await self._store.submit(submission)

    async def _hold(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Make a call in a task that outlives our patience, and keeps its place till it is done.

        The step stays with the committer, context and all, until the server takes it: without its
        place there would be no end to what gathers there.
        """
        await self._take_place()
        held = _Held(call)
        self._holding.start_soon(self._make, held)
        await held.ended.wait()
        if held.error is not None:
            raise held.error
        return held.answer

    async def _take_place(self) -> None:
        """In a burst a place is soon free. Once none was, nobody waits until one is."""
        if self._stuck and self._places.value == 0:
            raise BusyError
        with anyio.move_on_after(SOON):
            await self._places.acquire()
            self._stuck = False
            return
        self._stuck = True
        raise BusyError

    async def _make(self, held: "_Held") -> None:
        try:
            held.answer = await held.call()
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            held.error = error
        finally:
            self._places.release()
            held.ended.set()

    async def _kill(self, command: Kill) -> Result:
        by = "" if command.id is None else str(command.id)
        order = KillOrder(command.reason or "", by, command.grace)
        if command.agent_id is None and command.task_id is None:
            live = await self._reads.live_tasks()
            stopped = await self._store.kill_tasks(live, command.kind or "", order)
            return {"stopped": len(stopped)}
        what = "task" if command.agent_id is None else "agent"
        target = KillTarget(what, command.agent_id or command.task_id or "")
        outcome = await self._store.kill(target, order)
        if outcome.outcome == "requested" and outcome.node == self._membership.node:
            self._supervisor.crew.kill(outcome.record_id, command.grace, order.reason)
        return {"outcome": outcome.outcome, "id": outcome.record_id}

    async def _send(self, command: Message) -> Result | None:
        """Only the agent's own daemon sends and answers: a message must not arrive twice."""
        agent_id = command.agent_id
        if agent_id in self._supervisor.crew.actors:
            message_id = secrets.token_hex(8)
            await self._hold(partial(self._notes.send, agent_id, message_id, command.message))
            return {"agentId": agent_id}
        record = await self._reads.get(agent_id)
        if record.status in AGENT_ENDED:
            raise AlreadyTerminalError(agent_id, record.status)
        return None

    async def _pause(self, command: Pause) -> Result:
        self._supervisor.pauses.pause(command.kind)
        return await self._announce()

    async def _resume(self, command: Resume) -> Result:
        self._supervisor.pauses.resume(command.kind)
        return await self._announce()

    async def _begin_drain(self, _: Drain) -> Result:
        self._drain()
        return await self._announce()

    async def _announce(self) -> Result:
        await self._membership.announce(self._supervisor.state)
        paused: list[Json] = [*self._supervisor.pauses.kinds]
        return {"state": self._supervisor.state} | ({"pausedKinds": paused} if paused else {})

    async def _ping(self, _: Ping) -> Result:
        return {"state": self._supervisor.state}

    async def _status(self, _: Status) -> Result:
        return {**self._membership.describe(), "kinds": self._supervisor.crew.census()}


class _Held:
    """A call under way, and what became of it."""

    def __init__(self, call: Callable[[], Awaitable[Any]]) -> None:
        self.call = call
        self.ended = anyio.Event()
        self.answer: Any = None
        self.error: Exception | None = None
