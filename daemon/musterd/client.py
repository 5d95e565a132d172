"""What other programs use: submit, kill, look, follow, wait. It needs no daemon to be alive."""

import contextlib
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import anyio

from musterd import eventlog, ids, remote, valkey
from musterd.direct import Direct
from musterd.errors import MalformedError, MusterdError, NotFoundError
from musterd.jsons import Json
from musterd.keys import Keys
from musterd.moves import KillOrder, KillOutcome, KillTarget
from musterd.notes import Notes
from musterd.published import PublishedSchemas
from musterd.reads import FROM_FIRST, Reads
from musterd.records import AgentRecord, Event, Line, NodeRecord, TaskRecord
from musterd.scripts import Caller
from musterd.search import Search
from musterd.settings import Settings, load
from musterd.states import AGENT_ENDED, TASK_ENDED, AgentState, TaskState
from musterd.store import Store
from musterd.submission import Submission

CONNECTIONS: Final = 16
"""Calls of one client under way at once; further ones wait."""

FIRST_LOOK: Final = 0.005
LONGEST_LOOK: Final = 0.25
"""Seconds between two looks at a record that is waited for."""

Value = TypeVar("Value")


class Client:
    """The state of one server and prefix, as an async context manager.

    Each method raises UnreachableError where Valkey does not answer, and RefusedError where it
    answers, but not to us.

    Args:
        settings: where, and under which prefix; read from the environment unless given.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or load()
        self.keys = Keys(self.settings.prefix)
        self.name = f"client-{secrets.token_hex(6)}"
        url, self.server = valkey.locate(self.settings)
        self._redis = valkey.connect(url, connections=CONNECTIONS)
        self._reads = Reads(self._redis, self.keys)
        self._search = Search(self._redis, self.keys)
        self._schemas = PublishedSchemas(self._reads)
        steps = Direct(self._redis, Caller.of(self.settings), self.server)
        self._notes = Notes(steps)
        self._store = Store(
            steps,
            max_context=self.settings.max_context,
            max_metadata=self.settings.max_metadata,
        )

    async def __aenter__(self) -> Self:
        """Nothing is connected before it is needed."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def submit(
        self, kind: str, context: Json = None, *, task_id: str | None = None, **options: Any
    ) -> str:
        """Submit a task; its id. The same id, kind and context again is the same task.

        Args:
            kind: what shall run.
            context: a JSON value, handed to the agent.
            task_id: a new one unless given.
            **options: `priority`, `delay`, `timeout`, `max_attempts`, `metadata`; see `Submission`.

        Raises:
            MalformedError: a value is not acceptable; nothing was written.
            ExistsError: a task of this id has another kind or context.
            UnknownKindError: daemons have offered kinds, and this is not among them.
            RejectedContextError: the kind does not accept this context; nothing was written.
        """
        task_id = ids.new_task_id() if task_id is None else task_id
        submission = Submission(kind=kind, task_id=task_id, context=context, **options)
        (refusal,) = await self._schemas.check([submission])
        if refusal is not None:
            raise refusal
        await self._store.submit(submission)
        return submission.task_id

    async def submit_many(self, submissions: Sequence[Submission]) -> list[bool | MusterdError]:
        """Submit many tasks in few calls; for each whether it was made now, or why it was not."""
        refusals = await self._schemas.check(submissions)
        pairs = zip(submissions, refusals, strict=True)
        accepted = [submission for submission, refusal in pairs if refusal is None]
        answers = iter(await self._store.submit_all(accepted))
        return [next(answers) if refusal is None else refusal for refusal in refusals]

    async def get(self, record_id: str) -> TaskRecord | AgentRecord:
        """A task's record or an agent's, as the id says.

        Raises:
            NotFoundError: there is none.
        """
        with self._explained():
            return await self._reads.get(record_id)

    async def tasks(
        self, status: str, limit: int = 1000, *, kind: str = "", node: str = ""
    ) -> list[TaskRecord]:
        """The tasks of one status, the last changed first.

        Args:
            status: of those that are wanted.
            limit: how many at most.
            kind: only those of this kind.
            node: only those whose last attempt was given to this daemon.

        Raises:
            MalformedError: no task has such a status.
        """
        _check_status(status, TaskState)
        with self._explained():
            return await self._search.tasks(status, limit, kind=kind, node=node)

    async def agents(
        self, status: str, limit: int = 1000, *, kind: str = "", node: str = ""
    ) -> list[AgentRecord]:
        """The agents of one status, the last changed first; see `tasks`."""
        _check_status(status, AgentState)
        with self._explained():
            return await self._search.agents(status, limit, kind=kind, node=node)

    async def nodes(self) -> list[NodeRecord]:
        """The daemons that are alive."""
        with self._explained():
            return await self._reads.nodes()

    async def read(self, look: Callable[[Reads], Awaitable[Value]]) -> Value:
        """What `look` reads: for what goes beyond the methods here."""
        with self._explained():
            return await look(self._reads)

    async def search(self, look: Callable[[Search], Awaitable[Value]]) -> Value:
        """What `look` finds: for what goes beyond the methods here."""
        with self._explained():
            return await look(self._search)

    async def kill(
        self, record_id: str, *, reason: str = "", grace: float | None = None, wait: bool = False
    ) -> KillOutcome:
        """Stop an agent, or a task whatever it is doing, and do not retry it.

        Args:
            record_id: a task's id or an agent's.
            reason: kept on the record, as its `error`.
            grace: seconds between asking the agent and forcing it; the daemon's unless given.
            wait: return when it is dead.

        Raises:
            NotFoundError: there is no such record.
            AlreadyTerminalError: it had ended before.
        """
        what = "agent" if ids.is_agent_id(record_id) else "task"
        order = KillOrder(reason=reason, by=self.name, grace=grace)
        outcome = await self._store.kill(KillTarget(what, record_id), order)
        if wait:
            with contextlib.suppress(NotFoundError):  # it is dead, and its record is gone already
                await self.wait_for(record_id)
        return outcome

    async def send(self, agent_id: str, message: Json) -> None:
        """Leave a message for a live agent; it is kept until the agent takes it or ends.

        Raises:
            MalformedError: the message is no JSON value, or larger than 64 KiB; or the id is not
                an agent's, but a task's say.
            NotFoundError: there is no such agent.
            AlreadyTerminalError: it has ended.
            DeafError: its kind takes no messages.
            MailboxFullError: as many as its kind allows wait for it.
        """
        ids.check_agent_id(agent_id)
        await self._notes.send(agent_id, secrets.token_hex(8), message)

    async def output(self, agent_id: str, after: str = FROM_FIRST) -> list[Line]:
        """The lines kept of an agent's output, the oldest first, after the place of one of them."""
        with self._explained():
            return await self._reads.output(agent_id, after)

    async def kill_all(
        self, kind: str = "", *, reason: str = "", grace: float | None = None
    ) -> list[KillOutcome]:
        """Stop every task that is there now, or each one of a kind, and do not retry it.

        Returns:
            An outcome for each that was met: `requested` with the id of its agent, which
            `wait_for` takes, or `failed` with its own, as it waited and is dead.
        """
        with self._explained():
            live = await self._reads.live_tasks()
        order = KillOrder(reason=reason, by=self.name, grace=grace)
        return await self._store.kill_tasks(live, kind, order)

    async def events(
        self, place: str | None = None, *, follow: bool = True
    ) -> AsyncGenerator[Event]:
        """The events after a place, oldest first; only new ones unless a place is given.

        Args:
            place: `Event.place` of the last one seen, or `eventlog.START` for all that are kept.
            follow: go on with those to come; otherwise end with the last one there is.

        Raises:
            EventsTrimmedError: what came after `place` is gone; it says what is left.
        """
        with self._explained():
            if place is None:
                place = await eventlog.last_place(self._redis, self.keys)
            async for event in eventlog.read(self._redis, self.keys, place, follow=follow):
                yield event

    async def latest_events(self, count: int, after: str = eventlog.START) -> list[Event]:
        """The newest events, at most so many and none up to the place `after`; oldest first."""
        with self._explained():
            return await eventlog.latest(self._redis, self.keys, count, after)

    async def events_at(self, times: Iterable[datetime]) -> list[Event]:
        """What was told in the milliseconds of these times: a record's times find its events."""
        with self._explained():
            return await eventlog.at(self._redis, self.keys, times)

    async def hear(self, limit: float) -> bool:
        """Whether something is told from now on within `limit` seconds; returns once it is."""
        with self._explained():
            return await eventlog.hear(self._redis, self.keys, limit)

    async def wait_for(
        self, record_id: str, limit: float | None = None
    ) -> TaskRecord | AgentRecord:
        """The record once it has ended for good.

        Raises:
            NotFoundError: there is no such record.
            TimeoutError: it had not ended after `limit` seconds.
        """
        pause = FIRST_LOOK
        with anyio.fail_after(limit):
            while True:
                record = await self.get(record_id)
                ended = AGENT_ENDED if isinstance(record, AgentRecord) else TASK_ENDED
                if record.status in ended:
                    return record
                await anyio.sleep(pause)
                pause = min(pause * 1.5, LONGEST_LOOK)

    async def command(
        self,
        name: str,
        *,
        node: str | None = None,
        kind: str | None = None,
        limit: float = remote.LIMIT,
    ) -> list[dict[str, Any]]:
        """Publish `pause`, `resume`, `drain`, `ping` or `status`; the replies of the live daemons.

        Args:
            name: the command.
            node: only this daemon acts and replies; all of them unless given.
            kind: with `pause` and `resume`: only this kind.
            limit: seconds to wait for replies that are missing.
        """
        with self._explained():
            nodes = [node] if node else [record.node for record in await self._reads.nodes()]
            fields = {"command": name, "node": node, "kind": kind}
            return await remote.command(self._redis, self.keys, fields, nodes, limit=limit)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except valkey.FAULTS as error:
            raise valkey.explain(error, self.server) from error


def _check_status(status: str, states: Iterable[str]) -> None:
    if status not in (known := list(states)):
        raise MalformedError(f"status {ids.show(status)} is not accepted: {', '.join(known)}")
