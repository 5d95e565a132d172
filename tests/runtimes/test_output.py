"""What a process writes: followed while it runs, and taken from its pipe when it has ended."""

from collections.abc import AsyncIterator
from io import FileIO
from typing import NamedTuple

import anyio
import pytest
from anyio.lowlevel import checkpoint

from musterd.runtimes.output import Output
from tests.support.pace import within
from tests.support.wait import wait_until

LINE = b"x" * 99 + b"\n"
"""A hundred bytes. 81 of them come with one read; 50 are logged at a stretch."""


class Stream(NamedTuple):
    """A pipe that is followed, and what is kept of it."""

    writing: FileIO
    output: Output
    lines: list[str]


@pytest.fixture
async def stream(pipe: tuple[FileIO, FileIO]) -> AsyncIterator[Stream]:
    """Followed until the test ends."""
    reading, writing = pipe
    lines: list[str] = []
    output = Output(reading, "stdout", lambda _, line: lines.append(line))
    output.follow()
    yield Stream(writing, output, lines)
    await output.finish()


async def test_it_is_followed_after_a_burst(stream: Stream) -> None:
    """More lines than are logged at a stretch, and then another one."""
    stream.writing.write(LINE * 200)
    await wait_until(lambda: len(stream.lines) == 200)
    stream.writing.write(LINE)
    await wait_until(lambda: len(stream.lines) == 201)


async def test_what_is_in_the_pipe_is_taken_at_the_end(stream: Stream) -> None:
    """In its order, each line once, the last one without its end; what comes later is not."""
    texts = [f"{number:099}" for number in range(300)]
    stream.writing.write("\n".join(texts).encode())
    while not stream.lines:
        await checkpoint()
    assert len(stream.lines) == 50, "others have their turn"
    await stream.output.finish()
    assert stream.lines == texts
    stream.writing.write(LINE)
    for _ in range(10):
        await checkpoint()
    assert len(stream.lines) == len(texts)


async def test_end_of_the_stream_ends_its_last_line(stream: Stream) -> None:
    """While the process goes on; half a character is replaced."""
    stream.writing.write("one\r\ntwo ä".encode()[:-1])
    await wait_until(lambda: stream.lines == ["one"])
    stream.writing.close()
    await wait_until(lambda: stream.lines == ["one", "two \ufffd"])


async def test_one_that_is_written_to_without_end_ends(stream: Stream) -> None:
    """A stranger may hold the pipe open, and fill it as fast as it is read."""

    async def fill() -> None:
        while True:
            stream.writing.write(LINE * 100)
            await checkpoint()

    stream.writing.write(LINE)
    async with anyio.create_task_group() as group:
        group.start_soon(fill)
        with anyio.fail_after(within(20)):
            await stream.output.finish()
        group.cancel_scope.cancel()
