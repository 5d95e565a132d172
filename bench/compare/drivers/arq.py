"""arq, which looks for new jobs and for aborts every 10 ms instead of every 500."""

from typing import Any, Final

import uvloop
from arq import create_pool, func
from arq.connections import RedisSettings
from arq.jobs import Job
from arq.worker import Worker

from bench.compare.drivers import bodies
from bench.compare.drivers.library import CONCURRENCY, URL, KillingLibrary, main

POLL: Final = 0.01
PATIENCE: Final = 60
SERVER: Final = RedisSettings.from_dsn(URL)


async def noop(_context: Any) -> None:
    """Nothing."""
    bodies.begin()


async def stamp(_context: Any, number: int) -> None:
    """Tell when it began."""
    bodies.stamp(number)


async def sleep(_context: Any, number: int) -> None:
    """Sleep until it is aborted."""
    await bodies.sleep(number)


class Arq(KillingLibrary):
    """Its pool of connections is its client."""

    loop = uvloop.Loop

    def work(self) -> None:
        """Run a worker that allows aborts."""

        async def run() -> None:
            worker = Worker(
                [func(noop), func(stamp), func(sleep, timeout=2 * bodies.LONG)],
                redis_settings=SERVER,
                max_jobs=CONCURRENCY,
                poll_delay=POLL,
                allow_abort_jobs=True,
                handle_signals=False,
            )
            await worker.async_run()

        self.run(run())

    async def open(self) -> None:
        """Connect."""
        self._pool = await create_pool(SERVER)

    async def submit(self, job: str, *numbers: int) -> Job | None:
        """One call."""
        return await self._pool.enqueue_job(job, *numbers)

    async def kill(self, handle: Job) -> None:
        """Ask, and wait until it has ended, as this call does."""
        await handle.abort(timeout=PATIENCE, poll_delay=0.05)


if __name__ == "__main__":
    main(Arq())
