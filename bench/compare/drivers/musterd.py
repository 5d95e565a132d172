"""musterd itself: `musterd run` with the settings it ships with, and its client."""

import os
import sys

import musterd
from bench.compare.drivers import bodies
from bench.compare.drivers.library import CONCURRENCY, URL, KillingLibrary, main
from musterd.client import Client
from musterd.settings import load
from musterd.submission import Submission


@musterd.agent("noop")
async def noop(_context: musterd.Context) -> None:
    """Nothing."""
    bodies.begin()


@musterd.agent("stamp")
async def stamp(context: musterd.Context) -> None:
    """Tell when it began."""
    bodies.stamp(context.context)


@musterd.agent("sleep")
async def sleep(context: musterd.Context) -> None:
    """Sleep until it is killed."""
    await bodies.sleep(context.context)


class Musterd(KillingLibrary):
    """The client; `VALKEY_URL` says where."""

    def work(self) -> None:
        """Become the daemon."""
        os.environ["MUSTERD_AGENTS"] = "bench.compare.drivers.musterd"
        os.environ["MUSTERD_CAPACITY"] = str(CONCURRENCY)
        os.execv(sys.executable, [sys.executable, "-m", "musterd", "run"])  # noqa: S606 - no shell

    async def open(self) -> None:
        """It connects with its first call."""
        self._client = Client(load(url=URL))

    async def submit(self, job: str, *numbers: int) -> str:
        """One call."""
        return await self._client.submit(job, *numbers)

    async def submit_many(self, count: int) -> None:
        """All in one call of the client, which divides them itself."""
        await self._client.submit_many([Submission(kind="noop") for _ in range(count)])

    async def kill(self, handle: str) -> None:
        """The request is durable when this returns."""
        await self._client.kill(handle)


if __name__ == "__main__":
    main(Musterd())
