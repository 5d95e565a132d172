"""Shows what command agents cost: `python -m bench.commands [COMMANDS [TURNS]]`, 1,000 in 3 turns.

`true` as a process, fifty at a time: by a daemon, from the first agent to the last ending that the
server has, and beside it by a bare anyio loop that only spawns and waits. Then what a command that
sleeps takes of the daemon's memory.
"""

import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Final

import anyio

from bench.processes import cpu_of, memory_of
from bench.stage import staged
from musterd.submission import Submission
from tests.support.wait import wait_until

KINDS: Final = str(Path(__file__).with_name("commands.toml"))
AT_ONCE: Final = 50
SLEEPERS: Final = 200
QUIET: Final = 2.0
PATIENCE: Final = 600.0


async def by_a_daemon(count: int) -> tuple[float, float]:
    """Seconds, and those of the daemon's CPU, without its children's."""
    async with staged() as stage:
        await stage.client.submit_many([Submission(kind="true") for _ in range(count)])
        async with stage.daemon(AT_ONCE, KINDS) as daemon:
            await wait_until(lambda: stage.count("tasks:completed"), PATIENCE)
            done, began, cpu = stage.count("tasks:completed"), time.monotonic(), cpu_of(daemon.pid)
            await wait_until(lambda: stage.count("tasks:completed") == count, PATIENCE)
            per_task = count / (count - done)
            return (time.monotonic() - began) * per_task, (cpu_of(daemon.pid) - cpu) * per_task


async def by_a_bare_loop(count: int) -> tuple[float, float]:
    """The same by a process that does nothing else."""
    done = await anyio.run_process([sys.executable, "-m", "bench.commands", "bare", str(count)])
    seconds, cpu = map(float, done.stdout.split())
    return seconds, cpu


async def spawn_and_wait(count: int) -> None:
    """The bare loop."""
    began, cpu = time.monotonic(), time.process_time()
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            async with await anyio.open_process(
                ["true"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ) as process:
                await process.wait()

    async with anyio.create_task_group() as workers:
        for _ in range(AT_ONCE):
            workers.start_soon(worker)
    print(time.monotonic() - began, time.process_time() - cpu)


async def memory() -> float:
    """KiB of the daemon's memory a command that sleeps."""
    async with staged() as stage, stage.daemon(SLEEPERS, KINDS) as daemon:
        await anyio.sleep(QUIET)
        empty = memory_of(daemon.pid)
        await stage.client.submit_many([Submission(kind="sleep") for _ in range(SLEEPERS)])
        await wait_until(lambda: stage.count("agents:running") == SLEEPERS, PATIENCE)
        await anyio.sleep(QUIET)
        taken = memory_of(daemon.pid) - empty
        await stage.client.kill_all(grace=0)
        await wait_until(lambda: not stage.count("agents:running"), PATIENCE)
    return taken / SLEEPERS / 1024


async def main(count: int = 1_000, turns: int = 3) -> None:
    """Measure in turns, and print a line for each."""
    print(
        f"{count} commands, {AT_ONCE} at a time: seconds, and of these the CPU of the one process"
    )
    ratios = []
    for turn in range(turns):
        daemon, bare = await by_a_daemon(count), await by_a_bare_loop(count)
        ratios.append((daemon[0] / bare[0], daemon[1] / bare[1]))
        print(
            f"[{turn + 1}/{turns}] daemon {daemon[0]:.2f} ({daemon[1]:.2f}), "
            f"bare loop {bare[0]:.2f} ({bare[1]:.2f}), "
            f"ratio {ratios[-1][0]:.2f} ({ratios[-1][1]:.2f})",
            flush=True,
        )
    for name, found in zip(("seconds", "CPU"), zip(*ratios, strict=True), strict=True):
        middle, least, most = statistics.median(found), min(found), max(found)
        print(f"{name}: {middle:.2f} times the bare loop's ({least:.2f} to {most:.2f})")
    print(f"a command that sleeps: {await memory():.0f} KiB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["bare"]:
        anyio.run(spawn_and_wait, int(sys.argv[2]))
    else:
        anyio.run(partial(main, *map(int, sys.argv[1:])))
