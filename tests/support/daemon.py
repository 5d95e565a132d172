"""A real daemon in a child process: started, signalled, read, and always ended."""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from musterd import procfs
from tests.support.leash import leashed
from tests.support.wait import wait_until

_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR")
_LOG_TAIL = 4000


class Daemon:
    """One `python -m musterd run` with an environment and a folder of its own.

    Args:
        url: the server it uses.
        prefix: its keys' prefix.
        node: its name; a fresh one unless told. A second daemon may be given the same.
        env: further environment, for example `{"MUSTERD_CAPACITY": "5"}`.
    """

    def __init__(
        self, url: str, prefix: str, *, node: str = "", env: Mapping[str, str] | None = None
    ) -> None:
        self.url = url
        self.prefix = prefix
        self.node = node or f"n{secrets.token_hex(3)}"
        self.process: subprocess.Popen[bytes] | None = None
        self._extra = dict(env or {})
        self._folder = tempfile.TemporaryDirectory(prefix="musterd-")
        self._log = self.directory / "daemon.log"
        self._started_at = 0

    @property
    def directory(self) -> Path:
        """Its working folder; `daemon.log` and its state are in it."""
        return Path(self._folder.name)

    @property
    def pid(self) -> int:
        """The process id of the daemon itself."""
        return self._started().pid

    def start(self) -> None:
        """Start it, or start it again after it ended; the log goes on in the same file."""
        assert self.process is None or self.process.poll() is not None, "the daemon is running"
        with self._log.open("ab") as log:
            self._started_at = log.tell()
            self.process = subprocess.Popen(
                leashed([sys.executable, "-m", "musterd", "run"]),
                cwd=self.directory,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def wait_ready(self, limit: float = 10) -> None:
        """Return when this start's `ready` is in the log.

        Raises:
            AssertionError: it ended or is too slow; the message holds the end of its log.
        """

        def is_ready() -> bool:
            assert self._started().poll() is None, f"the daemon ended:\n{self.log_text()}"
            return any(line.get("event") == "ready" for line in self._lines(self._started_at))

        try:
            await wait_until(is_ready, limit, "the daemon is ready")
        except AssertionError as error:
            error.add_note(self.log_text()[-_LOG_TAIL:])
            raise

    async def wait_exit(self, limit: float = 10) -> int:
        """The exit code, negative for a signal, once it has ended."""
        process = self._started()
        await wait_until(lambda: process.poll() is not None, limit, "the daemon ends")
        return int(process.returncode)

    def sigterm(self) -> None:
        """Ask for a drain."""
        self._started().send_signal(signal.SIGTERM)

    def sigint(self) -> None:
        """Ask for a drain, as Ctrl-C does."""
        self._started().send_signal(signal.SIGINT)

    def kill9(self) -> None:
        """End the daemon alone, as a crash would; its agents' processes go on."""
        process = self._started()
        process.kill()
        process.wait()

    def stop(self) -> None:
        """Freeze it, as an overloaded machine would."""
        self._started().send_signal(signal.SIGSTOP)

    def cont(self) -> None:
        """Let it go on after `stop`."""
        self._started().send_signal(signal.SIGCONT)

    def log(self) -> list[dict[str, Any]]:
        """The log's JSON lines; what is not JSON (a traceback, say) is in `log_text` alone."""
        return self._lines()

    def log_text(self) -> str:
        """The whole log as it was written."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def own_log_text(self) -> str:
        """The log without what agents wrote: a traceback in it is of a fault of the daemon."""
        lines = self.log_text().splitlines()
        return "\n".join(line for line in lines if '"event":"output"' not in line)

    def close(self) -> None:
        """End it and all processes of its agents, and delete its folder."""
        if self.process is not None and self.process.poll() is None:
            self.kill9()
        for pid in _agent_processes(self._owners()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._folder.cleanup()

    def _owners(self) -> set[bytes]:
        """What the agents of all its lives were given as MUSTERD_OWNER."""
        ready = [line for line in self.log() if line.get("event") == "ready"]
        return {f"MUSTERD_OWNER={line['node']}/{line['epoch']}".encode() for line in ready}

    def _lines(self, start: int = 0) -> list[dict[str, Any]]:
        """The JSON lines from this byte of the log on."""
        lines = []
        written = b""
        if self._log.exists():
            with self._log.open("rb") as log:
                log.seek(start)
                written = log.read()
        for text in written.splitlines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(text))
        return [line for line in lines if isinstance(line, dict)]

    def _started(self) -> subprocess.Popen[bytes]:
        assert self.process is not None, "the daemon was never started"
        return self.process

    def _environment(self) -> dict[str, str]:
        passed_on = {
            name: value
            for name, value in os.environ.items()
            if name in _PASSED_ON or name.startswith("COVERAGE_")
        }
        ours = {
            "PYTHONPATH": os.pathsep.join(str(Path(path).resolve()) for path in sys.path),
            "VALKEY_URL": self.url,
            "MUSTERD_PREFIX": self.prefix,
            "MUSTERD_NODE": self.node,
            "MUSTERD_STATE_DIR": str(self.directory / "state"),
            "MUSTERD_LOG_FORMAT": "json",
        }
        return passed_on | ours | self._extra


def _agent_processes(owners: set[bytes]) -> list[int]:
    """Processes that were started for one of these owners."""
    return [pid for pid in procfs.pids() if not owners.isdisjoint(procfs.environment(pid))]
