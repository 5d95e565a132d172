"""Who is called when a descriptor can be read."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from contextvars import ContextVar
from functools import partial
from io import FileIO

import anyio
import pytest
from anyio.lowlevel import checkpoint

from musterd.runtimes.readiness import readiness
from tests.support.pace import within
from tests.support.wait import wait_until

who: ContextVar[str] = ContextVar("who", default="nobody")


@pytest.fixture
def pipes() -> Iterator[list[tuple[FileIO, FileIO]]]:
    """Some; a reading and a writing end of each."""
    with ExitStack() as stack:
        yield [
            (
                stack.enter_context(FileIO(reading, "rb")),
                stack.enter_context(FileIO(writing, "wb")),
            )
            for reading, writing in (os.pipe() for _ in range(3))
        ]


async def test_each_is_called_in_the_context_in_which_it_was_added(
    pipes: list[tuple[FileIO, FileIO]],
) -> None:
    """Log lines carry the ids of the agent that they are of."""
    called: list[str] = []
    for number, (reading, writing) in enumerate(pipes):
        who.set(f"agent {number}")

        def take(reading: FileIO = reading) -> None:
            reading.read(1)
            called.append(who.get())

        readiness().add(reading.fileno(), take)
        writing.write(b"x")
    who.set("another")
    await wait_until(lambda: len(called) == 3)
    assert sorted(called) == ["agent 0", "agent 1", "agent 2"]
    for reading, _ in pipes:
        readiness().remove(reading.fileno())


async def test_one_that_was_removed_is_not_called(pipes: list[tuple[FileIO, FileIO]]) -> None:
    """Also if the kernel has told of both already; removing it again is no error."""
    called: list[int] = []
    descriptors = [reading.fileno() for reading, _ in pipes]

    def take(number: int) -> None:
        called.append(number)
        for descriptor in descriptors:
            readiness().remove(descriptor)

    for number, descriptor in enumerate(descriptors):
        readiness().add(descriptor, partial(take, number))
        pipes[number][1].write(b"x")
    await wait_until(lambda: called)
    for _ in range(5):
        await checkpoint()
    assert len(called) == 1


async def test_end_is_told_too(pipes: list[tuple[FileIO, FileIO]]) -> None:
    """Nobody can write any more: reading would answer that at once."""
    reading, writing = pipes[0]
    ended = anyio.Event()
    readiness().add(reading.fileno(), ended.set)
    await checkpoint()
    assert not ended.is_set()
    writing.close()
    with anyio.fail_after(within(5)):
        await ended.wait()
    readiness().remove(reading.fileno())


def test_each_loop_has_its_own() -> None:
    """What one loop watched is nothing to the next."""

    async def use() -> None:
        reading, writing = os.pipe()
        called = anyio.Event()
        readiness().add(reading, called.set)
        os.close(writing)
        with anyio.fail_after(within(5)):
            await called.wait()
        readiness().remove(reading)
        os.close(reading)

    anyio.run(use)
    anyio.run(use)
