"""Fixtures for runtimes."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import ExitStack
from io import FileIO

import pytest

from musterd.runtimes.orphans import become_subreaper


@pytest.fixture
def subreaper() -> Iterator[None]:
    """This process adopts orphans, as the daemon does, until the test ends."""
    assert become_subreaper()
    yield
    ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)


@pytest.fixture
def pipe() -> Iterator[tuple[FileIO, FileIO]]:
    """Its two ends; neither of them waits."""
    with ExitStack() as ends:
        reading, writing = (
            ends.enter_context(FileIO(end, mode))
            for end, mode in zip(os.pipe(), ("rb", "wb"), strict=True)
        )
        for end in (reading, writing):
            os.set_blocking(end.fileno(), False)
        yield reading, writing
