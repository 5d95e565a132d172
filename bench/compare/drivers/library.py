"""What each library is asked for, and the two programs that ask it: its worker and its producer.

`python -m bench.compare.drivers.NAME work` is a worker. With `produce` it carries out orders: a
JSON object a line on standard input, each answered by a JSON value on standard output. `bullmq.cjs`
does the same in JavaScript. asyncio is used as it is: not all these environments hold anyio.
"""

import asyncio
import json
import os
import random
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any, ClassVar, Final

URL: Final = os.environ.get("COMPARE_URL", "redis://127.0.0.1:6379")
CONCURRENCY: Final = int(os.environ.get("COMPARE_CONCURRENCY", "100"))
CHUNK: Final = 1000
"""Jobs in one call of a library that takes many, where it sets no size itself."""

_SIDE_BY_SIDE: Final = 100


class Library(ABC):
    """A library. Jobs are `noop` without a number, `stamp` and `sleep` with one."""

    loop: ClassVar[type[asyncio.AbstractEventLoop] | None] = None
    """The class of its event loops; asyncio's own unless told."""

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run this to its end on an event loop of the library's."""
        with asyncio.Runner(loop_factory=self.loop) as runner:
            runner.run(work)

    @abstractmethod
    def work(self) -> None:
        """Be a worker, of `CONCURRENCY` jobs at once, until the process is ended."""

    @abstractmethod
    async def open(self) -> None:
        """Connect."""

    @abstractmethod
    async def submit(self, job: str, *numbers: int) -> Any:
        """Submit a job and return once the server has it, with what `kill` takes."""

    async def submit_many(self, count: int) -> None:
        """Submit so many `noop`; a hundred submits side by side where the library has no call."""
        numbers = iter(range(count))

        async def submit_each() -> None:
            for _ in numbers:
                await self.submit("noop")

        await asyncio.gather(*(submit_each() for _ in range(_SIDE_BY_SIDE)))


class KillingLibrary(Library):
    """One that can stop a running job from another process. Peers of all others skip `kill`."""

    @abstractmethod
    async def kill(self, handle: Any) -> None:
        """Stop a running job."""


class Producer:
    """Carries out orders: each method but `serve` is one, its arguments are the order's fields."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._sleepers: list[Any] = []
        self._kills: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Carry out orders until there are no more."""
        with os.fdopen(os.dup(1), "w") as replies:
            os.dup2(2, 1)  # what a library prints is no reply
            await self._library.open()
            while line := await asyncio.to_thread(sys.stdin.readline):
                order = json.loads(line)
                reply = await getattr(self, order.pop("do"))(**order)
                print(json.dumps(reply), file=replies, flush=True)

    async def plain(self, count: int) -> float:
        """One awaited submit after the other; seconds that they took."""
        began = time.perf_counter()
        for _ in range(count):
            await self._library.submit("noop")
        return time.perf_counter() - began

    async def bulk(self, count: int) -> float:
        """Many as fast as the library takes them; seconds."""
        began = time.perf_counter()
        await self._library.submit_many(count)
        return time.perf_counter() - began

    async def stamps(self, first: int, count: int, gap: float) -> list[float]:
        """One every `gap` seconds, whatever became of those before; when each was submitted."""
        asked = []
        begin = time.monotonic()
        for number in range(count):
            await asyncio.sleep(max(0.0, begin + number * gap - time.monotonic()))
            asked.append(time.monotonic())
            await self._library.submit("stamp", first + number)
        return asked

    async def sleepers(self, count: int) -> None:
        """Submit so many that sleep."""
        numbers = iter(range(count))
        handles: dict[int, Any] = {}

        async def submit_each() -> None:
            for number in numbers:
                handles[number] = await self._library.submit("sleep", number)

        await asyncio.gather(*(submit_each() for _ in range(_SIDE_BY_SIDE)))
        self._sleepers = [handles[number] for number in range(count)]

    async def kills(self, count: int, longest: float, seed: int) -> list[float]:
        """Kill the first sleepers; when each was asked for.

        The gaps between them are random, so that they meet a poll at any time of its period, and
        nothing waits until a kill has come through: a slow one must not put off the next.
        """
        library = self._library
        if not isinstance(library, KillingLibrary):
            raise TypeError(f"{type(library).__name__} stops no job: its peer has to skip 'kill'")
        gaps = random.Random(seed)  # noqa: S311 - to be played again
        asked = []
        for handle in self._sleepers[:count]:
            await asyncio.sleep(gaps.uniform(0, longest))
            asked.append(time.monotonic())
            task = asyncio.ensure_future(library.kill(handle))
            self._kills.add(task)
        return asked


def main(library: Library) -> None:
    """Be the worker or the producer of a library, as the command line says."""
    if sys.argv[1] == "work":
        library.work()
    else:
        library.run(Producer(library).serve())
