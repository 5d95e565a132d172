"""What `python -m bench` measures: all that musterd is compared by, and what its peers do not have.

Each function plays once on a stage of its own and answers figures by title.
"""

import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeAlias

from bench.compare import figures, measures, peers
from bench.compare.measures import Sizes
from bench.compare.stage import Stage, staged
from bench.processes import cpu_of
from tests.support.cost import Cost

Figures: TypeAlias = dict[str, float]
"""A figure's title with its unit, and its value."""

Measure: TypeAlias = Callable[[Sizes], Awaitable[Figures]]

TIMES: Final = 7
"""How often a command of the command line runs; the shortest time counts."""

_OURS: Final = peers.ALL[peers.OURS]
_PREFIX: Final = "orchestrator"


async def daemon(sizes: Sizes) -> Figures:
    """What a drain takes of the daemon's CPU from the first body on, and its script calls."""
    async with staged(_OURS, sizes.cache, sizes.fsync) as stage:
        await stage.producer.ask("bulk", count=sizes.jobs)
        before = Cost.so_far(stage.redis)
        with stage.worker(sizes.concurrency, sizes.jobs) as worker:
            await worker.times_of(["first"])
            cpu = -cpu_of(worker.pid)
            await worker.wait_until(lambda: stage.ended() == sizes.jobs)
            cpu += cpu_of(worker.pid)
        cost = Cost.so_far(stage.redis).since(before)
    return {
        "drain, daemon's CPU, µs a job": 1e6 * cpu / sizes.jobs,
        "drain, script calls, a job": cost.scripts / sizes.jobs,
    }


async def command_line(sizes: Sizes) -> Figures:
    """Whole processes, with what Python takes to start; each kill ends a task that waits."""
    async with staged(_OURS, sizes.cache, sizes.fsync) as stage:
        await stage.producer.ask("bulk", count=TIMES)
        waiting = stage.redis.zrange(f"{_PREFIX}:tasks:pending", 0, -1)
        return {
            "musterd ps, ms": min(_time_command(stage, ["ps"]) for _ in range(TIMES)),
            "musterd kill, ms": min(_time_command(stage, ["kill", name]) for name in waiting),
        }


async def _compared(measure: measures.Measure, sizes: Sizes) -> Figures:
    """What a measure that all peers play says of musterd."""
    found = await measure(_OURS, sizes)
    return {figures.ALL[name].title: value for name, value in found.items()}


ALL: Final[Mapping[str, Measure]] = {
    **{name: partial(_compared, measure) for name, measure in measures.ALL.items()},
    daemon.__name__: daemon,
    command_line.__name__: command_line,
}


def _time_command(stage: Stage, arguments: Sequence[str]) -> float:
    """Milliseconds of the clock."""
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "musterd", *arguments],
        env={**os.environ, "VALKEY_URL": stage.url, "MUSTERD_PREFIX": _PREFIX},
        check=True,
        capture_output=True,
    )
    return 1000 * (time.monotonic() - began)
