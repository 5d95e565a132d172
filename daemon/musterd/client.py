"""What other programs use: submit, kill, look, follow, wait. It needs no daemon to be alive."""

import contextlib
import secrets
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from musterd import ids, remote
from musterd.direct import Direct
from musterd.errors import MusterdError, NotFoundError
from musterd.jsons import Json
from musterd.moves import KillOrder, KillOutcome, KillTarget
from musterd.notes import Notes
from musterd.observer import Observer
from musterd.scripts import Caller
from musterd.settings import Settings
from musterd.store import Store
from musterd.submission import Submission

if TYPE_CHECKING:
    from musterd.published import PublishedSchemas


class Client(Observer):
    """The state of one server and prefix, as an async context manager.

    Each method raises UnreachableError where Valkey does not answer, and RefusedError where it
    answers, but not to us.

    Args:
        settings: where, and under which prefix; read from the environment unless given.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(settings)
        self.name = f"client-{secrets.token_hex(6)}"
        steps = Direct(self._redis, Caller.of(self.settings), self.server)
        self._notes = Notes(steps)
        self._store = Store(
            steps,
            max_context=self.settings.max_context,
            max_metadata=self.settings.max_metadata,
        )

    @cached_property
    def _schemas(self) -> "PublishedSchemas":
        from musterd.published import PublishedSchemas  # noqa: PLC0415 - only who submits needs it

        return PublishedSchemas(self._reads)

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
