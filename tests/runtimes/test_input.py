"""What a process reads."""

import json
from collections.abc import AsyncIterator, Iterator
from io import FileIO
from typing import Any

import anyio

from musterd.runtimes.input import Input
from tests.support.contexts import PaperMessages
from tests.support.pace import within


async def read(reading: FileIO, size: int) -> bytes:
    """So many bytes, waited for."""
    data = b""
    with anyio.fail_after(within(5)):
        while len(data) < size:
            await anyio.wait_readable(reading)
            data += reading.read(size - len(data)) or b""
    return data


def test_context_alone_ends_the_input(pipe: tuple[FileIO, FileIO]) -> None:
    """Byte for byte, and closed at once."""
    reading, writing = pipe
    assert Input(writing, '{"a":"é"}', None).offer()
    assert reading.read() == '{"a":"é"}'.encode()
    assert writing.closed


async def test_messages_follow_a_line_each(pipe: tuple[FileIO, FileIO]) -> None:
    """After the context, in their order, without an end; line breaks stay inside of JSON."""
    reading, writing = pipe
    messages: tuple[Any, ...] = (1, None, "two\nlines", {"é": []})
    stdin = Input(writing, "null", PaperMessages(messages))
    assert not stdin.offer()
    expected = "".join(
        json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"
        for value in [None, *messages]
    ).encode()
    async with anyio.create_task_group() as group:
        group.start_soon(stdin.follow)
        assert await read(reading, len(expected)) == expected
        await anyio.wait_all_tasks_blocked()
        assert not writing.closed
        group.cancel_scope.cancel()


async def test_slow_reader_gets_all(pipe: tuple[FileIO, FileIO]) -> None:
    """A message larger than the pipe waits for whoever reads, and nobody else does."""
    reading, writing = pipe
    large = "x" * 1_000_000
    stdin = Input(writing, "1", PaperMessages((large, 2)))
    assert not stdin.offer()
    async with anyio.create_task_group() as group:
        group.start_soon(stdin.follow)
        assert await read(reading, 1_000_007) == f'1\n"{large}"\n2\n'.encode()
        group.cancel_scope.cancel()


class Taking:
    """Notes how many messages were asked for."""

    def __init__(self) -> None:
        self.asked = 0

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            self.asked += 1
            yield "x" * 50_000

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("only taken with `async for`")


async def test_message_is_taken_once_the_last_is_in_the_pipe(pipe: tuple[FileIO, FileIO]) -> None:
    """One that reads nothing takes no more than the pipe holds."""
    _, writing = pipe
    messages = Taking()
    stdin = Input(writing, "1", messages)
    stdin.offer()
    async with anyio.create_task_group() as group:
        group.start_soon(stdin.follow)
        for _ in range(10):
            await anyio.wait_all_tasks_blocked()
        assert 1 <= messages.asked <= 2
        group.cancel_scope.cancel()


async def test_reader_that_is_gone_ends_it(pipe: tuple[FileIO, FileIO]) -> None:
    """A process may close its input and work on; its messages are nobody's."""
    reading, writing = pipe
    stdin = Input(writing, "x" * 1_000_000, Taking())
    assert not stdin.offer()
    reading.close()
    with anyio.fail_after(within(5)):
        await stdin.follow()
    assert writing.closed
