"""What is measured: each function plays once on a stage of its own and answers figures by name."""

import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import anyio

from bench.processes import cpu_of, memory_of
from bench.stage import PREFIX, Stage, staged
from musterd.submission import Submission
from tests.support.cost import Cost
from tests.support.wait import wait_until

Figures: TypeAlias = dict[str, float]
"""A figure's name with its unit, and its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is done.

    Attributes:
        tasks: drained, and submitted in bulk.
        plain: tasks submitted one by one.
        looks: bodies whose start is timed.
        alive: agents alive while others are killed.
        kills: timed.
        sleepers: agents over which memory is spread.
        commands: times that each command of the command line runs.
    """

    tasks: int = 10_000
    plain: int = 2_000
    looks: int = 200
    alive: int = 1_000
    kills: int = 100
    sleepers: int = 5_000
    commands: int = 7


SMALL: Final = Sizes(tasks=200, plain=50, looks=10, alive=20, kills=5, sleepers=100, commands=1)

CONCURRENCY: Final = 100
"""Agents alive at once in a drain."""

GAP: Final = 0.01
"""Seconds between two submits whose bodies are timed, and between two kills."""

WARM_UP: Final = 30
PATIENCE: Final = 300.0
"""Seconds after which a measurement has failed."""

QUIET: Final = 2.0
"""Seconds after which a process that has nothing more to do has settled."""


async def drain(sizes: Sizes) -> Figures:
    """Whole lifecycles a second: from the first body to the last ending that is written."""
    async with staged() as stage:
        began = time.monotonic()
        await stage.client.submit_many([Submission(kind="noop") for _ in range(sizes.tasks)])
        submitting = time.monotonic() - began
        before = Cost.so_far(stage.redis)
        async with stage.daemon(CONCURRENCY) as daemon:
            first = await stage.listener.time_of("first")
            python = -cpu_of(daemon.pid)
            await wait_until(lambda: stage.count("tasks:completed") == sizes.tasks, PATIENCE)
            seconds = time.monotonic() - first
            python += cpu_of(daemon.pid)
            cost = Cost.so_far(stage.redis).since(before)
    per_task = 1e6 / sizes.tasks
    return {
        "bulk submit, tasks/s": sizes.tasks / submitting,
        "drain, lifecycles/s": sizes.tasks / seconds,
        "drain, daemon's CPU, µs/task": python * per_task,
        "drain, server's CPU, µs/task": cost.seconds * per_task,
        "drain, script calls/task": cost.scripts / sizes.tasks,
        "drain, commands over the wire/task": cost.wire / sizes.tasks,
        "drain, commands in scripts/task": cost.inside / sizes.tasks,
    }


async def plain_submit(sizes: Sizes) -> Figures:
    """One awaited submit after the other."""
    async with staged() as stage:
        began = time.monotonic()
        for _ in range(sizes.plain):
            await stage.client.submit("noop")
        return {"plain submit, tasks/s": sizes.plain / (time.monotonic() - began)}


async def latency(sizes: Sizes) -> Figures:
    """From the submit to the first line of the body, at low load."""
    found = []
    async with staged() as stage, stage.daemon():
        for number in range(WARM_UP + sizes.looks):
            asked = time.monotonic()
            task_id = await stage.client.submit("stamp")
            began = await stage.listener.time_of(task_id)
            if number >= WARM_UP:
                found.append(1000 * (began - asked))
            await anyio.sleep(GAP)
    return _percentiles("submit to body", found)


async def kill(sizes: Sizes) -> Figures:
    """From the request, which is made durable first, to the cancellation in the body."""
    found = []
    async with staged() as stage, stage.daemon():
        names = await _put_to_sleep(stage, sizes.alive)
        for task_id in names[: sizes.kills]:
            asked = time.monotonic()
            await stage.client.kill(task_id)
            found.append(1000 * (await stage.listener.time_of(task_id) - asked))
            await anyio.sleep(GAP)
    return _percentiles(f"kill, {sizes.alive} alive", found)


async def memory(sizes: Sizes) -> Figures:
    """What an agent that sleeps takes of the daemon's memory."""
    async with staged() as stage, stage.daemon(sizes.sleepers) as daemon:
        await anyio.sleep(QUIET)
        empty = memory_of(daemon.pid)
        began = time.monotonic()
        await _put_to_sleep(stage, sizes.sleepers)
        starting = time.monotonic() - began
        await anyio.sleep(QUIET)
        taken = memory_of(daemon.pid) - empty
    return {
        "sleeping agent, KiB": taken / sizes.sleepers / 1024,
        f"{sizes.sleepers} agents submitted and started, s": starting,
    }


async def command_line(sizes: Sizes) -> Figures:
    """Whole processes, with what Python takes to start."""
    async with staged() as stage:
        names = [await stage.client.submit("noop") for _ in range(sizes.commands)]
        return {
            "musterd ps, ms": _time_command(stage, ["ps"]),
            "musterd kill, ms": min(_time_command(stage, ["kill", name]) for name in names),
        }


ALL: Final[Sequence[Callable[[Sizes], Awaitable[Figures]]]] = (
    drain, plain_submit, latency, kill, memory, command_line,
)  # fmt: skip


async def _put_to_sleep(stage: Stage, count: int) -> list[str]:
    submissions = [Submission(kind="sleep") for _ in range(count)]
    await stage.client.submit_many(submissions)
    await wait_until(lambda: stage.count("agents:running") == count, PATIENCE)
    return [submission.task_id for submission in submissions]


def _time_command(stage: Stage, arguments: list[str]) -> float:
    env = {**os.environ, "VALKEY_URL": stage.server.url, "MUSTERD_PREFIX": PREFIX}
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "musterd", *arguments], env=env, check=True, capture_output=True
    )
    return 1000 * (time.monotonic() - began)


def _percentiles(name: str, found: list[float]) -> Figures:
    found.sort()
    return {
        f"{name}, p50, ms": found[len(found) // 2],
        f"{name}, p99, ms": found[int(len(found) * 0.99)],
    }
