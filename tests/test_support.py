"""The tests' own tools: a tool that is wrong makes every test beside it worthless."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest
from redis import ConnectionError as RedisConnectionError
from redis.asyncio import Redis

from tests.support.daemon import Daemon
from tests.support.fixtures import StartDaemon, StartServer
from tests.support.leaks import find_leaks
from tests.support.leash import leashed
from tests.support.server import Server
from tests.support.wait import wait_until

_HOLDER = """
import time
from tests.support.server import Server
server = Server()
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


def _has_ended(process: int, limit: float) -> bool:
    """Whether the process of a pidfd ends within so many seconds."""
    return bool(select.select([process], [], [], limit)[0])


async def test_wait_until_returns_what_the_condition_returned() -> None:
    """A plain and an async condition work alike, and their value is handed back."""

    async def answer() -> str:
        return "there"

    assert await wait_until(answer) == "there"
    assert await wait_until(lambda: [1]) == [1]


async def test_wait_until_names_what_did_not_happen() -> None:
    """The error holds the message, or the place of the condition, and the last answer."""
    with pytest.raises(AssertionError, match=r"the lamp is on: not within 0.02 s, last answer 0"):
        await wait_until(lambda: 0, 0.02, "the lamp is on")
    with pytest.raises(AssertionError, match=r"test_support.py:\d+"):
        await wait_until(lambda: 0, 0.02)


@pytest.mark.parametrize("tcp", [False, True])
def test_server_keeps_its_address_over_a_restart(own_server: StartServer, *, tcp: bool) -> None:
    """With the append-only file on, a stop and start loses nothing."""
    server = own_server(tcp=tcp, config={"appendonly": "yes"})
    with server.client() as client:
        client.set("a", "1")
    server.restart()
    with server.client() as client:
        assert client.get("a") == "1"


def test_server_stays_on_disk_if_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its data lies where temporary files do, also on a machine with memory to spare."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with closing(Server(on_disk=True)) as server:
        assert server.directory.parent == tmp_path


def test_server_killed_is_down(own_server: StartServer) -> None:
    """A killed server refuses connections until it is started again."""
    server = own_server()
    server.kill()
    with server.client() as client, pytest.raises(RedisConnectionError):
        client.ping()
    server.start()
    with server.client() as client:
        assert client.ping()


def test_server_paused_does_not_answer(own_server: StartServer) -> None:
    """A paused server keeps the connection and answers once resumed; `close` ends it as well."""
    server = own_server()
    with server.client() as client:
        client.ping()
        server.pause()
        connection = client.connection_pool.get_connection()
        connection.send_command("PING")
        assert not connection.can_read(timeout=0.05)
        server.resume()
        assert connection.can_read(timeout=2)
        connection.disconnect()
    server.pause()
    server.close()
    assert not server.is_running


def test_server_that_cannot_start_shows_its_log() -> None:
    """A wrong setting fails at once, with the server's words."""
    with pytest.raises(AssertionError, match="did not start"), Server(config={"nonsense": "1"}):
        pass


def test_server_dies_with_a_killed_test_process() -> None:
    """SIGKILL of the process that started a server ends the server too."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as holder:
        assert holder.stdout is not None
        server = os.pidfd_open(int(holder.stdout.readline()))
        assert not _has_ended(server, 0)
        holder.kill()
    assert _has_ended(server, 5)
    os.close(server)


def test_leash_refuses_a_parent_that_is_gone() -> None:
    """A program whose parent died before the leash was on is not started."""
    command = leashed(["true"])
    command[command.index("true") - 1] = "1"
    assert subprocess.run(command, check=False).returncode == 1


def test_daemon_takes_its_agents_processes_with_it() -> None:
    """What its lives started ends with the test; another daemon of its name is left alone."""
    daemon = Daemon("unix:///nowhere", "t")
    ready = {"event": "ready", "node": daemon.node, "epoch": "1"}
    (daemon.directory / "daemon.log").write_text(json.dumps(ready))
    with _started_by(f"{daemon.node}/1") as agent, _started_by(f"{daemon.node}/12") as stranger:
        daemon.close()
        assert agent.wait(5) == -signal.SIGKILL
        assert stranger.poll() is None
        stranger.kill()


def _started_by(owner: str) -> "subprocess.Popen[bytes]":
    """A process of this owner; it runs by now, so that its environment can be seen."""
    environment = {"PATH": os.environ["PATH"], "MUSTERD_OWNER": owner}
    pipe = subprocess.PIPE
    process = subprocess.Popen(["cat"], stdin=pipe, stdout=pipe, env=environment)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"x")
    process.stdin.flush()
    assert process.stdout.read(1) == b"x"
    return process


@pytest.mark.leaves_work("that is what is looked for")
async def test_leaks_are_found(server: Server, redis: Redis, prefix: str) -> None:
    """A key with neither TTL nor bound is a leak, work is one where none may be left."""
    await redis.set(f"{prefix}:sequence", "7")
    await redis.set(f"{prefix}:heartbeat:a.1", "n/1", ex=100)
    await redis.zadd(f"{prefix}:tasks:failed", {"b": 1})
    await redis.hset(f"{prefix}:task:a", mapping={"status": "pending"})
    await redis.hset(f"{prefix}:task:b", mapping={"status": "failed"})
    with server.client() as client:
        assert find_leaks(client, prefix, leaves_work=True) == [
            f"{prefix}:task:b: has no TTL and no bound"
        ]
        assert find_leaks(client, prefix) == [
            f"{prefix}:heartbeat:a.1: work is left",
            f"{prefix}:task:a: work is left",
            f"{prefix}:task:b: has no TTL and no bound",
        ]
    await redis.expire(f"{prefix}:task:b", 100)


def test_server_starts_fast(own_server: StartServer) -> None:
    """Tests may start a server of their own without thinking about time."""
    started = time.perf_counter()
    own_server()
    assert time.perf_counter() - started < 2  # 0.06 s on an idle machine


async def test_daemon_is_started_read_and_signalled(start_daemon: StartDaemon) -> None:
    """It is ready, leaves in order when asked, and can be started, frozen and killed again."""
    daemon = await start_daemon()
    assert daemon.log()[0]["event"]
    daemon.sigterm()
    assert await daemon.wait_exit() == 0
    daemon.start()
    await daemon.wait_ready()
    assert [line["event"] for line in daemon.log()].count("ready") == 2
    daemon.stop()
    daemon.cont()
    daemon.kill9()
    assert await daemon.wait_exit() == -signal.SIGKILL


async def test_daemon_that_ends_shows_its_log(start_daemon: StartDaemon) -> None:
    """Waiting for one that cannot start fails at once, with what it said."""
    with pytest.raises(AssertionError, match=r"(?s)the daemon ended.*MUSTERD_CAPACITY"):
        await start_daemon(MUSTERD_CAPACITY="none")
