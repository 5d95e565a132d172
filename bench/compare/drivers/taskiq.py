"""taskiq with the brokers of taskiq-redis: `COMPARE_BROKER` is `stream` or `list`.

Results are kept in Redis. It cannot stop a job from another process.
"""

import os
from typing import Any, Final

import uvloop
from taskiq.api import run_receiver_task
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker

from bench.compare.drivers import bodies
from bench.compare.drivers.library import CONCURRENCY, URL, Library, main

_kept: RedisAsyncResultBackend[Any] = RedisAsyncResultBackend(URL, result_ex_time=bodies.LONG)
broker = (
    ListQueueBroker(URL)
    if os.environ.get("COMPARE_BROKER") == "list"
    else RedisStreamBroker(URL, consumer_id="0")  # jobs from before the first worker, too
).with_result_backend(_kept)


@broker.task(task_name="noop")
async def noop() -> None:
    """Nothing."""
    bodies.begin()


@broker.task(task_name="stamp")
async def stamp(number: int) -> None:
    """Tell when it began."""
    bodies.stamp(number)


@broker.task(task_name="sleep")
async def sleep(number: int) -> None:
    """Sleep."""
    await bodies.sleep(number)


JOBS: Final = {"noop": noop, "stamp": stamp, "sleep": sleep}


class Taskiq(Library):
    """Its tasks are its client."""

    loop = uvloop.Loop

    def work(self) -> None:
        """Run a receiver, which is what its worker runs in each of its processes."""
        broker.is_worker_process = True

        async def run() -> None:
            await broker.startup()
            await run_receiver_task(
                broker, max_async_tasks=CONCURRENCY, sync_workers=1, max_prefetch=0
            )

        self.run(run())

    async def open(self) -> None:
        """Connect."""
        await broker.startup()

    async def submit(self, job: str, *numbers: int) -> Any:
        """One call."""
        return await JOBS[job].kiq(*numbers)


if __name__ == "__main__":
    main(Taskiq())
