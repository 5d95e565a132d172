"""docket, which looks for work every 5 ms instead of every 250, with connections for all its jobs.

redis-py's pool holds 100 unless told. With as many jobs at once, docket's claims fail for want of a
connection, and those jobs come again after five minutes.
"""

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, Final

import uvloop
from docket import Docket, Worker

from bench.compare.drivers import bodies
from bench.compare.drivers.library import CONCURRENCY, URL, KillingLibrary, main

CHECK: Final = timedelta(milliseconds=5)


async def noop() -> None:
    """Nothing."""
    bodies.begin()


async def stamp(number: int) -> None:
    """Tell when it began."""
    bodies.stamp(number)


async def sleep(number: int) -> None:
    """Sleep until it is cancelled."""
    await bodies.sleep(number)


JOBS: Final = {"noop": noop, "stamp": stamp, "sleep": sleep}


def make_docket() -> Docket:
    """One that knows the jobs."""
    docket = Docket(name="compare", url=f"{URL}?max_connections=12000")
    for job in JOBS.values():
        docket.register(job)
    return docket


class DocketLibrary(KillingLibrary):
    """A docket is its client."""

    loop = uvloop.Loop

    def work(self) -> None:
        """Run a worker."""

        async def run() -> None:
            async with (
                make_docket() as docket,
                Worker(docket, concurrency=CONCURRENCY, minimum_check_interval=CHECK) as worker,
            ):
                await worker.run_forever()

        self.run(run())

    async def open(self) -> None:
        """Connect until the process ends."""
        self._docket = await AsyncExitStack().enter_async_context(make_docket())

    async def submit(self, job: str, *numbers: int) -> str:
        """One call; its key is what it is cancelled by."""
        execution = await self._docket.add(JOBS[job])(*numbers)
        return execution.key

    async def submit_many(self, count: int) -> None:
        """All in one call."""
        await self._docket.add_many([self._docket.call(noop)() for _ in range(count)])

    async def kill(self, handle: Any) -> None:
        """Ask."""
        await self._docket.cancel(handle)


if __name__ == "__main__":
    main(DocketLibrary())
