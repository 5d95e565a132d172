"""Shows what agents cost that do nothing: `python -m bench.alive [AGENTS …]`.

A private server, one daemon with default settings but its capacity, and `async def` agents that
sleep until they are killed. For each number: seconds from the first submit until all run, and of
the daemon's and the server's CPU meanwhile; what each agent takes of their memory; the CPU that the
heartbeats cost both; how late the daemon's event loop was while they started and while they slept;
and agents that were lost.
"""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio

from bench.processes import cpu_of, memory_of
from bench.stage import Stage, staged
from musterd.submission import Submission

SIZES: Final = (1_000, 10_000, 100_000)

PAGE: Final = 5_000
"""Tasks that are submitted at once."""

BEATS: Final = 30.0
"""Seconds over which heartbeats are watched: six beats of the default TTL."""

PATIENCE: Final = 60.0
LOOK: Final = 1.0
"""Seconds between two looks at how many run: so exact is how long the start takes."""

SETTLE: Final = 6.0
"""Seconds after which a daemon that has nothing more to do has settled."""

COLUMNS: Final = (
    "agents", "started s", "daemon s", "server s", "daemon KiB", "server KiB",
    "daemon CPU", "server CPU", "late p99", "at most", "asleep p99", "at most", "lost",
)  # fmt: skip


async def measure(count: int) -> list[str]:
    """One row: KiB an agent, % of a core, ms."""
    async with staged() as stage, stage.daemon(count + 1) as daemon:
        pids = daemon.pid, stage.server.pid
        starting: list[float] = []
        async with lateness(stage, starting):
            await anyio.sleep(SETTLE)
            empty = [memory_of(pid) for pid in pids]
        began, cpu = time.monotonic(), [cpu_of(pid) for pid in pids]
        starting.clear()
        async with lateness(stage, starting):
            await submit(stage, count)
            await all_run(stage, count + 1)
            seconds = time.monotonic() - began
            spent = [cpu_of(pid) - less for pid, less in zip(pids, cpu, strict=True)]
        await anyio.sleep(SETTLE)
        taken = [memory_of(pid) - less for pid, less in zip(pids, empty, strict=True)]
        cpu = [cpu_of(pid) for pid in pids]  # without the one that ticks
        await anyio.sleep(BEATS)
        shares = [(cpu_of(pid) - less) / BEATS for pid, less in zip(pids, cpu, strict=True)]
        sleeping: list[float] = []
        async with lateness(stage, sleeping):
            await anyio.sleep(BEATS)
        lost = count - stage.count("agents:running")
    return [
        f"{count}",
        f"{seconds:.1f}",
        *(f"{value:.1f}" for value in spent),
        *(f"{memory / count / 1024:.1f}" for memory in taken),
        *(f"{value:.1%}" for value in shares),
        *(f"{1000 * value:.0f} ms" for value in (*starting, *sleeping)),
        f"{lost}",
    ]


async def submit(stage: Stage, count: int) -> None:
    """Submit so many tasks, and tell how far it is."""
    for done in range(0, count, PAGE):
        page = [Submission(kind="sleep") for _ in range(min(PAGE, count - done))]
        await stage.client.submit_many(page)
        print(f"{done + len(page)} of {count} submitted", file=sys.stderr, flush=True)


async def all_run(stage: Stage, count: int) -> None:
    """Wait until so many run, and tell how many do."""
    while (running := stage.count("agents:running")) < count:
        print(f"{running} of {count} run", file=sys.stderr, flush=True)
        await anyio.sleep(LOOK)


@asynccontextmanager
async def lateness(stage: Stage, found: list[float]) -> AsyncIterator[None]:
    """How late the daemon's event loop is within the block: seconds, p99 and the most."""
    task_id = await stage.client.submit("metronome")
    await stage.listener.time_of(f"{task_id} ticks", PATIENCE)
    yield
    await stage.client.kill(task_id)
    found += [
        await stage.listener.time_of(f"{task_id} p99", PATIENCE),
        await stage.listener.time_of(f"{task_id} most", PATIENCE),
    ]
    await stage.client.wait_for(task_id)


async def main() -> None:
    """Measure each number on a stage of its own, and print a table."""
    sizes = [int(size) for size in sys.argv[1:]] or SIZES
    rows = [list(COLUMNS), *[await measure(size) for size in sizes]]
    for row in rows:
        print("".join(cell.rjust(12) for cell in row))


if __name__ == "__main__":
    anyio.run(main)
