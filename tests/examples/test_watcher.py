"""The watcher: for ever, and once."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from musterd.client import Client
from musterd.records import TaskRecord
from tests.examples.conftest import StartExample
from tests.support.wait import wait_until

ID = "watch-inbox"


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """The folder that is watched."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


async def watch(client: Client, folder: Path) -> None:
    """Submit the watcher, as a boot script would each time."""
    context: Any = {"folder": str(folder), "kind": "handle", "every": 0.05}
    assert await client.submit("watch", context, task_id=ID) == ID


async def handled(client: Client) -> list[int]:
    """The sizes of the files that were handled."""
    results: list[Any] = [task.result for task in await client.tasks("completed")]
    return sorted(result["bytes"] for result in results)


async def until_handled(client: Client, *sizes: int) -> None:
    """Return when files of these sizes were handled, each once, and no other."""

    async def are_handled() -> bool:
        return await handled(client) == list(sizes)

    await wait_until(are_handled, 20, f"handled are {sizes}")


async def attempt(client: Client) -> int:
    """Which attempt watches now; 0 if none does."""
    task = await client.get(ID)
    assert isinstance(task, TaskRecord)
    return task.attempt if task.status == "executing" else 0


async def test_survives_restarts(start_example: StartExample, client: Client, inbox: Path) -> None:
    """A restart and a crash take an attempt each; no file is missed, none is submitted twice."""
    daemon = await start_example("watcher", "watcher")
    await watch(client, inbox)
    (inbox / "one").write_text("1")
    await until_handled(client, 1)

    daemon.sigterm()
    assert await daemon.wait_exit() == 0
    (inbox / "two").write_text("22")
    daemon.start()
    await until_handled(client, 1, 2)
    assert await attempt(client) == 2

    daemon.kill9()
    (inbox / "one").unlink()
    (inbox / "three").write_text("333")
    daemon.start()
    await until_handled(client, 1, 2, 3)
    assert await attempt(client) == 3
    submitted = [line["file"] for line in daemon.log() if line.get("event") == "submitted"]
    assert submitted == ["one", "two", "three"]
    await client.kill(ID, wait=True)


async def test_is_one_task_however_often_it_is_submitted(
    start_example: StartExample, client: Client, inbox: Path
) -> None:
    """The id is the lock: again it is the same task, while it lives and after it was killed."""
    await start_example("watcher", "watcher")
    for _ in range(3):
        await watch(client, inbox)
    (inbox / "one").write_text("1")
    await until_handled(client, 1)
    assert [task.task_id for task in await client.tasks("executing")] == [ID]
    await client.kill(ID, wait=True)
    await watch(client, inbox)
    assert (await client.get(ID)).status == "failed"


async def test_versions(start_example: StartExample, client: Client, inbox: Path) -> None:
    """A file that changes is handled again; one that is being written is let be."""
    await start_example("watcher", "watcher")
    await watch(client, inbox)
    (inbox / ".one").write_text("1")
    (inbox / "two").write_text("22")
    await until_handled(client, 2)
    (inbox / ".one").rename(inbox / "one")
    await until_handled(client, 1, 2)
    (inbox / "two").write_text("4444")
    await until_handled(client, 1, 2, 4)
    await client.kill(ID, wait=True)


async def test_failure_is_followed_by_another_attempt(
    start_example: StartExample, client: Client, inbox: Path
) -> None:
    """While the folder is gone attempts fail, and when it is back one goes on."""
    await start_example("watcher", "watcher")
    await watch(client, inbox)
    await wait_until(lambda: attempt(client), 20)
    await anyio.Path(inbox).rmdir()

    async def has_failed() -> bool:
        return (await client.get(f"{ID}.1")).status == "failed"

    await wait_until(has_failed, 10)
    await anyio.Path(inbox).mkdir()
    (inbox / "one").write_text("1")
    await until_handled(client, 1)
    await client.kill(ID, wait=True)


async def test_context_that_will_not_do(start_example: StartExample, client: Client) -> None:
    """It is rejected, though attempts are left."""
    await start_example("watcher", "watcher")
    task = await client.wait_for(await client.submit("watch", {"folder": "here"}), 20)
    assert (task.reason, task.attempt) == ("rejected", 1)
