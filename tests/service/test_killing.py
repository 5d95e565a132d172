"""A kill that was accepted is carried out, whatever is alive, waiting, or away at that moment."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from musterd import procfs
from musterd.errors import AlreadyTerminalError
from tests.service.scene import Scene
from tests.support.daemon import Daemon
from tests.support.pace import within
from tests.support.wait import wait_until


async def check_killed(scene: Scene, agent_id: str) -> None:
    """The agent and its task have ended as killed, and no other attempt is made."""
    assert await scene.ending(agent_id) == ("killed", "killed")
    task = await scene.task(agent_id.rpartition(".")[0])
    assert (task.status, task.reason, task.agent_id) == ("failed", "killed", agent_id)


def whys(daemon: Daemon) -> dict[str, str | None]:
    """The reason in the log's lines on a kill."""
    lines = {"agent is asked to stop", "agent ended"}
    return {line["event"]: line.get("why") for line in daemon.log() if line["event"] in lines}


async def wait_pid(scene: Scene, name: str) -> int:
    """The process id that a body leaves, once it has."""
    return await wait_until(lambda: scene.pid(name), 5, f"{name} runs")


@pytest.mark.parametrize("kind", ["hold", "worker"])
async def test_live_agent_is_killed(scene: Scene, kind: str) -> None:
    """A coroutine and a function in a process of its own end as killed, and are not retried."""
    daemon = await scene.daemon()
    agent_id = await scene.start(kind, max_attempts=3)
    outcome = await scene.client.kill(agent_id, reason="too expensive")
    assert outcome.outcome == "requested"
    scene.checker.expect_killed(agent_id)
    await check_killed(scene, agent_id)
    assert (await scene.task(agent_id[:-2])).error == "too expensive"
    said = {"agent is asked to stop": "too expensive", "agent ended": "too expensive"}
    await wait_until(lambda: whys(daemon) == said)
    await scene.quiet()


async def test_whole_process_group_is_gone_when_killed_is_told(scene: Scene) -> None:
    """Children and grandchildren have ended by the time that the event arrives."""
    await scene.daemon()
    agent_id = await scene.start("family", str(scene.folder))
    pids = [await wait_pid(scene, "child"), await wait_pid(scene, "grandchild")]
    async with scene.redis.pubsub() as events:
        await events.subscribe(scene.keys.events)
        await scene.client.kill(agent_id)
        with anyio.fail_after(within(5)):
            while True:
                message = await events.get_message(ignore_subscribe_messages=True, timeout=30)
                if message and json.loads(message["data"])["type"] == "agent.killed":
                    break
        assert [procfs.stat(pid) for pid in pids] == [None, None]
    await check_killed(scene, agent_id)


async def test_command_that_ignores_sigterm_is_forced(scene: Scene) -> None:
    """SIGKILL comes after the grace, not before, and `killed` after that."""
    await scene.daemon(MUSTERD_KILL_GRACE="60")
    agent_id = await scene.start("stubborn", str(scene.folder))
    pid = await wait_pid(scene, "stubborn")
    began = anyio.current_time()
    await scene.client.kill(agent_id, grace=0.3)
    await check_killed(scene, agent_id)
    assert 0.3 <= anyio.current_time() - began < within(5)
    assert procfs.stat(pid) is None


async def test_agent_is_killed_while_it_cleans_up(scene: Scene) -> None:
    """`killed` is told when the coroutine has unwound, however long that takes."""
    await scene.daemon()
    agent_id = await scene.start("careful", 0.9)
    await scene.client.kill(agent_id)
    assert (await scene.agent(agent_id)).status == "running"
    await check_killed(scene, agent_id)
    assert scene.noted("end", agent_id)


async def test_waiting_task_fails_at_once(scene: Scene) -> None:
    """Queued, scheduled or waiting for its retry: no agent is needed to end it."""
    daemon = await scene.daemon()
    later = await scene.submit("echo", delay=600)
    retried = await scene.submit("doomed")

    async def waits_again() -> bool:
        return (await scene.task(retried)).attempt == 1 and (
            await scene.task(retried)
        ).status == "pending"

    await wait_until(waits_again)
    await scene.ask({"command": "pause", "node": daemon.node})
    queued = await scene.submit("echo")
    for task_id in (queued, later, retried):
        outcome = await scene.client.kill(task_id)
        assert outcome.outcome == "failed"
        task = await scene.task(task_id)
        assert (task.status, task.reason) == ("failed", "killed")
    assert await scene.redis.exists(scene.keys.scheduled, scene.keys.queue("echo")) == 0
    await scene.checker.check_quiet()


async def test_kill_that_races_the_start_has_one_outcome(scene: Scene) -> None:
    """Before the claim, before the start, or too late: the killer is told which."""
    await scene.daemon()
    for _ in range(20):
        task_id = await scene.submit("echo")
        with_agent = f"{task_id}.1"
        try:
            outcome = await scene.client.kill(task_id)
        except AlreadyTerminalError:
            continue
        record = await scene.ended(task_id)
        assert (record.status, record.reason) == ("failed", "killed")
        if outcome.outcome == "requested":
            await check_killed(scene, with_agent)
    await scene.checker.check_quiet()


async def test_kind_is_killed_alone(scene: Scene) -> None:
    """All of a kind end, live and waiting; others go on."""
    await scene.daemon()
    doomed = [await scene.start("hold"), await scene.start("hold")]
    later = await scene.submit("hold", delay=600)
    other = await scene.start("limited")
    reply = await scene.ask({"command": "kill", "kind": "hold", "id": "k"})
    assert reply["result"] == {"stopped": 3}
    for agent_id in doomed:
        await check_killed(scene, agent_id)
    assert await scene.ending(later) == ("failed", "killed")
    assert (await scene.agent(other)).status == "running"
    await scene.quiet()


async def test_all_are_killed(scene: Scene) -> None:
    """Everything live or waiting ends as killed."""
    await scene.daemon(MUSTERD_CAPACITY="3")
    live = [await scene.start(kind) for kind in ("hold", "limited", "worker")]
    waiting = await scene.submit("hold")
    reply = await scene.ask({"command": "kill", "all": True, "reason": "enough"})
    assert reply["result"] == {"stopped": 4}
    for agent_id in live:
        await check_killed(scene, agent_id)
    assert await scene.ending(waiting) == ("failed", "killed")
    await scene.checker.check_quiet()


async def test_kill_lands_while_the_subscription_is_cut(scene: Scene) -> None:
    """The request is read after the daemon has subscribed again: no message is needed."""
    await scene.daemon(MUSTERD_HEARTBEAT_TTL="60")
    for _ in range(5):
        agent_id = await scene.start("hold")
        await scene.redis.client_kill_filter(_type="pubsub")
        await scene.client.kill(agent_id)
        await check_killed(scene, agent_id)
    await scene.quiet()


async def test_kill_whose_bell_is_lost_lands_with_the_next_heartbeat(scene: Scene) -> None:
    """A request that is only written down is carried out, and its reason logged."""
    daemon = await scene.daemon()
    agent_id = await scene.start("hold")
    request = '{"at":"2026-11-22T03:00:00.123Z","reason":"too dear"}'
    await scene.redis.hset(scene.keys.kills, agent_id, request)
    await check_killed(scene, agent_id)
    said = {"agent is asked to stop": "too dear", "agent ended": "too dear"}
    await wait_until(lambda: whys(daemon) == said)
    await scene.quiet()


@pytest.mark.parametrize(
    "request_text",
    ["", "no json", "[]", "7", '{"grace": "soon"}', '{"grace": NaN}', '{"grace": 1e999}',
     '{"grace": -1}', '{"reason": 7}', '{"grace": 1' + "0" * 400 + "}", "[" * 5000],
)  # fmt: skip
async def test_request_that_is_nonsense_is_a_request(scene: Scene, request_text: str) -> None:
    """What stands in `kills` by hand is carried out, and never stops the daemon."""
    daemon = await scene.daemon()
    agent_id = await scene.start("family", str(scene.folder))
    await scene.redis.hset(scene.keys.kills, agent_id, request_text)
    assert await scene.ending(agent_id) == ("killed", "killed")
    assert (await scene.ask({"command": "ping"}))["node"] == daemon.node
    assert "Traceback" not in daemon.own_log_text()


async def test_false_bell_kills_nobody(scene: Scene) -> None:
    """The channel is a doorbell: without a request nothing is stopped."""
    daemon = await scene.daemon()
    agent_id = await scene.start("hold")
    for text in (agent_id, "nobody.1", "", b"\xff\xfe"):
        await scene.publish(text, channel=scene.keys.kill_bell(daemon.node))
    await scene.ask({"command": "ping"})
    assert (await scene.agent(agent_id)).status == "running"
    await scene.quiet()


async def test_kill_that_races_the_natural_end_has_one_outcome(scene: Scene) -> None:
    """Whatever the order, there is one ending, and what the killer was told agrees with it."""
    await scene.daemon()
    outcomes: set[str] = set()

    async def race(number: int) -> None:
        task_id = await scene.submit("brief", 0.001 * (number % 10))
        await anyio.sleep(0.0005 * (number % 21))
        try:
            await scene.client.kill(task_id)
            killed = True
        except AlreadyTerminalError:
            killed = False
        record = await scene.ended(task_id)
        assert (record.status, record.reason) == (
            ("failed", "killed") if killed else ("completed", None)
        )
        outcomes.add(record.status)

    for number in range(0, 200, 4):
        async with anyio.create_task_group() as races:
            for one in range(4):
                races.start_soon(race, number + one)
    assert outcomes == {"failed", "completed"}
    await scene.checker.check_quiet()


async def test_result_that_came_with_a_kill_is_kept(scene: Scene, tmp_path: Path) -> None:
    """The request was recorded before the agent's ending, which is `killed`, with its result."""
    await scene.daemon(MUSTERD_HEARTBEAT_TTL="60")
    gate = tmp_path / "open"
    agent_id = await scene.start("gate", str(gate))
    await scene.redis.hset(scene.keys.kills, agent_id, "{}")
    gate.touch()
    assert await scene.ending(agent_id) == ("killed", "killed")
    assert (await scene.agent(agent_id)).result == "passed"


async def test_bare_publish_for_another_nodes_agent(scene: Scene) -> None:
    """Each daemon writes the request down, only one is there, and each reply makes sense."""
    one = await scene.daemon()
    agent_id = await scene.start("careful", 0.9)
    other = await scene.daemon()
    replies = await scene.ask({"command": "kill", "agentId": agent_id, "id": "k1"}, count=2)
    assert {reply["node"] for reply in replies} == {one.node, other.node}
    assert all(reply["result"] == {"outcome": "requested", "id": agent_id} for reply in replies)
    request = json.loads(await scene.redis.hget(scene.keys.kills, agent_id) or "null")
    assert request["by"] == "k1"
    await check_killed(scene, agent_id)
    events = await scene.events(agent_id[:-2])
    assert events.count("agent.killed") == events.count("task.failed") == 1
    await scene.quiet()


async def test_only_the_daemon_that_is_named_records_the_kill(scene: Scene) -> None:
    """A kill with `node` is taken by that daemon alone, also for an agent of another one."""
    await scene.daemon()
    agent_id = await scene.start("hold")
    other = await scene.daemon()
    command = {"command": "kill", "agentId": agent_id, "node": other.node, "id": 1}
    assert (await scene.ask(command))["node"] == other.node
    await check_killed(scene, agent_id)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ({"agentId": "nobody.1"}, "not_found"),
        ({"taskId": "nobody"}, "not_found"),
        ({"taskId": "done"}, "already_terminal"),
        ({"agentId": "done.1"}, "already_terminal"),
    ],
)
async def test_refused_kill_says_why(scene: Scene, target: dict[str, Any], code: str) -> None:
    """What is not there, and what had ended before, is answered as that."""
    await scene.daemon()
    await scene.ended(await scene.submit("echo", task_id="done"))
    reply = await scene.ask({"command": "kill", **target})
    assert (reply["ok"], reply["error"]["code"]) == (False, code)
