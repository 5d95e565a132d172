"""Shows what a task costs as there are more: `python -m bench.scale [--tasks N] [--daemons N,…]`.

All tasks are submitted first, and do nothing. Then so many daemons drain them, each with default
settings but its capacity, a hundred. After each tenth: tasks a second, and CPU µs a task of all
daemons and of the server; MiB of the server and of the first daemon. The last row is at rest.
"""

import operator
import sys
import time
from contextlib import AsyncExitStack
from functools import partial

import anyio
import click

from bench.processes import cpu_of, memory_of
from bench.stage import Stage, staged
from musterd.submission import Submission
from tests.support.wait import wait_until

CAPACITY = 100
PAGE = 10_000
"""Tasks that are submitted at once."""

STEPS = 10
PATIENCE = 600.0
"""Seconds for a tenth, at most."""

REST = 15.0
"""Seconds after which everybody has trimmed what is over."""

COLUMNS = ("daemons", "ended", "tasks/s", "daemons µs", "server µs", "server MiB", "daemon MiB")


class Progress:
    """What was used between two looks.

    Args:
        stage: where it plays.
        daemons: process ids.
    """

    def __init__(self, stage: Stage, daemons: list[int]) -> None:
        self._daemons, self._server = daemons, stage.server.pid
        self._ended, self._last = 0, self._look()

    def _look(self) -> tuple[float, float, float]:
        used = sum(map(cpu_of, self._daemons))
        return time.monotonic(), used, cpu_of(self._server)

    def row(self, ended: int) -> list[str]:
        """What a task took since the last row."""
        before, self._last = self._last, self._look()
        tasks, self._ended = ended - self._ended, ended
        seconds, daemons, server = map(operator.sub, self._last, before)
        spent = [f"{1e6 * cpu / tasks:.0f}" if tasks else "" for cpu in (daemons, server)]
        memory = [memory_of(pid) / 2**20 for pid in (self._server, self._daemons[0])]
        return [
            f"{len(self._daemons)}",
            f"{ended}",
            f"{tasks / seconds:.0f}" if tasks else "at rest",
            *spent,
            *(f"{mib:.0f}" for mib in memory),
        ]


async def measure(tasks: int, daemons: int) -> None:
    """Print a row for each tenth."""
    async with staged() as stage, AsyncExitStack() as running:
        for first in range(0, tasks, PAGE):
            page = [Submission(kind="noop") for _ in range(min(PAGE, tasks - first))]
            await stage.client.submit_many(page)
            print(f"{first + len(page)} of {tasks} submitted", file=sys.stderr, flush=True)
        pids = [
            (await running.enter_async_context(stage.daemon(CAPACITY, node=f"n{number}"))).pid
            for number in range(daemons)
        ]
        progress = Progress(stage, pids)
        for step in range(1, STEPS + 1):
            due = tasks - tasks * step // STEPS
            await wait_until(partial(is_left, stage, due), PATIENCE)
            tell(progress.row(tasks - waiting(stage)))
        await anyio.sleep(REST)
        tell(progress.row(tasks))


def is_left(stage: Stage, most: int) -> bool:
    """Whether no more than so many have not ended."""
    return waiting(stage) <= most


def waiting(stage: Stage) -> int:
    """Tasks that have not ended."""
    return sum(stage.count(f"tasks:{status}") for status in ("pending", "assigned", "executing"))


def tell(row: list[str] | tuple[str, ...]) -> None:
    """A row of the table."""
    click.echo("".join(cell.rjust(12) for cell in row))


@click.command()
@click.option("--tasks", default=1_000_000, show_default=True)
@click.option("--daemons", default="1", show_default=True, help="For example 1,2,4.")
def main(*, tasks: int, daemons: str) -> None:
    """Show what a task costs as there are more of them."""
    tell(COLUMNS)
    for count in daemons.split(","):
        anyio.run(measure, tasks, int(count))


if __name__ == "__main__":
    sys.exit(main())
