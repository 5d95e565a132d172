"""Carries commands out: what each one does to this daemon and to the state."""

from collections.abc import Awaitable, Callable

from musterd.commands import Command, Drain, Kill, Pause, Ping, Resume, Spawn, Status
from musterd.jsons import Json
from musterd.membership import Membership
from musterd.moves import KillOrder, KillTarget
from musterd.reads import Reads
from musterd.store import Store
from musterd.supervisor import Supervisor

Result = dict[str, Json]


class Orders:
    """One daemon's answers to commands.

    Args:
        store: where tasks are submitted and kills recorded.
        reads: where live tasks are looked up.
        supervisor: who runs the agents.
        membership: told of a changed state.
        drain: begins the end of the daemon.
    """

    def __init__(
        self,
        store: Store,
        reads: Reads,
        supervisor: Supervisor,
        membership: Membership,
        drain: Callable[[], None],
    ) -> None:
        self._store = store
        self._reads = reads
        self._supervisor = supervisor
        self._membership = membership
        self._drain = drain
        self._methods: dict[type, Callable[..., Awaitable[Result]]] = {
            Spawn: self._spawn,
            Kill: self._kill,
            Pause: self._pause,
            Resume: self._resume,
            Drain: self._begin_drain,
            Ping: self._ping,
            Status: self._status,
        }

    async def carry_out(self, command: Command) -> Result:
        """Do what a command says; the `result` of its reply.

        Raises:
            MusterdError: what refused it; its `code` is that of the reply.
        """
        return await self._methods[type(command)](command)

    async def _spawn(self, command: Spawn) -> Result:
        created = await self._store.submit(command.submission())
        return {"taskId": command.task_id, "created": created}

    async def _kill(self, command: Kill) -> Result:
        by = "" if command.id is None else str(command.id)
        order = KillOrder(command.reason or "", by, command.grace)
        if command.agent_id is None and command.task_id is None:
            live = await self._reads.live_tasks()
            stopped = await self._store.kill_tasks(live, command.kind or "", order)
            return {"stopped": stopped}
        what = "task" if command.agent_id is None else "agent"
        target = KillTarget(what, command.agent_id or command.task_id or "")
        outcome = await self._store.kill(target, order)
        if outcome.outcome == "requested" and outcome.node == self._membership.node:
            self._supervisor.kill(outcome.record_id, command.grace)
        return {"outcome": outcome.outcome, "id": outcome.record_id}

    async def _pause(self, _: Pause) -> Result:
        self._supervisor.pause()
        return await self._announce()

    async def _resume(self, _: Resume) -> Result:
        self._supervisor.resume()
        return await self._announce()

    async def _begin_drain(self, _: Drain) -> Result:
        self._drain()
        return await self._announce()

    async def _announce(self) -> Result:
        await self._membership.announce(self._supervisor.state)
        return {"state": self._supervisor.state}

    async def _ping(self, _: Ping) -> Result:
        return {"state": self._supervisor.state}

    async def _status(self, _: Status) -> Result:
        return {**self._membership.describe(), "kinds": self._supervisor.census()}
