"""Agents that are commands. Each runs in a session of its own, which ends with it, wholly."""

import contextlib
import errno
import os
import shutil
import signal
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Final

import anyio

from musterd import jsons
from musterd.runtimes.base import AgentFailed, Context, ContextRejected, encode_result
from musterd.runtimes.group import ProcessGroup
from musterd.runtimes.input import Input
from musterd.runtimes.output import Output

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
        exit_code: None before; the negative number of the signal that ended it.
        tail: the last lines of its standard error.
    """

    exit_code: int | None = None
    tail: str = ""

    def __str__(self) -> str:
        name = "" if self.exit_code is None else _name_ending(self.exit_code)
        return f"{name}: {self.tail}" if self.tail else name


class ProcessRuntime:
    """Runs a command without a shell.

    Args:
        command: the program and its arguments.
        scratch: a folder for the files in which agents leave their results; made when missing.
        working_directory: the daemon's unless given.
        environment: set in addition to what the daemon inherited.
        rejected_code: the exit code that means the context is not accepted, if there is one.
    """

    def __init__(
        self,
        command: Sequence[str],
        scratch: Path,
        *,
        working_directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
        rejected_code: int | None = None,
    ) -> None:
        self._command = tuple(command)
        self._scratch = scratch.absolute()
        self._working_directory = working_directory
        self._environment = _inherited() | dict(environment or {})
        self._rejected_code = rejected_code

    async def run(self, context: Context) -> str | None:
        """See `Runtime.run`; on return or raise the whole session is gone."""
        result = self._scratch / f"{context.agent_id}.json"
        ending = _Ending()
        try:
            await self._run_command(context, result, ending)
            self._check(ending)
            return _read_result(result)
        except anyio.get_cancelled_exc_class():
            if ending.exit_code != 0:
                raise
            return _read_result(result)
        finally:
            _remove(result)

    def _check(self, ending: "_Ending") -> None:
        if ending.exit_code == 0:
            return
        if ending.exit_code == self._rejected_code:
            raise ContextRejected(ending.tail)
        raise AgentFailed(str(ending))

    async def _run_command(self, context: Context, result: Path, ending: "_Ending") -> None:
        """Run it to its end, which is noted even if this is cancelled."""
        with self._start(context, result) as (group, stdin, stdout, stderr):
            async with anyio.create_task_group() as streams:
                streams.start_soon(stdout.follow)
                streams.start_soon(stderr.follow)
                if not stdin.offer():
                    streams.start_soon(stdin.follow)
                try:
                    await group.wait_leader()
                finally:
                    with anyio.CancelScope(shield=True):
                        ending.exit_code = await group.end(context)
                    stdout.stop()
                    stderr.stop()
                    streams.cancel_scope.cancel()  # nobody is left to read the input
        ending.tail = str(stderr.tail)

    @contextlib.contextmanager
    def _start(
        self, context: Context, result: Path
    ) -> Iterator[tuple[ProcessGroup, Input, Output, Output]]:
        """Start it, and close our ends of its pipes at the end."""
        with contextlib.ExitStack() as ours:
            try:
                self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
                _remove(result)  # an earlier one of the same name is not this agent's
                with contextlib.ExitStack() as theirs:
                    stdin, context_pipe = _pipe(theirs, ours)
                    stdout_pipe, stdout = _pipe(ours, theirs)
                    stderr_pipe, stderr = _pipe(ours, theirs)
                    group = ProcessGroup(
                        self._command,
                        working_directory=self._working_directory,
                        environment=self._environment | _variables(context, result),
                        streams=(stdin, stdout, stderr),
                    )
            except (OSError, ValueError) as error:
                raise AgentFailed(f"cannot start {self._command[0]!r}: {_say(error)}") from error
            data = jsons.dumps(context.context).encode()
            yield (
                group,
                Input(context_pipe, data),
                Output(stdout_pipe, "stdout"),
                Output(stderr_pipe, "stderr"),
            )


def _pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[FileIO, FileIO]:
    read_end, write_end = os.pipe()
    return (
        reader.enter_context(FileIO(read_end, "rb")),
        writer.enter_context(FileIO(write_end, "wb")),
    )


def _inherited() -> dict[str, str]:
    # Not read, only handed down: settings are read in settings.py alone.
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OURS) and name not in _SYSTEMD
    }


def _variables(context: Context, result: Path) -> dict[str, str]:
    return {
        "MUSTERD_TASK_ID": context.task_id,
        "MUSTERD_AGENT_ID": context.agent_id,
        "MUSTERD_ATTEMPT": str(context.attempt),
        "MUSTERD_OWNER": context.owner,
        "MUSTERD_RESULT": str(result),
    }


def _remove(path: Path) -> None:
    """Let nothing be left of that name, whatever an agent has made of it."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _read_result(path: Path) -> str | None:
    try:
        data = _read_file(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AgentFailed(f"MUSTERD_RESULT: {_say(error)}") from error
    if len(data) > jsons.MAX_BYTES:
        raise AgentFailed(f"MUSTERD_RESULT: over {jsons.MAX_BYTES} bytes")
    try:
        value = jsons.loads(data) if data.strip() else None
    except jsons.JsonError as error:
        raise AgentFailed(f"MUSTERD_RESULT: {error}") from error
    # An event is one line, so JSON on many lines is written anew.
    return data.decode() if value is not None and b"\n" not in data else encode_result(value)


def _read_file(path: Path) -> bytes:
    """At most one byte more than a result may have."""
    # Opening a pipe must not wait for a writer, who may never come.
    with FileIO(path, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", path)
        with BufferedReader(file) as whole:
            return whole.read(jsons.MAX_BYTES + 1)


def _say(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.strerror}: {os.fspath(error.filename)!r}"
    return str(error)


def _name_ending(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exit code {exit_code}"
    try:
        return f"killed by {signal.Signals(-exit_code).name}"
    except ValueError:  # real-time signals have no name
        return f"killed by signal {-exit_code}"
