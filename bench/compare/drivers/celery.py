"""Celery on Redis, with results in Redis: `COMPARE_POOL` is `threads` or `gevent`."""

import os
import sys
from typing import Any, Final

from celery import Celery

from bench.compare.drivers import bodies
from bench.compare.drivers.library import CONCURRENCY, URL, KillingLibrary, main

POOL: Final = os.environ.get("COMPARE_POOL", "threads")

app = Celery("compare", broker=URL, backend=URL)
app.conf.update(
    worker_prefetch_multiplier=4,
    result_expires=bodies.LONG,
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop() -> None:
    """Nothing."""
    bodies.begin()


@app.task(name="stamp")
def stamp(number: int) -> None:
    """Tell when it began."""
    bodies.stamp(number)


@app.task(name="sleep")
def sleep(number: int) -> None:
    """Sleep until it is revoked."""
    bodies.sleep_in_thread(number)


JOBS: Final = {"noop": noop, "stamp": stamp, "sleep": sleep}


class CeleryLibrary(KillingLibrary):
    """Its tasks are its client; they know nothing of asyncio."""

    def work(self) -> None:
        """Become its worker, which patches itself for gevent before anything else is imported."""
        options = ["--pool", POOL, "--concurrency", str(CONCURRENCY), "--loglevel", "ERROR"]
        alone = ["--without-gossip", "--without-mingle"]
        celery = [sys.executable, "-m", "celery", "--app", "bench.compare.drivers.celery"]
        os.execv(sys.executable, [*celery, "worker", *options, *alone])  # noqa: S606 - no shell

    async def open(self) -> None:
        """It connects with its first call."""

    async def submit(self, job: str, *numbers: int) -> Any:
        """One call."""
        return JOBS[job].delay(*numbers)

    async def submit_many(self, count: int) -> None:
        """One after the other over one producer: it has no call for many."""
        with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
            for _ in range(count):
                noop.apply_async(producer=producer)

    async def kill(self, handle: Any) -> None:
        """Ask."""
        handle.revoke(terminate=True)


if __name__ == "__main__":
    main(CeleryLibrary())
