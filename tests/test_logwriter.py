"""Lines that wait for a reader: in order, bounded in memory, and nobody waits with them."""

import fcntl
import os
import threading
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from musterd.logwriter import LogWriter


class Pipe(NamedTuple):
    """A pipe's ends."""

    reader: int
    writer: int

    def read(self, until: bytes) -> bytes:
        """What comes, up to these bytes."""
        seen = bytearray()
        while until not in seen[-65_536 - len(until) :]:
            seen += os.read(self.reader, 65_536)
        return bytes(seen)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe that holds one page."""
    ends = Pipe(*os.pipe())
    fcntl.fcntl(ends.writer, fcntl.F_SETPIPE_SZ, 4096)
    yield ends
    for end in ends:
        os.close(end)


def ignore(_: int) -> None:
    """Tell nobody of dropped lines."""


def telling(pipe: Pipe, limit: int) -> LogWriter:
    """A writer that tells of dropped lines in a line."""
    writer = LogWriter(pipe.writer, lambda count: writer.write(b"dropped %d !\n" % count), limit)
    return writer


def numbers(lines: list[bytes]) -> tuple[list[int], list[int]]:
    """The numbered lines, and the counts of dropped ones."""
    kept = [int(line) for line in lines if line.strip().isdigit()]
    return kept, [int(line.split()[1]) for line in lines if line.startswith(b"dropped")]


def test_no_thread_before_the_first_line(pipe: Pipe) -> None:
    """A command that logs nothing starts nothing."""
    before = threading.active_count()
    writer = LogWriter(pipe.writer, ignore)
    assert writer.flush(1)
    assert threading.active_count() == before


def test_burst_loses_nothing(pipe: Pipe) -> None:
    """A live reader gets each of 100,000 lines in order, and nobody is told of dropped ones."""
    dropped: list[int] = []
    writer = LogWriter(pipe.writer, dropped.append)
    seen: list[bytes] = []
    reader = threading.Thread(target=lambda: seen.append(pipe.read(b" 99999\n")))
    reader.start()
    for number in range(100_000):
        writer.write(b"%120d\n" % number)
    reader.join()
    assert numbers(seen[0].splitlines()) == (list(range(100_000)), [])
    assert dropped == []


def test_stalled_reader_stops_nobody(pipe: Pipe) -> None:
    """Lines that find no room are counted; once there is room that is told, though nobody logs."""
    writer = telling(pipe, limit=10_000)
    for number in range(1000):
        writer.write(b"%99d\n" % number)
    assert not writer.flush(0.01)
    kept, dropped = numbers(pipe.read(b"!\n").splitlines())
    assert kept == list(range(len(kept)))
    assert 100 <= len(kept) <= 141  # what waits, and what the pipe holds
    assert dropped == [1000 - len(kept)]
    assert writer.flush(1)


def test_dropped_lines_are_told_of_where_they_are_missing(pipe: Pipe) -> None:
    """Before the next line that is kept; and only then, as half of the room is free again."""
    writer = telling(pipe, limit=200_000)
    for number in range(3000):
        writer.write(b"%99d\n" % number)
    seen = b""
    while len(seen) < 180_000:  # two batches are let go by now, whatever their sizes
        seen += os.read(pipe.reader, 4096)
    for number in range(3000, 3010):
        writer.write(b"%99d\n" % number)
    writer.write(b"end\n")
    lines = (seen + pipe.read(b"end\n")).splitlines()
    kept, dropped = numbers(lines)
    assert len(dropped) == 1
    before = next(at for at, line in enumerate(lines) if line.startswith(b"dropped"))
    assert kept == [*range(before), *range(before + dropped[0], 3010)]


def test_line_while_dropped_ones_are_told_of(pipe: Pipe) -> None:
    """What is logged in the middle of a log call, by a finalizer say, does not block it."""

    def tell(_: int) -> None:
        for _ in range(3):
            writer.write(b"again\n")

    writer = LogWriter(pipe.writer, tell, limit=10_000)
    for _ in range(200):
        writer.write(b"x" * 99 + b"\n")
    assert pipe.read(b"again\n" * 3)
    assert writer.flush(1)


def test_descriptor_that_does_not_block(pipe: Pipe) -> None:
    """A program that shares it may have set it so; no line is lost."""
    os.set_blocking(pipe.writer, False)
    writer = LogWriter(pipe.writer, ignore)
    for number in range(100):
        writer.write(b"%9999d\n" % number)
    assert numbers(pipe.read(b" 99\n").splitlines()) == (list(range(100)), [])


def test_descriptor_that_takes_nothing(pipe: Pipe) -> None:
    """Lines for a descriptor that cannot be written go nowhere, and hold up nobody."""
    writer = LogWriter(pipe.reader, ignore)
    for _ in range(100):
        writer.write(b"x\n")
    assert writer.flush(1)


def test_flush_waits_for_a_slow_reader(pipe: Pipe) -> None:
    """As long as something goes out; but not for what is written meanwhile, which may not end."""
    ended = threading.Event()
    slow = LogWriter(pipe.writer, ignore)

    def crawl(_: bytes) -> bool:
        return ended.wait(0.02)

    slow.forward = crawl
    for _ in range(10):
        slow.write(b"x" * 70_000)
    babbling = threading.Thread(target=babble, args=(slow, ended))
    reading = threading.Thread(target=pipe.read, args=(b"end\n",))
    reading.start()
    babbling.start()
    try:
        assert slow.flush(2.0)
    finally:
        ended.set()
        babbling.join()
    slow.forward = None
    slow.write(b"end\n")
    reading.join()


def babble(writer: LogWriter, ended: threading.Event) -> None:
    """Log for ever."""
    while not ended.wait(0.001):
        writer.write(b"more\n")


def test_line_after_the_close(pipe: Pipe) -> None:
    """What comes so late is written at once."""
    writer = LogWriter(pipe.writer, ignore)
    writer.write(b"a\n")
    writer.close(1)
    writer.write(b"b\n")
    assert os.read(pipe.reader, 100) == b"a\nb\n"


def test_line_without_threads(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives no thread, lines are written all the same."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    writer = LogWriter(pipe.writer, ignore)
    for _ in range(2):
        writer.write(b"x\n")
    assert os.read(pipe.reader, 100) == b"x\nx\n"
