"""saq on its queue for Redis, as it ships; it looks for aborts every second."""

from typing import Any

import uvloop
from saq import Job, Queue, Worker

from bench.compare.drivers import bodies
from bench.compare.drivers.library import CONCURRENCY, URL, KillingLibrary, main


async def noop(_context: Any) -> None:
    """Nothing."""
    bodies.begin()


async def stamp(_context: Any, *, number: int) -> None:
    """Tell when it began."""
    bodies.stamp(number)


async def sleep(_context: Any, *, number: int) -> None:
    """Sleep until it is aborted."""
    await bodies.sleep(number)


class Saq(KillingLibrary):
    """Its queue is its client."""

    loop = uvloop.Loop

    def work(self) -> None:
        """Run a worker."""

        async def run() -> None:
            await Worker(Queue.from_url(URL), [noop, stamp, sleep], concurrency=CONCURRENCY).start()

        self.run(run())

    async def open(self) -> None:
        """Connect."""
        self._queue = Queue.from_url(URL)
        await self._queue.connect()

    async def submit(self, job: str, *numbers: int) -> Job | None:
        """One call; a timeout of 0 is none."""
        limits = {"timeout": 0} if job == "sleep" else {}
        return await self._queue.enqueue(
            job, **limits, **dict(zip(["number"], numbers, strict=False))
        )

    async def kill(self, handle: Job) -> None:
        """Ask."""
        await handle.abort("compared")


if __name__ == "__main__":
    main(Saq())
