"""A server that lost what it had taken last: daemons say it again, and what runs goes on.

SAVE stands for the last sync of its file: what came after it is lost when the server is killed.
"""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from tests.service.scene import KINDS, Scene, open_unwatched
from tests.support.daemon import Daemon
from tests.support.fixtures import StartDaemon, StartServer
from tests.support.wait import wait_until


@pytest.fixture
async def forgetful(
    own_server: StartServer, prefix: str, tmp_path: Path, start_daemon: StartDaemon
) -> AsyncIterator[Scene]:
    """A scene on a server that may be set back; its records are held to the promises at the end."""
    server = own_server()
    async with open_unwatched(server, prefix, tmp_path, start_daemon, told_again=True) as scene:
        yield scene


def save(scene: Scene) -> None:
    """What the server has by now it will have after a crash, and nothing later."""
    with scene.server.client() as client:
        client.save()


async def set_back(scene: Scene, *daemons: Daemon) -> None:
    """The server crashes, comes back as it was, and the daemons have met it."""
    scene.server.kill()
    scene.server.start()
    for daemon in daemons:
        await wait_until(partial(has_restored, daemon), 5, f"{daemon.node} has restored")


def has_restored(daemon: Daemon) -> bool:
    """Whether its log says so."""
    return any(line["event"] == "restored what the server may have lost" for line in daemon.log())


async def test_running_agents_go_on(forgetful: Scene) -> None:
    """Claimed and started after the last sync: the same agents go on, none is started twice."""
    daemon = await forgetful.daemon()
    older = await forgetful.start("hold", task_id="older")
    save(forgetful)
    younger = await forgetful.start("hold", task_id="younger")
    await set_back(forgetful, daemon)
    for agent_id in (older, younger):
        assert (await forgetful.agent(agent_id)).status == "running"
        assert (await forgetful.task(agent_id[:-2])).status == "executing"
        assert forgetful.ledger_text().count(f"start {agent_id} ") == 1
    await forgetful.quiet()


async def test_endings_are_written_again(forgetful: Scene) -> None:
    """What had ended has ended: it does not run a second time, and its result is there."""
    daemon = await forgetful.daemon()
    await forgetful.start("hold", task_id="killed")
    save(forgetful)
    await forgetful.submit("echo", {"a": 1}, task_id="whole")
    await forgetful.ended("whole")
    await forgetful.client.kill("killed", wait=True)
    await set_back(forgetful, daemon)
    assert (await forgetful.ended("whole")).result == {"attempt": 1, "context": {"a": 1}}
    assert await forgetful.ending("killed") == ("failed", "killed")
    assert forgetful.ledger_text().count("start whole.1 ") == 1
    await forgetful.quiet()


async def test_retries_are_written_again(forgetful: Scene) -> None:
    """Two failures, two retries and the third attempt's result were all lost, and are there."""
    daemon = await forgetful.daemon()
    await forgetful.start("hold", task_id="other")
    save(forgetful)
    await forgetful.submit("flaky", task_id="f")
    await forgetful.ended("f")
    await set_back(forgetful, daemon)
    assert (await forgetful.ended("f")).result == 3
    assert [(await forgetful.agent(f"f.{number}")).status for number in (1, 2)] == ["failed"] * 2
    assert [forgetful.ledger_text().count(f"start f.{number} ") for number in (1, 2, 3)] == [1] * 3
    await forgetful.quiet()


async def test_spawns_that_a_daemon_has_answered_are_kept(forgetful: Scene) -> None:
    """A submission over the channel that waits for its time."""
    daemon = await forgetful.daemon()
    await forgetful.start("hold", task_id="busy")
    save(forgetful)
    spawn = {"command": "spawn", "kind": "echo", "taskId": "later", "delay": 2}
    assert (await forgetful.ask(spawn))["result"]["created"] is True
    await set_back(forgetful, daemon)
    assert (await forgetful.ended("later")).status == "completed"
    await forgetful.quiet()


async def test_what_agents_told_is_written_again(forgetful: Scene) -> None:
    """A checkpoint that has returned, and lines that were kept."""
    daemon = await forgetful.daemon(MUSTERD_AGENTS=f"{KINDS},tests.agents.talkers")
    await forgetful.start("hold", task_id="older")
    save(forgetful)
    await forgetful.submit("walk", task_id="walk")
    await forgetful.submit("chat", task_id="chat")
    await wait_until(partial(has_told, forgetful, "walk", "chat.1"), 10)
    await set_back(forgetful, daemon)
    await wait_until(partial(has_told, forgetful, "walk", "chat.1"), 10, "all is there again")
    await forgetful.quiet()


async def has_told(scene: Scene, walker: str, talker: str) -> bool:
    """Whether the one has its last checkpoint, and the other its line."""
    task, output = scene.keys.task(walker), scene.keys.output(talker)
    checkpoint, lines = await scene.redis.hget(task, "checkpoint"), await scene.redis.xlen(output)
    return (checkpoint, lines) == ("3", 1)


async def test_nobody_takes_what_another_daemon_still_runs(forgetful: Scene) -> None:
    """To an idle daemon the task looks free; it waits until the one that runs it has said so."""
    first = await forgetful.daemon()
    await forgetful.submit("hold", task_id="first")
    await forgetful.runs("first.1")
    save(forgetful)
    agents = [await forgetful.start("hold", task_id=f"t{number}") for number in range(20)]
    second = await forgetful.daemon()
    await set_back(forgetful, first, second)
    for agent_id in agents:
        assert (await forgetful.agent(agent_id)).node == first.node
        assert forgetful.ledger_text().count(f"start {agent_id} ") == 1
    await forgetful.quiet()
