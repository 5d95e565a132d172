"""Agents that are Python functions; a daemon offers them with `--agents musterd.demo.agents`.

An `async def` runs in the daemon, a plain `def` in a process of its own. Both return the task's
result, and fail by raising.
"""

import time
from pathlib import Path

import musterd
from musterd.jsons import Json
from musterd.records import TaskRecord
from musterd.runtimes.base import ContextRejected


@musterd.agent("summarise", timeout=60)
async def summarise(ctx: musterd.Context) -> Json:
    """Wait for the checks whose task ids the context names, and add up what they found."""
    match ctx.context:
        case {"tasks": [*task_ids]}:
            pass
        case _:
            raise ContextRejected('the context must be {"tasks": ["task id", …]}')
    summary = {"repositories": 0, "files": 0, "problems": 0}
    async with musterd.Client() as client:
        for task_id in task_ids:
            task = await client.wait_for(str(task_id))
            assert isinstance(task, TaskRecord)  # noqa: S101 - the id is a task's
            ctx.log.info("read", check=task_id, status=task.status)
            add(summary, task)
    return {**summary}


def add(summary: dict[str, int], task: TaskRecord) -> None:
    """Count one check in."""
    match task.result:
        case {"files": int(files), "problems": int(problems)}:
            summary["repositories"] += 1
            summary["files"] += files
            summary["problems"] += problems


@musterd.agent("publish", max_attempts=5, backoff=2)
def publish(ctx: musterd.Context) -> Json:
    """Write a page; fails while someone else holds the lock beside it, and is then tried again."""
    match ctx.context:
        case {"page": str(name), "text": str(text)}:
            page = Path(name)
        case _:
            raise ContextRejected('the context must be {"page": "path", "text": "…"}')
    lock = page.with_suffix(".lock")
    ctx.log.info("publishing", page=page.name)
    try:
        lock.touch(exist_ok=False)
    except FileExistsError:
        raise RuntimeError(f"{lock.name} is held by {lock.read_text() or 'another'}") from None
    try:
        page.write_text(text, encoding="utf-8")
    finally:
        lock.unlink()
    return {"page": page.name, "bytes": page.stat().st_size}


@musterd.agent("count-lines", timeout=600)
def count_lines(ctx: musterd.Context) -> Json:
    """Count the lines of the Python files below a folder."""
    match ctx.context:
        case {"folder": str(folder)}:
            pass
        case _:
            raise ContextRejected('the context must be {"folder": "path"}')
    started = time.perf_counter()
    counts = [len(path.read_bytes().splitlines()) for path in Path(folder).rglob("*.py")]
    ctx.log.info("counted", files=len(counts), seconds=round(time.perf_counter() - started, 3))
    return {"files": len(counts), "lines": sum(counts), "longest": max(counts, default=0)}
