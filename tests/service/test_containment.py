"""What agents, and a reader of the log, may do and still not stop the daemon."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

import musterd
from musterd.jsons import Json
from musterd.runtimes.base import Context
from tests.agents.examples import noted
from tests.service.scene import KINDS, Scene
from tests.support.leash import leashed
from tests.support.wait import wait_until

OURS = "tests.service.test_containment"


@musterd.agent("exits")
async def exits(ctx: Context) -> Json:
    """Run a main function that exits, in a task."""

    async def main() -> None:
        sys.exit(3)

    with noted(ctx):
        async with asyncio.TaskGroup() as group:
            group.create_task(main())
    return None


@musterd.agent("exits-in-callback")
async def exits_in_callback(ctx: Context) -> Json:
    """Exit from a callback of the loop, and leave a task that cannot be cancelled."""
    with noted(ctx):
        asyncio.get_running_loop().call_soon(sys.exit, 3)
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(600)


@musterd.agent("leaves-thread")
async def leaves_thread(ctx: Context) -> Json:
    """Return while a thread of it runs on."""
    with noted(ctx):
        threading.Thread(target=time.sleep, args=(600,)).start()
    return None


@musterd.agent("chatty")
async def chatty(ctx: Context) -> Json:
    """Log 2 MB, more than a pipe holds."""
    with noted(ctx):
        for _ in range(200):
            ctx.log.info("x" * 10_000)
    return None


async def test_agent_whose_task_exits(scene: Scene) -> None:
    """The agent fails with what its task did; the daemon works on, and ends when it is told to."""
    daemon = await scene.daemon(MUSTERD_AGENTS=f"{KINDS},{OURS}")
    task = await scene.ended(await scene.submit("exits"))
    assert (task.status, task.error) == ("failed", "raised SystemExit: 3")
    assert (await scene.ended(await scene.submit("echo"))).status == "completed"
    daemon.sigterm()
    assert await daemon.wait_exit() == 0


@pytest.mark.leaves_work("the daemon ends by force")
async def test_callback_that_exits(scene: Scene) -> None:
    """The daemon ends at once with code 1 and a traceback in its log; it does not linger."""
    daemon = await scene.daemon(MUSTERD_AGENTS=f"{KINDS},{OURS}")
    await scene.submit("exits-in-callback")
    assert await daemon.wait_exit() == 1
    (line,) = [line for line in daemon.log() if line["event"] == "the daemon failed"]
    assert "SystemExit: 3" in line["exception"]


async def test_thread_that_is_left(scene: Scene) -> None:
    """A thread that an agent has left holds up the end for a few seconds, no longer."""
    daemon = await scene.daemon(MUSTERD_AGENTS=f"{KINDS},{OURS}")
    await scene.ended(await scene.submit("leaves-thread"))
    daemon.sigterm()
    assert await daemon.wait_exit() == 0
    assert daemon.log()[-1]["event"] == "left with tasks or threads that do not end"


async def test_log_that_is_not_read(scene: Scene) -> None:
    """The daemon works on, hears, and ends in time though nobody takes its lines."""
    reader, daemon = start_unread(scene)
    try:
        for _ in range(2):
            assert (await scene.ended(await scene.submit("chatty"))).status == "completed"
        assert (await scene.ask({"command": "ping"}))["node"] == "stalled"
        daemon.terminate()
        await wait_until(lambda: daemon.poll() is not None, 5, "the daemon ends")
        assert daemon.returncode == 0
    finally:
        daemon.kill()
        daemon.wait()
        os.close(reader)


def start_unread(scene: Scene) -> tuple[int, "subprocess.Popen[bytes]"]:
    """A daemon named `stalled`, and the pipe from its standard error."""
    environment = {
        "PYTHONPATH": os.pathsep.join(str(Path(path).resolve()) for path in sys.path),
        "VALKEY_URL": scene.server.url,
        "MUSTERD_PREFIX": scene.keys.prefix,
        "MUSTERD_AGENTS": f"{KINDS},{OURS}",
        "MUSTERD_STATE_DIR": str(scene.folder / "state"),
        "LEDGER": str(scene.folder / "ledger"),
    }
    command = leashed([sys.executable, "-m", "musterd", "run", "--node", "stalled"])
    reader, writer = os.pipe()
    daemon = subprocess.Popen(command, env=os.environ | environment, stderr=writer)
    os.close(writer)
    return reader, daemon
