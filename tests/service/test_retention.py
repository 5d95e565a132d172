"""What ended tasks leave behind once their time is over: nothing."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.scene import KINDS, Scene, open_scene
from tests.support.fixtures import StartDaemon
from tests.support.server import Server
from tests.support.wait import wait_until

AGENTS = f"{KINDS},tests.agents.talkers"


@pytest.fixture
async def scene(
    server: Server, prefix: str, tmp_path: Path, start_daemon: StartDaemon
) -> AsyncIterator[Scene]:
    """A scene whose records expire."""
    opened = open_scene(server, prefix, tmp_path, start_daemon, records_expire=True)
    async with opened as scene:
        yield scene


async def keys(scene: Scene) -> set[str]:
    """What there is below the prefix, without it."""
    prefix = f"{scene.keys.prefix}:"
    found: Any = scene.redis.scan_iter(match=f"{prefix}*", count=1000)
    return {key.removeprefix(prefix) async for key in found}


async def test_records_indexes_and_output_go(scene: Scene) -> None:
    """A hundred tasks of every sort of ending, with output, notes and a retry."""
    daemon = await scene.daemon(MUSTERD_AGENTS=AGENTS, MUSTERD_RETENTION="1")
    before = await keys(scene)
    seen = set(before)
    for kind in ("mumble", "echo", "flaky", "crash"):
        for _ in range(25):
            await scene.submit(kind, max_attempts=3 if kind == "flaky" else None)
            seen |= await keys(scene)
    await scene.quiet()
    assert len(seen) > len(before) + 100

    async def is_as_before() -> bool:
        lasting = before | {"events:log", "sequence", "nodes", "kinds"}
        return await keys(scene) <= lasting

    await wait_until(is_as_before, 20, "only what lasts is left")
    assert "Traceback" not in daemon.own_log_text()


async def test_only_so_many_ended_tasks_are_kept(scene: Scene) -> None:
    """The oldest go first, with their agents and output, however long the retention."""
    await scene.daemon(MUSTERD_AGENTS=AGENTS, MUSTERD_RETENTION_COUNT="5")
    tasks = []
    for _ in range(20):
        tasks.append(await scene.submit("mumble"))
        await scene.ended(tasks[-1])
    newest = {
        key
        for task in tasks[-5:]
        for key in (f"task:{task}", f"agent:{task}.1", f"output:{task}.1")
    }

    async def are_the_newest() -> bool:
        return newest == {
            key for key in await keys(scene) if key.startswith(("task:", "output:", "agent:"))
        }

    await wait_until(are_the_newest, 20, "no more are kept than may be")
    await scene.quiet()
