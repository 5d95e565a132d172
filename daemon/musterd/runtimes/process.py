"""Agents that are commands. Each is the root of a tree of processes, which ends with it, wholly."""

import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import anyio

from musterd import jsons
from musterd.limits import Limit
from musterd.runtimes.base import AgentFailed, Context, ContextRejected, OutOfMemory
from musterd.runtimes.cgroup import Cgroup, Cgroups
from musterd.runtimes.exchange import Exchange, say
from musterd.runtimes.folders import folders_in
from musterd.runtimes.group import Outcome, ProcessGroup
from musterd.runtimes.input import Input
from musterd.runtimes.output import Output
from musterd.runtimes.pipes import Pipes
from musterd.runtimes.program import Program

_OURS: Final = ("VALKEY_", "MUSTERD_")
"""Our settings, passwords among them, are not for agents."""

_SYSTEMD: Final = frozenset(
    {"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "CREDENTIALS_DIRECTORY", "JOURNAL_STREAM"}
)
"""An agent must not speak to systemd in the daemon's place, nor be told where its secrets are."""


@dataclass
class _Ending:
    """How a command has ended.

    Attributes:
        outcome: None before.
        tail: the last lines of its standard error.
    """

    outcome: Outcome | None = None
    tail: str = ""

    @property
    def exit_code(self) -> int | None:
        """As in its outcome."""
        return self.outcome.exit_code if self.outcome else None

    def __str__(self) -> str:
        name = "" if self.outcome is None else _name_ending(self.outcome.exit_code)
        return f"{name}: {self.tail}" if self.tail else name


class _Command(NamedTuple):
    """One that has been started, with all that is between it and us."""

    group: ProcessGroup
    stdin: Input
    stdout: Output
    stderr: Output
    exchange: Exchange

    async def run(self, context: Context, ending: _Ending) -> None:
        """Let it come to its end, which is noted even if this is cancelled."""
        try:
            self.stdout.follow()
            self.stderr.follow()
            async with self.stdin:
                await self.group.wait_leader()
        finally:
            with anyio.CancelScope(shield=True):
                ending.outcome = await self.group.end(context)
                context.cpu_seconds = ending.outcome.cpu_seconds
                await self.stdout.finish()
                await self.stderr.finish()
            ending.tail = str(self.stderr.tail)


class ProcessRuntime:
    """Runs a command without a shell.

    Args:
        command: the program and its arguments.
        scratch: a folder for the files in which agents leave their results; made when missing.
        working_directory: the daemon's unless given.
        environment: set in addition to what the daemon inherited.
        rejected_code: the exit code that means the context is not accepted, if there is one.
        messages: whether standard input stays open for the messages that are sent to the agent.
        cgroups: where each agent gets a control group, if the daemon has one to itself.
        limits: on what each agent takes of the machine, as the kernel reads them.
    """

    def __init__(  # noqa: PLR0913 - an argument an option, each by its name
        self,
        command: Sequence[str],
        scratch: Path,
        *,
        working_directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
        rejected_code: int | None = None,
        messages: bool = False,
        cgroups: Cgroups | None = None,
        limits: Mapping[Limit, str] | None = None,
    ) -> None:
        inherited = _inherited()
        self._program = Program(command, inherited | dict(environment or {}), working_directory)
        self._folders = folders_in(scratch.absolute())
        self._rejected_code = rejected_code
        self._messages = messages
        self._cgroups = cgroups
        self._limits = dict(limits or {})

    async def run(self, context: Context) -> str | None:
        """See `Runtime.run`; on return or raise the whole tree of processes is gone."""
        with contextlib.ExitStack() as ours:
            try:
                command = self._start(context, ours)
            except (OSError, ValueError) as error:
                raise AgentFailed(f"cannot start {self._program.name!r}: {say(error)}") from error
            ending = _Ending()
            try:
                with context.desk.watched(partial(command.exchange.look, context.desk)):
                    await command.run(context, ending)
            except anyio.get_cancelled_exc_class():
                if ending.exit_code != 0:
                    raise
            finally:
                command.exchange.close(context.desk)
            self._check(ending)
            return command.exchange.result()

    def _start(self, context: Context, ours: contextlib.ExitStack) -> _Command:
        """Start it; what we hold of it is given back by `ours`."""
        exchange = Exchange(self._folders, context)
        ours.callback(exchange.remove)
        cgroup = self._make_cgroup(context, ours)
        pipes = ours.enter_context(Pipes())
        messages = context.desk.messages if self._messages else None
        stdin = Input(pipes.stdin, jsons.dumps(context.context), messages)
        stdout = Output(pipes.stdout, "stdout", context.desk.output)
        stderr = Output(pipes.stderr, "stderr", context.desk.output)
        given = _variables(context) | exchange.variables()
        group = ProcessGroup(self._program, pipes.theirs, given, cgroup)
        pipes.hand_over()
        return _Command(group, stdin, stdout, stderr, exchange)

    def _make_cgroup(self, context: Context, ours: contextlib.ExitStack) -> Cgroup | None:
        """One that is removed at the end."""
        if self._cgroups is None:
            return None
        self._program.find()
        cgroup = self._cgroups.create(context.agent_id, self._limits)
        ours.callback(cgroup.remove)
        return cgroup

    def _check(self, ending: _Ending) -> None:
        if ending.exit_code == 0:
            return
        if ending.exit_code == self._rejected_code:
            raise ContextRejected(ending.tail)
        if ending.outcome and ending.outcome.oom_kills:
            raise OutOfMemory(f"out of memory: {ending}")
        raise AgentFailed(str(ending))


def _inherited() -> dict[str, str]:
    # Not read, only handed down: settings are read in settings.py alone.
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OURS) and name not in _SYSTEMD
    }


def _variables(context: Context) -> dict[str, str]:
    return {
        "MUSTERD_TASK_ID": context.task_id,
        "MUSTERD_AGENT_ID": context.agent_id,
        "MUSTERD_ATTEMPT": str(context.attempt),
        "MUSTERD_OWNER": context.owner,
    }


def _name_ending(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return f"killed by {signal.Signals(-exit_code).name}"
    except ValueError:  # real-time signals have no name
        return f"killed by signal {-exit_code}"
