"""What is compared: each function plays one peer once on a stage of its own and answers figures."""

import operator
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import anyio

from bench.compare.peers import Peer
from bench.compare.programs import Worker
from bench.compare.spent import counted, cpu_seconds
from bench.compare.stage import Stage, staged
from bench.processes import memory_of

Found: TypeAlias = dict[str, float]
"""A figure's name, one of `figures.ALL`, and its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much is done, and where.

    Attributes:
        jobs: drained, and submitted in bulk.
        plain: jobs submitted one by one.
        concurrency: jobs at once in a drain.
        counted: jobs whose commands are counted.
        stamps: bodies whose start is timed.
        alive: jobs alive while some of them are killed.
        kills: timed.
        sleepers: jobs over which memory is spread.
        fsync: the server's `appendfsync`.
        cache: where the peers' environments are.
    """

    jobs: int = 10_000
    plain: int = 2_000
    concurrency: int = 100
    counted: int = 1_000
    stamps: int = 200
    alive: int = 1_000
    kills: int = 50
    sleepers: int = 5_000
    fsync: str = "everysec"
    cache: Path = Path(".bench")

    def amounts(self) -> dict[str, int]:
        """How much is done, by name."""
        return {name: value for name, value in asdict(self).items() if isinstance(value, int)}


SMALL: Final[Mapping[str, Any]] = {
    "jobs": 200, "plain": 50, "counted": 100, "stamps": 20, "alive": 20, "kills": 5,
    "sleepers": 100,
}  # fmt: skip

GAP: Final = 0.01
"""Seconds between two submits whose bodies are timed."""

LONGEST_GAP: Final = 0.5
"""Seconds between two kills, at most."""

SEED: Final = 7
WARM_UP: Final = 30
REST: Final = 1.0
"""Seconds after which a peer has acknowledged what it did last."""

QUIET: Final = 3.0
"""Seconds after which a process that has nothing more to do has settled."""


async def submit(peer: Peer, sizes: Sizes) -> Found:
    """One awaited submit after the other."""
    async with staged(peer, sizes.cache, sizes.fsync) as stage:
        return {"plain submit": sizes.plain / await stage.producer.ask("plain", count=sizes.plain)}


async def drain(peer: Peer, sizes: Sizes) -> Found:
    """Jobs a second from the first body on, and what they took of the server from the submit on."""
    jobs = sizes.jobs
    async with staged(peer, sizes.cache, sizes.fsync) as stage:
        cpu = -cpu_seconds(stage.redis)
        submitting = await stage.producer.ask("bulk", count=jobs)
        with stage.worker(sizes.concurrency, jobs) as worker:
            (first,) = await worker.times_of(["first"])
            seconds = await _drained(stage, worker, jobs) - first
            await anyio.sleep(REST)
            cpu += cpu_seconds(stage.redis)
    return {
        "drain": jobs / seconds,
        "bulk submit": jobs / submitting,
        "server CPU": 10_000 * cpu / jobs,
    }


async def commands(peer: Peer, sizes: Sizes) -> Found:
    """What the server is sent for a job, from the submit to the end, and what scripts call."""
    jobs = sizes.counted
    async with staged(peer, sizes.cache, sizes.fsync) as stage, counted(stage.url) as found:
        await stage.producer.ask("bulk", count=jobs)
        with stage.worker(sizes.concurrency, jobs) as worker:
            await worker.times_of(["all"])
            await anyio.sleep(REST)
            return {"wire": found.wire / jobs, "inside": found.inside / jobs}


async def latency(peer: Peer, sizes: Sizes) -> Found:
    """From the submit to the first line of the body, at low load, with a worker that is warm."""
    async with staged(peer, sizes.cache, sizes.fsync) as stage:
        with stage.worker(sizes.concurrency) as worker:
            await _stamp(stage, worker, 0, WARM_UP)
            await anyio.sleep(REST)
            found = await _stamp(stage, worker, WARM_UP, sizes.stamps)
    return _percentiles("start", found)


async def kill(peer: Peer, sizes: Sizes) -> Found:
    """From the request in another process to the cancellation in the body."""
    async with staged(peer, sizes.cache, sizes.fsync) as stage:
        with stage.worker(sizes.alive + sizes.concurrency, sizes.alive) as worker:
            await stage.producer.ask("sleepers", count=sizes.alive)
            await worker.times_of(["all"])
            await anyio.sleep(REST)
            asked = await stage.producer.ask(
                "kills", count=sizes.kills, longest=LONGEST_GAP, seed=SEED
            )
            told = await worker.times_of([f"cancelled {number}" for number in range(len(asked))])
    return _percentiles("kill", list(map(operator.sub, told, asked)))


async def memory(peer: Peer, sizes: Sizes) -> Found:
    """What a job that sleeps takes of the worker's memory, over the same worker without any."""
    async with staged(peer, sizes.cache, sizes.fsync) as stage:
        with stage.worker(sizes.sleepers, sizes.sleepers) as worker:
            await _stamp(stage, worker, 0, WARM_UP)  # it is there, and has all that it needs
            await anyio.sleep(QUIET)
            empty = memory_of(worker.pid)
            await stage.producer.ask("sleepers", count=sizes.sleepers)
            await worker.times_of(["all"])
            await anyio.sleep(QUIET)
            taken = memory_of(worker.pid) - empty
    return {"memory": taken / sizes.sleepers / 1024}


Measure: TypeAlias = Callable[[Peer, Sizes], Awaitable[Found]]

ALL: Final[Mapping[str, Measure]] = {
    measure.__name__: measure for measure in (drain, submit, latency, kill, memory, commands)
}


async def _drained(stage: Stage, worker: Worker, jobs: int) -> float:
    if not stage.peer.endings:
        (last,) = await worker.times_of(["all"])
        return last
    await worker.wait_until(lambda: stage.ended() == jobs)
    return time.monotonic()


async def _stamp(stage: Stage, worker: Worker, first: int, count: int) -> list[float]:
    asked = await stage.producer.ask("stamps", first=first, count=count, gap=GAP)
    told = await worker.times_of([f"stamp {number}" for number in range(first, first + count)])
    return list(map(operator.sub, told, asked))


def _percentiles(name: str, seconds: list[float]) -> Found:
    found = sorted(1000 * one for one in seconds)
    return {f"{name} p50": found[len(found) // 2], f"{name} p99": found[int(len(found) * 0.99)]}
