"""What a command costs the daemon, counted and not timed: it may become less, but not more.

docs/performance.md has what it takes in microseconds.
"""

import asyncio
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import anyio
import pytest

from musterd.runtimes.process import ProcessRuntime
from tests.support.contexts import make_context
from tests.support.descriptors import open_files

pytestmark = pytest.mark.usefixtures("subreaper")

COMMANDS = 20

CALLS = 500
"""Of functions, Python's and C's, for a command that does nothing; about 420 are needed."""


async def test_calls(tmp_path: Path) -> None:
    """It was 2,000 once."""
    runtime = ProcessRuntime(["true"], tmp_path)
    await runtime.run(make_context())
    calls = 0

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        for number in range(COMMANDS):
            await runtime.run(make_context(agent_id=f"t{number}.1"))
    finally:
        sys.setprofile(None)
    assert calls / COMMANDS < CALLS


def state_of(folder: Path) -> dict[str, int]:
    """What is there, and when anything in it was made or removed last."""
    return {str(path): path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))}


async def test_one_that_leaves_nothing_writes_nothing(tmp_path: Path) -> None:
    """Neither a folder nor a file is made or removed for it."""
    runtime = ProcessRuntime(["true"], tmp_path)
    await runtime.run(make_context())
    before = state_of(tmp_path)
    for number in range(COMMANDS):
        await runtime.run(make_context(agent_id=f"t{number}.1"))
    assert state_of(tmp_path) == before


async def test_one_that_runs_holds_three_descriptors_and_no_task(tmp_path: Path) -> None:
    """Its two streams and itself; what follows them is called by the event loop."""
    runtime = ProcessRuntime(["sleep", "1000"], tmp_path)
    contexts = [make_context(agent_id=f"t{number}.1", grace=0) for number in range(COMMANDS)]
    await ProcessRuntime(["true"], tmp_path).run(make_context())
    tasks, descriptors = len(asyncio.all_tasks()), len(open_files())
    async with anyio.create_task_group() as group:
        for context in contexts:
            group.start_soon(runtime.run, context)
        await anyio.wait_all_tasks_blocked()
        assert len(asyncio.all_tasks()) == tasks + COMMANDS
        assert len(open_files()) == descriptors + 3 * COMMANDS
        group.cancel_scope.cancel()
