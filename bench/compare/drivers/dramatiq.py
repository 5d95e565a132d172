"""dramatiq on Redis: plain functions on as many threads as jobs at once. It cannot stop a job."""

import threading
from typing import Any, Final

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.compare.drivers import bodies
from bench.compare.drivers.library import CONCURRENCY, URL, Library, main

broker = RedisBroker(url=URL)
dramatiq.set_broker(broker)


@dramatiq.actor(max_retries=0)
def noop() -> None:
    """Nothing."""
    bodies.begin()


@dramatiq.actor(max_retries=0)
def stamp(number: int) -> None:
    """Tell when it began."""
    bodies.stamp(number)


JOBS: Final = {"noop": noop, "stamp": stamp}


class Dramatiq(Library):
    """Its actors are its client; they know nothing of asyncio."""

    def work(self) -> None:
        """Run a worker, which is what its command runs in each of its processes."""
        dramatiq.Worker(broker, worker_threads=CONCURRENCY).start()
        threading.Event().wait()

    async def open(self) -> None:
        """It connects with its first call."""

    async def submit(self, job: str, *numbers: int) -> Any:
        """One call."""
        return JOBS[job].send(*numbers)

    async def submit_many(self, count: int) -> None:
        """One after the other: it has no call for many."""
        for _ in range(count):
            noop.send()


if __name__ == "__main__":
    main(Dramatiq())
