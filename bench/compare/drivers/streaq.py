"""streaq, as it ships."""

from contextlib import AsyncExitStack
from typing import Any, Final

import uvloop
from streaq import Worker

from bench.compare.drivers import bodies
from bench.compare.drivers.library import CHUNK, CONCURRENCY, URL, KillingLibrary, main

PATIENCE: Final = 60
worker = Worker(
    redis_url=URL,
    concurrency=CONCURRENCY,
    handle_signals=False,
    anyio_kwargs={"use_uvloop": True},
)


@worker.task(ttl=bodies.LONG)
async def noop() -> None:
    """Nothing."""
    bodies.begin()


@worker.task(ttl=bodies.LONG)
async def stamp(number: int) -> None:
    """Tell when it began."""
    bodies.stamp(number)


@worker.task(ttl=bodies.LONG)
async def sleep(number: int) -> None:
    """Sleep until it is aborted."""
    await bodies.sleep(number)


JOBS: Final = {"noop": noop, "stamp": stamp, "sleep": sleep}


class Streaq(KillingLibrary):
    """Its worker is its client, too."""

    loop = uvloop.Loop

    def work(self) -> None:
        """Run it."""
        worker.run_sync()

    async def open(self) -> None:
        """Connect until the process ends."""
        await AsyncExitStack().enter_async_context(worker)

    async def submit(self, job: str, *numbers: int) -> Any:
        """One call."""
        return await JOBS[job].enqueue(*numbers)

    async def submit_many(self, count: int) -> None:
        """A thousand a call."""
        for first in range(0, count, CHUNK):
            jobs = [noop.enqueue() for _ in range(min(CHUNK, count - first))]
            await worker.enqueue_many(jobs)

    async def kill(self, handle: Any) -> None:
        """Ask, and wait until it has ended, as this call does."""
        await handle.abort(PATIENCE)


if __name__ == "__main__":
    main(Streaq())
