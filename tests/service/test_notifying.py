"""What a daemon tells its service manager, from the start to the end, and how it reads again."""

import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.daemon import Daemon
from tests.support.server import Server
from tests.support.wait import wait_until

OLD = '[agents.hold]\ncommand = ["sleep", "600"]\nmax_attempts = 2\n'
NEW = '[agents.quick]\ncommand = ["true"]\n'


class Manager:
    """Listens as systemd does, all the time."""

    def __init__(self, path: Path) -> None:
        self._states: list[str] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def heard(self) -> list[str]:
        """All that was told so far."""
        return list(self._states)

    def close(self) -> None:
        """Listen no more."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.sendto(b"", self.socket.getsockname())
        self._thread.join()
        self.socket.close()

    def _listen(self) -> None:
        while data := self.socket.recv(4096):
            self._states += data.decode().split("\n")

    def has(self, state: str) -> Callable[[], bool]:
        """Whether a state was told."""
        return lambda: state in self.heard()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """One in the test's folder."""
    listening = Manager(tmp_path / "notify")
    yield listening
    listening.close()


@pytest.fixture
async def daemon(
    server: Server, prefix: str, tmp_path: Path, manager: Manager
) -> AsyncIterator[Daemon]:
    """A daemon that a manager has started, with its settings in a file."""
    (tmp_path / "agents.toml").write_text(OLD)
    (tmp_path / "settings").write_text("MUSTERD_CAPACITY=5\n")
    env = {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "400000",
        "MUSTERD_ENV_FILE": str(tmp_path / "settings"),
        "MUSTERD_AGENTS": str(tmp_path / "agents.toml"),
        "MUSTERD_HEARTBEAT_TTL": "1",
        "MUSTERD_DRAIN_TIMEOUT": "1",
        "MUSTERD_KILL_GRACE": "1",
    }
    with closing(Daemon(server.url, prefix, env=env)) as daemon:
        daemon.start()
        await daemon.wait_ready()
        yield daemon
    assert manager.heard()


def reload(daemon: Daemon) -> None:
    """SIGHUP."""
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGHUP)


async def submit(server: Server, prefix: str, kind: str, task_id: str) -> None:
    """By the channel, which a daemon answers with a record."""
    with server.client() as client:
        client.publish(
            f"{prefix}:submit", f'{{"command": "spawn", "kind": "{kind}", "taskId": "{task_id}"}}'
        )
        await wait_until(lambda: client.exists(f"{prefix}:task:{task_id}"))


@pytest.mark.leaves_work("what a drain stops is tried again, by a daemon that is not there")
async def test_from_start_to_end(
    server: Server, prefix: str, daemon: Daemon, manager: Manager
) -> None:
    """Ready once, how it stands at all times, that it moves, and more time while it drains."""
    await wait_until(manager.has("STATUS=0 agents, 0 waiting, Valkey ok"))
    told = manager.heard()
    assert next(state for state in told if state.startswith("STATUS=waits for Valkey"))
    assert told.count("READY=1") == 1
    await wait_until(manager.has("WATCHDOG=1"))
    await submit(server, prefix, "hold", "t1")
    await wait_until(manager.has("STATUS=1 agent, 0 waiting, Valkey ok"))
    daemon.sigterm()
    assert await daemon.wait_exit() == 0
    told = manager.heard()
    assert told.index("STOPPING=1") < told.index("EXTEND_TIMEOUT_USEC=20000000")
    assert "STATUS=draining, 1 agent, 0 waiting, Valkey ok" in told


async def test_reload(server: Server, prefix: str, daemon: Daemon, manager: Manager) -> None:
    """Kinds and capacity hold at once; the agent of a kind that is gone runs on."""
    await submit(server, prefix, "hold", "t1")
    with server.client() as client:
        await wait_until(lambda: client.hget(f"{prefix}:agent:t1.1", "status") == "running")
        _write(manager, "agents.toml", NEW)
        _write(manager, "settings", "MUSTERD_CAPACITY=6\nMUSTERD_LOG_LEVEL=debug\n")
        reload(daemon)
        await wait_until(lambda: manager.heard().count("READY=1") == 2)
        assert "RELOADING=1" in manager.heard()
        await wait_until(lambda: client.hget(f"{prefix}:node:{daemon.node}", "capacity") == "6")
        await wait_until(lambda: client.hexists(f"{prefix}:kinds", "quick"))
        await submit(server, prefix, "quick", "t2")
        await wait_until(lambda: client.hget(f"{prefix}:task:t2", "status") == "completed")
        assert client.hget(f"{prefix}:agent:t1.1", "status") == "running"
        client.publish(f"{prefix}:control", '{"command": "kill", "taskId": "t1"}')
        await wait_until(lambda: client.hget(f"{prefix}:agent:t1.1", "status") == "killed")


async def test_mistake(server: Server, prefix: str, daemon: Daemon, manager: Manager) -> None:
    """It is refused as a whole, though only the last line of the last file is wrong."""
    _write(manager, "settings", "MUSTERD_CAPACITY=6\n")
    _write(manager, "agents.toml", f"{NEW}{OLD}nonsense = 1\n")
    reload(daemon)
    await wait_until(
        manager.has("STATUS=0 agents, 0 waiting, Valkey ok, last reload refused, see the log")
    )
    refused = [line for line in daemon.log() if line["event"].startswith("reload refused")]
    assert [("nonsense" in line["error"], line["level"]) for line in refused] == [(True, "error")]
    with server.client() as client:
        assert client.hget(f"{prefix}:node:{daemon.node}", "capacity") == "5"
        assert client.hkeys(f"{prefix}:kinds") == ["hold"]


async def test_what_cannot_start_says_why(server: Server, prefix: str, tmp_path: Path) -> None:
    """A bad setting is the status, so that `systemctl status` shows it."""
    manager = Manager(tmp_path / "notify")
    env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "MUSTERD_CAPACITY": "none"}
    with closing(Daemon(server.url, prefix, env=env)) as daemon, closing(manager):
        daemon.start()
        assert await daemon.wait_exit() == 2
        (state,) = manager.heard()
    assert state.startswith("STATUS=MUSTERD_CAPACITY: 'none' is not accepted")


def _write(manager: Manager, name: str, text: str) -> None:
    Path(manager.socket.getsockname()).with_name(name).write_text(text)
