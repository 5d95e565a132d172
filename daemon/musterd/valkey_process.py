"""The server process of a folder: started or taken over, started again when it dies, ended.

Whoever has it holds the daemon's lock on the state folder: nobody else starts or ends it.
"""

import os
import signal
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio.abc import SocketAttribute, SocketStream

from musterd import late_log, launch
from musterd import state_dir as files
from musterd.errors import MusterdError, StateDirError

if TYPE_CHECKING:
    import subprocess

_PATIENCE = 30.0
"""How long a server may be silent while it starts, s. One that says LOADING is not silent."""

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
"""Seconds before a server is started again that has ended soon after the last start."""

_STEADY = 10.0
"""Seconds after which one that ends is started again at once."""

_STOP_TIMEOUT = 10.0
"""Seconds after which a server that was asked to end is killed."""

ANSWER_TIMEOUT = 2.0
"""Seconds that a running server has for an answer."""

_POLL = 0.002


class ValkeyProcess:
    """The server of one folder.

    Args:
        folder: where its data, its socket and its own lock are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._child: subprocess.Popen[bytes] | None = None  # None: another daemon started it
        self._pidfd: int | None = None

    async def obtain(self) -> Path:
        """Take over the server that runs, else start one; returns its socket once it answers.

        Raises:
            StateDirError: it ended, it is silent, or the folder cannot be used.
            SettingError: there is no server for this machine.
        """
        files.make_private(self._folder)
        deadline = anyio.current_time() + _PATIENCE
        while (answer := await self._ping()) != b"+PONG\r\n":
            if answer:
                deadline = anyio.current_time() + _PATIENCE
            if self._child is None:
                self._start_if_free()
            self._check(late=anyio.current_time() > deadline)
            await anyio.sleep(_POLL)
        _say_ready(self._folder, adopted=self._child is None)
        return files.socket_of(self._folder)

    async def _ping(self) -> bytes:
        """What the server answers; nothing if none listens, or it is silent."""
        with (
            anyio.move_on_after(ANSWER_TIMEOUT),
            suppress(OSError, anyio.EndOfStream, anyio.BrokenResourceError),
        ):
            async with await anyio.connect_unix(files.socket_of(self._folder)) as stream:
                return await self._meet(stream)
        return b""

    async def _meet(self, stream: SocketStream) -> bytes:
        pidfd = os.pidfd_open(_peer(stream))
        try:
            await stream.send(b"PING\r\n")
            answer = await stream.receive()
        except BaseException:
            os.close(pidfd)
            raise
        # It answered after the descriptor was opened, so its number had not passed to another.
        self._keep(pidfd)
        return answer

    def _keep(self, pidfd: int) -> None:
        if self._pidfd is not None:
            os.close(self._pidfd)
        self._pidfd = pidfd

    def _check(self, *, late: bool) -> None:
        """Give up on a server that ended, or is silent for too long.

        Raises:
            StateDirError: tells what it logged last, or which process to end.
        """
        if self._child is not None and (code := self._child.poll()) is not None:
            self._child = None
            last = " | ".join(files.read(self._folder / "log").splitlines()[-3:])
            problem = f"its Valkey server ended with code {code}: {last}"
            raise StateDirError(str(self._folder), f"{problem}; mend it or move it away")
        if late:
            pid = files.read(self._folder / "pid").strip() or "unknown"
            problem = f"its Valkey server, process {pid}, has not answered for {_PATIENCE:g} s"
            raise StateDirError(str(self._folder), f"{problem}; end it and start again")

    def _start_if_free(self) -> None:
        with files.os_errors(self._folder):
            lock = files.lock(self._folder / "lock")
            if lock is None:  # a server, or what it forked, still lives
                return
            try:
                self._child = launch.start(self._folder, lock)
            finally:
                os.close(lock)
            self._keep(os.pidfd_open(self._child.pid))

    async def keep(self) -> None:
        """Start the server again whenever it has ended: at once, or later if that does not last."""
        pause = 0.0
        while self._pidfd is not None:
            since = anyio.current_time()
            await anyio.wait_readable(self._pidfd)
            if anyio.current_time() - since > _STEADY:
                pause = 0.0
            pause = await self._start_again(pause)

    async def _start_again(self, pause: float) -> float:
        """Try after `pause` seconds, and so on until it answers; the pause before the next try."""
        how = self._take_note()
        told = False
        while True:
            await anyio.sleep(pause)
            pause = min(max(2 * pause, _FIRST_PAUSE), _LONGEST_PAUSE)
            try:
                await self.obtain()
            except MusterdError as error:
                if not told:
                    _say_not_started(self._folder, error)
                told = True
            else:
                _say_started_again(self._folder, how)
                return pause

    def _take_note(self) -> dict[str, object]:
        """How the server has ended, as fields; of one that another daemon started nobody knows."""
        child, self._child = self._child, None
        code = None if child is None else child.poll()
        if code is None or code >= 0:
            return {"code": code}
        names = {int(known): known.name for known in signal.Signals}
        return {"signal": names.get(-code, str(-code))}  # real-time signals have no names

    async def release(self) -> None:
        """End the server, all data written; by force if it does not end in time."""
        if self._pidfd is None:
            return
        try:
            if not await _end(self._pidfd, signal.SIGTERM):
                _say_killed(self._folder)
                await _end(self._pidfd, signal.SIGKILL)
        finally:
            os.close(self._pidfd)
            self._pidfd = None
            if self._child is not None:
                self._child.poll()
            files.remove_socket(self._folder)


async def _end(pidfd: int, signum: signal.Signals) -> bool:
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signum)
    with anyio.move_on_after(_STOP_TIMEOUT):
        await anyio.wait_readable(pidfd)
        return True
    return False


def _peer(stream: SocketStream) -> int:
    """The process that listens at the other end, as the kernel knows it."""
    raw = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - anyio's, not Django's
    credentials = raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid: int = struct.unpack("3i", credentials)[0]
    return pid


def _say_ready(folder: Path, *, adopted: bool) -> None:
    late_log.logger().info("private valkey ready", folder=str(folder), adopted=adopted)


def _say_started_again(folder: Path, how: dict[str, object]) -> None:
    late_log.logger().warning("private valkey ended, started again", folder=str(folder), **how)


def _say_not_started(folder: Path, error: MusterdError) -> None:
    late_log.logger().error(
        "private valkey cannot be started", folder=str(folder), error=str(error)
    )


def _say_killed(folder: Path) -> None:
    late_log.logger().warning(
        "private valkey did not end, killed", folder=str(folder), after=_STOP_TIMEOUT
    )
