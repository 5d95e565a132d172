"""How a daemon ends: drained, at its deadline, at once, or while Valkey is away."""

import os
from pathlib import Path

import pytest

from musterd import procfs, state_dir
from tests.service.scene import OpenOwn, Scene
from tests.support.daemon import Daemon
from tests.support.fixtures import StartServer
from tests.support.wait import wait_until


async def is_draining(scene: Scene, daemon: Daemon) -> bool:
    """Whether its record says so."""
    return (await scene.node(daemon)).get("state") == "draining"


async def check_gone(scene: Scene, daemon: Daemon) -> None:
    """A clean stop leaves no sign of the daemon."""
    assert await scene.node(daemon) == {}
    assert await scene.redis.zscore(scene.keys.nodes, daemon.node) is None


@pytest.mark.parametrize("stop", ["sigterm", "sigint"])
async def test_drain_lets_agents_finish(scene: Scene, stop: str) -> None:
    """Nothing more is claimed; agents end by themselves; heartbeats go on; exit 0."""
    daemon = await scene.daemon()
    gate = scene.folder / "open"
    agent_id = await scene.start("gate", str(gate))
    getattr(daemon, stop)()
    await wait_until(lambda: is_draining(scene, daemon))
    (line,) = (line for line in daemon.log() if line["event"] == "draining")
    assert (line["agents"], line["seconds"]) == (1, 30)
    assert line.get("hint") == ("a second signal stops them at once" if stop == "sigint" else None)
    waiting = await scene.submit("echo")
    # Renewed twice: the value that EXPIRETIME shows can only grow by a renewal.
    for _ in range(2):
        before = await scene.redis.pexpiretime(scene.keys.heartbeat(agent_id))

        async def is_renewed(before: int = before) -> bool:
            return bool(await scene.redis.pexpiretime(scene.keys.heartbeat(agent_id)) > before)

        await wait_until(is_renewed)
    assert (await scene.task(waiting)).status == "pending"
    gate.touch()
    assert await daemon.wait_exit() == 0
    assert await scene.ending(agent_id) == ("completed", None)
    await check_gone(scene, daemon)
    await scene.quiet()


async def test_kill_works_while_draining(scene: Scene) -> None:
    """The control channel outlives the agents; so does the node's record."""
    daemon = await scene.daemon()
    agents = [await scene.start("hold"), await scene.start("hold")]
    daemon.sigterm()
    await wait_until(lambda: is_draining(scene, daemon))
    await scene.client.kill(agents[0], wait=True)
    status = (await scene.ask({"command": "status"}))["result"]
    assert (status["state"], status["agents"]) == ("draining", 1)
    await scene.client.kill(agents[1], wait=True)
    assert await daemon.wait_exit() == 0
    await check_gone(scene, daemon)
    await scene.checker.check_quiet()


@pytest.mark.parametrize("kind", ["hold", "family"])
async def test_deadline_stops_agents_and_another_daemon_retries(scene: Scene, kind: str) -> None:
    """What has not finished by then fails with `shutdown` and runs again elsewhere."""
    daemon = await scene.daemon(MUSTERD_DRAIN_TIMEOUT="0.2")
    first = await scene.start(kind, str(scene.folder))
    other = await scene.daemon()
    daemon.sigterm()
    assert await daemon.wait_exit() == 0
    assert await scene.ending(first) == ("failed", "shutdown")
    second = first[:-1] + "2"
    await scene.runs(second)
    assert (await scene.agent(second)).node == other.node
    await scene.quiet()


async def test_last_attempt_fails_at_the_deadline(scene: Scene) -> None:
    """Without attempts left a shutdown ends the task."""
    daemon = await scene.daemon(MUSTERD_DRAIN_TIMEOUT="0")
    agent_id = await scene.start("limited")
    daemon.sigterm()
    assert await daemon.wait_exit() == 0
    assert await scene.ending(agent_id[:-2]) == ("failed", "shutdown")


async def test_stubborn_agent_is_forced_at_the_deadline(scene: Scene) -> None:
    """It has the grace after the deadline, then SIGKILL."""
    daemon = await scene.daemon(MUSTERD_DRAIN_TIMEOUT="0", MUSTERD_KILL_GRACE="0.2")
    agent_id = await scene.start("stubborn", str(scene.folder), max_attempts=1)
    await wait_until(lambda: scene.pid("stubborn"))
    daemon.sigterm()
    assert await daemon.wait_exit() == 0
    assert await scene.ending(agent_id[:-2]) == ("failed", "shutdown")


async def test_second_signal_stops_agents_at_once(scene: Scene) -> None:
    """Neither the drain's deadline nor the grace is waited for."""
    daemon = await scene.daemon(MUSTERD_DRAIN_TIMEOUT="600", MUSTERD_KILL_GRACE="600")
    agents = [
        await scene.start(kind, str(scene.folder), max_attempts=1) for kind in ("hold", "stubborn")
    ]
    await wait_until(lambda: scene.pid("stubborn"))
    daemon.sigterm()
    await wait_until(lambda: is_draining(scene, daemon))
    daemon.sigint()
    assert await daemon.wait_exit() == 0
    for agent_id in agents:
        assert await scene.ending(agent_id[:-2]) == ("failed", "shutdown")
    await scene.checker.check_quiet()


async def test_signals_that_come_late_change_no_exit_code(scene: Scene) -> None:
    """One that meets the daemon on its way out does nothing."""
    daemon = await scene.daemon()
    daemon.sigterm()
    await wait_until(lambda: "stopped" in daemon.log_text())
    while daemon.process is not None and daemon.process.poll() is None:
        daemon.sigterm()
        daemon.sigint()
        await scene.redis.ping()
    assert await daemon.wait_exit() == 0
    await check_gone(scene, daemon)


async def test_idle_daemon_leaves_nothing_behind(scene: Scene) -> None:
    """Each of ten clean stops takes the record with it, in a moment."""
    for _ in range(5):
        daemons = [await scene.daemon() for _ in range(2)]
        for daemon in daemons:
            daemon.sigterm()
        for daemon in daemons:
            assert await daemon.wait_exit(2) == 0
            await check_gone(scene, daemon)


async def test_daemon_waits_for_valkey_and_can_be_stopped_meanwhile(
    scene: Scene, own_server: StartServer
) -> None:
    """At the start a missing server is waited for; SIGTERM ends that wait with exit 0."""
    away = own_server()
    away.stop()
    scene.server = away
    waiting = await scene.daemon(wait=False)
    await wait_until(lambda: "valkey lost" in waiting.log_text(), 10)
    waiting.sigterm()
    assert await waiting.wait_exit() == 0
    patient = await scene.daemon(wait=False)
    await wait_until(lambda: "valkey lost" in patient.log_text(), 10)
    away.start()
    await patient.wait_ready()


async def test_sigterm_while_valkey_is_away(open_own: OpenOwn) -> None:
    """It waits for its last writes as long as the deadlines say, and then ends with exit 1."""
    async with open_own() as scene:
        daemon = await scene.daemon(MUSTERD_DRAIN_TIMEOUT="0.2", MUSTERD_KILL_GRACE="0.2")
        agent_id = await scene.start("family", str(scene.folder))
        pid = await wait_until(lambda: scene.pid("child"))
        scene.server.stop()
        daemon.sigterm()
        assert await daemon.wait_exit(20) == 1
        assert "Traceback" not in daemon.own_log_text()
        assert procfs.stat(pid) is None
        # Nobody could be told; who comes next under this name settles it.
        scene.server.start()
        await scene.daemon(node=daemon.node)
        assert await scene.ending(agent_id) == ("failed", "lost")
        await scene.quiet()


async def test_valkey_that_comes_back_gets_the_last_writes(open_own: OpenOwn) -> None:
    """An agent that ended during the outage is written as that before the daemon goes."""
    async with open_own() as scene:
        daemon = await scene.daemon()
        gate = scene.folder / "open"
        agent_id = await scene.start("gate", str(gate))
        scene.server.kill()
        gate.touch()
        await wait_until(lambda: scene.noted("end", agent_id))
        daemon.sigterm()
        scene.server.start()
        assert await daemon.wait_exit(15) == 0
        assert await scene.ending(agent_id) == ("completed", None)
        await scene.checker.check_quiet()


@pytest.mark.parametrize("trouble", ["stop", "pause", "memory"])
async def test_idle_daemon_waits_for_no_server(open_own: OpenOwn, trouble: str) -> None:
    """Without agents there is nothing left to write: it goes, whatever its deadlines are."""
    async with open_own() as scene:
        daemon = await scene.daemon(MUSTERD_DRAIN_TIMEOUT="600")
        if trouble == "memory":
            await scene.redis.config_set("maxmemory", "1")
        else:
            getattr(scene.server, trouble)()
        said = "steps wait" if trouble == "memory" else "valkey lost"
        await wait_until(lambda: said in daemon.log_text(), 10)
        daemon.sigterm()
        assert await daemon.wait_exit(5) == 0
        if trouble == "pause":
            scene.server.resume()
        elif trouble == "stop":
            scene.server.start()


async def test_sigterm_while_the_private_server_starts(scene: Scene) -> None:
    """The server ends with the daemon, and that is a clean stop."""
    daemon = await scene.daemon(wait=False, MUSTERD_EMBEDDED="true")
    folder = daemon.directory / "state/valkey"
    await wait_until((folder / "log").exists)
    daemon.sigterm()
    assert await daemon.wait_exit() == 0
    assert is_free(folder / "lock")
    assert "Traceback" not in daemon.own_log_text()


async def test_sigterm_while_the_private_server_cannot_start(scene: Scene) -> None:
    """Something still holds its files; that wait ends with the signal."""
    daemon = await scene.daemon(wait=False, MUSTERD_EMBEDDED="true")
    daemon.kill9()
    folder = daemon.directory / "state/valkey"
    folder.mkdir(parents=True)
    lock = state_dir.lock(folder / "lock")
    assert lock is not None
    daemon.start()
    await wait_until((folder.parent / "lock").exists)
    daemon.sigterm()
    assert await daemon.wait_exit() == 0
    os.close(lock)


def is_free(path: Path) -> bool:
    """Whether nobody holds a lock."""
    lock = state_dir.lock(path)
    if lock is not None:
        os.close(lock)
    return lock is not None


async def test_results_go_with_the_life_that_left_them(scene: Scene) -> None:
    """A life removes its own folder at its end, and those of lives that could not."""
    daemon = await scene.daemon()
    await scene.start("family", str(scene.folder), max_attempts=1)
    results = daemon.directory / "state/results"
    (first,) = results.iterdir()
    daemon.kill9()
    daemon.start()
    await daemon.wait_ready()
    assert not first.exists()
    await scene.ended(await scene.submit("greet"))
    assert len(list(results.iterdir())) == 1
    daemon.sigterm()
    assert await daemon.wait_exit() == 0
    assert list(results.iterdir()) == []


async def test_no_kinds_are_told_once(scene: Scene) -> None:
    """A daemon without kinds runs, and warns that it claims nothing."""
    daemon = await scene.daemon(MUSTERD_AGENTS="")
    (line,) = (line for line in daemon.log() if line["level"] == "warning")
    assert (line["event"], line["setting"]) == (
        "no kinds offered, nothing is claimed",
        "MUSTERD_AGENTS",
    )
    daemon.sigterm()
    assert await daemon.wait_exit() == 0


async def test_start_is_refused_with_one_line(scene: Scene) -> None:
    """A kind that cannot be loaded ends the start with exit 2 and says which."""
    daemon = await scene.daemon(wait=False, MUSTERD_AGENTS="nowhere.toml")
    assert await daemon.wait_exit() == 2
    (line,) = daemon.log_text().splitlines()
    assert line.startswith("musterd: MUSTERD_AGENTS: nowhere.toml")
