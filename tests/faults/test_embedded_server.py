"""The embedded server dies under its daemon, and a daemon that is forced out takes it along."""

import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from pathlib import Path

import pytest

from musterd import state_dir
from tests.faults.trouble import BACK, persist, tell
from tests.service.scene import KINDS, Scene, open_scene
from tests.support.daemon import Daemon
from tests.support.fixtures import StartDaemon
from tests.support.pace import within
from tests.support.server import Server
from tests.support.wait import wait_until

LEFT = 1.0 + 5.0 + 1.0
"""Seconds after the second signal in which a daemon is gone, whatever its agents do."""


class Private(Server):
    """The server of a state folder: the daemon there starts it, the test strikes it."""

    def __init__(self) -> None:
        super().__init__()
        self.url = f"unix://{self.directory / 'valkey/socket'}"

    @property
    def pid(self) -> int:
        """The process of the server that answered last; 0 if there was none."""
        return int(state_dir.read(self.directory / "valkey/pid") or 0)

    def kill(self) -> None:
        """End it by SIGKILL."""
        assert self.is_running, "the server is down"
        os.kill(self.pid, signal.SIGKILL)

    @property
    def is_running(self) -> bool:
        """Whether its process is there, and is no other one that has got its number."""
        with suppress(OSError):
            return Path(f"/proc/{self.pid}/cwd").readlink() == self.directory / "valkey"
        return False


@pytest.fixture
def private() -> Iterator[Private]:
    """Comes before `start_daemon`, so that no daemon is left to start it again at the end."""
    with closing(Private()) as server:
        yield server


@asynccontextmanager
async def opened(
    private: Private, prefix: str, folder: Path, start_daemon: StartDaemon, agents: str = KINDS
) -> AsyncIterator[tuple[Scene, Daemon]]:
    """A daemon with a private server, and a scene on that one."""
    daemon = await start_daemon(
        server=private,
        MUSTERD_EMBEDDED="true",
        MUSTERD_STATE_DIR=str(private.directory),
        MUSTERD_AGENTS=agents,
        MUSTERD_HEARTBEAT_TTL="1",
        LEDGER=str(folder / "ledger"),
    )
    async with open_scene(private, prefix, folder, start_daemon) as scene:
        yield scene, daemon


async def test_embedded_server_dies(
    private: Private, prefix: str, tmp_path: Path, start_daemon: StartDaemon
) -> None:
    """It is started again at once, with all it had taken: agents run on, work and kills go on."""
    async with opened(private, prefix, tmp_path, start_daemon) as (scene, daemon):
        kept = await scene.start("hold")
        for _ in range(2):
            doomed = await scene.start("hold")
            waiting = await scene.submit("echo", delay=0.2)
            before, died = private.pid, time.monotonic()
            private.kill()
            assert await persist(partial(scene.ending, waiting)) == ("completed", None)
            back = time.monotonic() - died
            tell(f"back to work after {back:.2f} s")
            assert back < within(BACK)
            assert private.pid != before
            await scene.client.kill(doomed)
            assert await scene.ending(doomed) == ("killed", "killed")
        assert (await scene.agent(kept)).status == "running"
        said = [line for line in daemon.log() if line["event"].startswith("private valkey ended")]
        assert [(line["level"], line["signal"]) for line in said] == [("warning", "SIGKILL")] * 2
        assert "Traceback" not in daemon.own_log_text()
        await scene.quiet()
    daemon.sigterm()
    assert await daemon.wait_exit() == 0
    assert not private.is_running


async def test_forced_end_takes_the_embedded_server_along(
    private: Private, prefix: str, tmp_path: Path, start_daemon: StartDaemon
) -> None:
    """A daemon that leaves with an agent that does not stop ends its server first."""
    kinds = "tests.agents.misbehaving"
    async with opened(private, prefix, tmp_path, start_daemon, kinds) as (scene, daemon):
        await scene.start("swallows", str(tmp_path))
        assert private.is_running
    daemon.sigterm()
    await wait_until(lambda: "draining" in daemon.log_text())
    daemon.sigterm()
    assert await daemon.wait_exit(LEFT + 5) == 1
    assert "left with agents that do not stop" in daemon.log_text()
    assert "private valkey ended" not in daemon.log_text()
    assert not private.is_running
