"""Agents that do what they should not: they end, nothing of them is left, and others are unharmed.

Each test has neighbours beside the agent: their heartbeats are renewed all the time, and a kill of
one of them is carried out as ever.
"""

import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import anyio
import pytest

from musterd import procfs
from tests.agents.misbehaving import BOMB, ZOMBIES
from tests.service.scene import KINDS, Scene, open_scene
from tests.support.daemon import Daemon
from tests.support.fixtures import StartDaemon
from tests.support.pace import within
from tests.support.server import Server
from tests.support.wait import wait_until

TTL = 3.0
GRACE = 0.5
AGENTS = f"{KINDS},tests.agents.misbehaving"
NEIGHBOURS = 5

KILLED_WITHIN = 1.0
"""Seconds, on a machine that others use too; a quiet one takes a hundredth."""

MEMORY = 300
"""MiB that a daemon may grow by; lines that wait for a reader of the log are 64 of them."""


@pytest.fixture
async def scene(
    server: Server, prefix: str, tmp_path: Path, start_daemon: StartDaemon
) -> AsyncIterator[Scene]:
    """A scene in which leases that were lost may overlap for a while."""
    (tmp_path / "alive").mkdir()
    async with open_scene(server, prefix, tmp_path, start_daemon, lost_limit=30) as scene:
        yield scene
    for pid in left(tmp_path):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def start_one(scene: Scene, node: str = "") -> Daemon:
    """A daemon that offers misbehaving kinds."""
    return await scene.daemon(
        node=node,
        MUSTERD_AGENTS=AGENTS,
        MUSTERD_HEARTBEAT_TTL=str(TTL),
        MUSTERD_KILL_GRACE=str(GRACE),
    )


def members(folder: Path) -> list[int]:
    """The processes of agents that have said who they are, alive or not."""
    return [int(path.stem) for path in (folder / "alive").glob("*.alive")]


def left(folder: Path) -> list[int]:
    """Those of them that are there, be it as zombies."""
    return [pid for pid in members(folder) if procfs.stat(pid)]


async def misbehave(scene: Scene, kind: str, count: int = 1) -> str:
    """Start a misbehaving agent, and wait until so many processes of it are at it; its id."""
    agent_id = f"{await scene.submit(kind, str(scene.folder / 'alive'))}.1"
    await wait_until(lambda: len(members(scene.folder)) >= count, 20, f"{kind} is at it")
    return agent_id


async def kill(scene: Scene, agent_id: str, limit: float = 20) -> float:
    """Kill an agent; the seconds until `killed` was written. Nothing of it is left then."""
    began = time.monotonic()
    await scene.client.kill(agent_id)
    scene.checker.expect_killed(agent_id)
    assert await scene.ending(agent_id, limit) == ("killed", "killed")
    return time.monotonic() - began


@asynccontextmanager
async def neighbours(scene: Scene) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Agents that live beside the others, whose leases are watched; what kills one of them."""
    first, *agents = [await scene.start("hold") for _ in range(NEIGHBOURS)]
    beats: list[int] = []

    async def kill_one() -> None:
        took = await kill(scene, first)
        show(f"kill of a neighbour: {took:.3f} s")
        assert took < within(KILLED_WITHIN)

    async with anyio.create_task_group() as group:
        group.start_soon(watch, scene, agents, beats)
        yield kill_one
        group.cancel_scope.cancel()
    show(f"least left of a neighbour's lease: {min(beats)} ms of {TTL * 1000:.0f}")
    assert min(beats) > 0, "a heartbeat has expired"
    await scene.quiet()


async def watch(scene: Scene, agents: list[str], beats: list[int]) -> None:
    """Note what is left of the shortest lease, until cancelled."""
    while True:
        async with scene.redis.pipeline(transaction=False) as pipe:
            for agent_id in agents:
                pipe.pttl(scene.keys.heartbeat(agent_id))
            beats.append(min(await pipe.execute()))
        await anyio.sleep(0.02)


def show(figure: str) -> None:
    """What was measured; pytest tells it with `-s`, and when a test fails."""
    print(figure)  # noqa: T201, as said


def memory(daemon: Daemon) -> int:
    """MiB that the daemon has used at most."""
    (line,) = [
        line
        for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    ]
    return int(line.split()[1]) // 1024


async def test_one_that_swallows_its_cancellation(scene: Scene) -> None:
    """It cannot be forced: the log says so, and `killed` is told only when it has ended."""
    daemon = await start_one(scene)
    async with neighbours(scene) as kill_neighbour:
        agent_id = await scene.start("swallows", str(scene.folder))
        await scene.client.kill(agent_id)
        await wait_until(lambda: "agent does not stop" in daemon.log_text(), 10)
        await kill_neighbour()
        assert (await scene.agent(agent_id)).status == "running"
        (scene.folder / "go").touch()
        assert await scene.ending(agent_id) == ("killed", "killed")
    assert scene.noted("end", agent_id)


@pytest.mark.parametrize("kind", ["deaf", "closes-pipes"])
async def test_one_that_hears_nothing(scene: Scene, kind: str) -> None:
    """A process that ignores all signals, or has closed its pipes, is ended all the same."""
    await start_one(scene)
    async with neighbours(scene) as kill_neighbour:
        agent_id = await misbehave(scene, kind)
        await kill_neighbour()
        took = await kill(scene, agent_id)
        show(f"kill of {kind}: {took:.3f} s, grace {GRACE} s")
        assert left(scene.folder) == []
        assert took < within(GRACE + KILLED_WITHIN)


async def test_one_that_escapes(scene: Scene) -> None:
    """What has no tie left that can be seen is gone when `killed` is told."""
    await start_one(scene)
    agent_id = await misbehave(scene, "escapes", 2)
    took = await kill(scene, agent_id)
    assert left(scene.folder) == []
    assert GRACE <= took < within(GRACE + KILLED_WITHIN)
    await scene.quiet()


async def test_one_that_escapes_from_a_daemon_that_is_killed(scene: Scene) -> None:
    """After kill -9 of the daemon its next life finds and ends it before it is ready."""
    daemon = await start_one(scene)
    agent_id = await misbehave(scene, "escapes", 2)
    daemon.kill9()
    assert len(left(scene.folder)) == 2
    daemon.start()
    await daemon.wait_ready()
    stats = map(procfs.stat, members(scene.folder))  # init reaps them when it likes
    assert not any(stat.alive for stat in stats if stat)
    assert await scene.ending(agent_id) == ("failed", "lost")
    await scene.quiet()


async def test_one_that_floods(scene: Scene) -> None:
    """Output without a newline and without end: memory is bounded, and it ends when killed."""
    daemon = await start_one(scene)
    before = memory(daemon)
    log = daemon.directory / "daemon.log"
    async with neighbours(scene) as kill_neighbour:
        agent_id = await misbehave(scene, "floods")
        await wait_until(lambda: log.stat().st_size > 100 * 2**20, 30, "100 MiB were logged")
        await kill_neighbour()
        took = await kill(scene, agent_id)
        show(f"kill of the flood: {took:.3f} s; {log.stat().st_size >> 20} MiB were logged")
        assert left(scene.folder) == []
    show(f"memory: {before} MiB before, {memory(daemon)} MiB at most")
    assert memory(daemon) < before + MEMORY


async def test_one_that_leaves_zombies(scene: Scene) -> None:
    """The daemon reaps orphans while the agent lives, and its other children end with it."""
    daemon = await start_one(scene)
    async with neighbours(scene) as kill_neighbour:
        agent_id = await misbehave(scene, "leaves-zombies")
        await kill_neighbour()
        (leader,) = members(scene.folder)
        zombies = procfs.children(leader)
        assert len(zombies) >= ZOMBIES
        await wait_until(lambda: procfs.children(daemon.pid) == {leader}, 3 * TTL, "reaped")
        await kill(scene, agent_id)
        assert left(scene.folder) == []
        await wait_until(lambda: not any(map(procfs.stat, zombies)), 3 * TTL, "zombies reaped")


async def test_one_that_forks_without_end(scene: Scene) -> None:
    """Deaf, hundreds, each in a session of its own: none is left when `killed` is told."""
    await start_one(scene)
    async with neighbours(scene) as kill_neighbour:
        agent_id = await misbehave(scene, "bombs", BOMB // 2)
        await kill_neighbour()
        took = await kill(scene, agent_id)
        assert left(scene.folder) == []
        show(f"kill of {len(members(scene.folder))} processes: {took:.3f} s, grace {GRACE} s")


RESULTS = {
    "giant": "over 1048576 bytes",
    "broken": "not JSON",
    "deep": "nested",
    "binary": "not valid UTF-8",
    "number": "not JSON",
}


async def test_one_whose_result_is_no_result(scene: Scene) -> None:
    """A giant or broken result fails the attempt in words, and harms nobody."""
    daemon = await start_one(scene)
    before = memory(daemon)
    async with neighbours(scene):
        for result, error in RESULTS.items():
            task = await scene.ended(await scene.submit("writes-result", result))
            assert (task.status, task.reason) == ("failed", "error")
            assert task.error is not None
            assert task.error.startswith("MUSTERD_RESULT: ")
            assert error in task.error
    assert memory(daemon) < before + MEMORY


def blamed(daemon: Daemon) -> set[str]:
    """The agents that have blocked the event loop; on a busy machine others hold it up, too."""
    lines = [line for line in daemon.log() if line["event"] == "event loop is blocked"]
    return {line["agent_id"] for line in lines if "agent_id" in line}


def stood_still(daemon: Daemon) -> float:
    """Seconds for which the event loop stood still, the longest time that is over."""
    lines = [line for line in daemon.log() if line["event"] == "event loop was blocked"]
    return max((line["seconds"] for line in lines), default=0.0)


async def test_a_coroutine_that_blocks_for_less_than_half_the_ttl(scene: Scene) -> None:
    """No lease is lost, though another daemon is there to judge; the log says who blocked."""
    daemon = await start_one(scene, "first")
    agent_id = f"{await scene.submit('blocks', TTL * 0.48)}.1"
    async with neighbours(scene):
        other = await scene.daemon(node="second", MUSTERD_AGENTS=KINDS, MUSTERD_HEARTBEAT_TTL="3")
        assert await scene.ending(agent_id) == ("completed", None)
    assert other.process is not None
    lost = {"lease lost", "agent superseded", "agent settled"}
    assert not [line for line in daemon.log() + other.log() if line["event"] in lost]
    assert blamed(daemon) == {agent_id}


async def test_a_coroutine_that_blocks_for_longer(scene: Scene) -> None:
    """The leases are lost and the agents settled by another; nothing is told as `killed` falsely.

    A kill that was asked for meanwhile ends the task; the agent itself, whose body nobody could
    stop, is `lost`.
    """
    blocked = await start_one(scene, "first")
    beside = await scene.start("hold", max_attempts=1)
    asked = await scene.start("hold", max_attempts=1)
    await scene.daemon(node="second", MUSTERD_AGENTS=KINDS, MUSTERD_HEARTBEAT_TTL=str(TTL))
    agent_id = await scene.start("blocks", TTL * 3, max_attempts=1)
    await wait_until(lambda: agent_id in blamed(blocked), 10, "it blocks")
    await scene.client.kill(asked)
    assert await scene.ending(beside, 20) == ("failed", "lost")
    assert await scene.ending(asked, 20) == ("failed", "lost")
    assert await scene.ending(asked[:-2]) == ("failed", "killed")
    assert await scene.ending(agent_id) == ("failed", "lost")
    await wait_until(lambda: stood_still(blocked) > TTL * 2, 20, "it moves again")
    assert blamed(blocked) == {agent_id}
    for one in (beside, asked, agent_id):
        await wait_until(partial(scene.noted, "end", one), 10, f"{one} is stopped")
    entries = await scene.redis.xrange(scene.keys.events_log)
    told = [json.loads(fields["event"])["type"] for _, fields in entries]
    assert "agent.killed" not in told
    await wait_until(lambda: scene.node(blocked), 10, "it goes on")
    assert await scene.ending(await scene.submit("echo")) == ("completed", None)
