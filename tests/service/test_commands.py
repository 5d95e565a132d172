"""Commands as raw messages: what is answered, in which form, and what is refused."""

import json
from typing import Any

import anyio
import pytest

from tests.service.scene import Scene, next_reply
from tests.support.daemon import Daemon
from tests.support.pace import within
from tests.support.wait import wait_until

NODE_FIELDS = {
    "node", "epoch", "host", "pid", "process", "version", "capacity", "agents", "state",
}  # fmt: skip


async def dump(scene: Scene) -> dict[bytes, bytes]:
    """Every key's content, but for what each heartbeat changes."""
    changing = tuple(
        key.encode() for key in (scene.keys.node(""), scene.keys.nodes, scene.keys.kinds)
    )
    async with scene.raw() as raw:
        names = [key async for key in raw.scan_iter(match=f"{scene.keys.prefix}:*")]
        return {name: await raw.dump(name) for name in names if not name.startswith(changing)}


async def test_ping_echoes_the_id(scene: Scene) -> None:
    """A reply has the request's id as it came, the node, and the result; nothing else."""
    daemon = await scene.daemon()
    for request_id in ("a b", 7, "0"):
        reply = await scene.ask({"command": "ping", "id": request_id})
        assert reply == {
            "id": request_id,
            "node": daemon.node,
            "ok": True,
            "result": {"state": "active"},
        }
    assert "id" not in await scene.ask({"command": "ping"})


async def test_status_tells_what_the_daemon_does(scene: Scene) -> None:
    """The node's record, and how many agents of each kind are alive."""
    daemon = await scene.daemon(MUSTERD_CAPACITY="7")
    await scene.start("hold")
    result = (await scene.ask({"command": "status"}))["result"]
    assert set(result) == NODE_FIELDS | {"kinds"}
    assert (result["node"], result["pid"], result["capacity"]) == (daemon.node, daemon.pid, 7)
    assert (result["agents"], result["kinds"]["hold"], result["kinds"]["echo"]) == (1, 1, 0)
    await scene.quiet()


@pytest.mark.parametrize("channel", ["control", "submit"])
async def test_spawn_submits(scene: Scene, channel: str) -> None:
    """Every field reaches the task; the same again is the same task, another context is not."""
    await scene.daemon()
    spawn = {
        "command": "spawn", "kind": "echo", "taskId": "s1", "context": {"a": [1, None]},
        "priority": 3, "delay": 0.01, "timeout": 5, "maxAttempts": 2, "metadata": "mine",
    }  # fmt: skip
    where = f"{scene.keys.prefix}:{channel}"
    reply = await scene.ask(spawn, channel=where)
    assert reply["result"] == {"taskId": "s1", "created": True}
    assert (await scene.ask(spawn, channel=where))["result"]["created"] is False
    task = await scene.ended("s1")
    assert (task.status, task.result) == ("completed", {"attempt": 1, "context": {"a": [1, None]}})
    record = await scene.task("s1")
    assert (record.priority, record.timeout, record.max_attempts) == (3, 5.0, 2)
    assert record.metadata == "mine"
    reply = await scene.ask(spawn | {"context": 2}, channel=where)
    assert reply["error"]["code"] == "exists"


async def test_two_daemons_submit_one_task(scene: Scene) -> None:
    """A spawn that both hear makes one task: one says that it was created."""
    await scene.daemon()
    await scene.daemon()
    command = {"command": "spawn", "kind": "echo", "taskId": "s1"}
    replies = await scene.ask(command, count=2)
    assert sorted(reply["result"]["created"] for reply in replies) == [False, True]
    await scene.ended("s1")
    assert (await scene.events("s1")).count("task.completed") == 1


async def test_unknown_kind_is_refused(scene: Scene) -> None:
    """Nothing is written of a task that nobody can run."""
    await scene.daemon()
    reply = await scene.ask({"command": "spawn", "kind": "strange", "taskId": "s1"})
    assert reply["error"]["code"] == "unknown_kind"
    assert not await scene.redis.exists(scene.keys.task("s1"))


async def test_pause_and_resume(scene: Scene) -> None:
    """A paused daemon claims nothing and its agents run on; resumed, it takes what waits."""
    daemon = await scene.daemon()
    agent_id = await scene.start("hold")
    assert (await scene.ask({"command": "pause"}))["result"] == {"state": "paused"}
    assert (await scene.node(daemon))["state"] == "paused"
    task_id = await scene.submit("echo")
    await scene.publish("echo", channel=scene.keys.wake)
    await scene.ask({"command": "ping"})
    assert (await scene.task(task_id)).status == "pending"
    assert (await scene.agent(agent_id)).status == "running"
    assert (await scene.ask({"command": "resume"}))["result"] == {"state": "active"}
    assert (await scene.ended(task_id)).status == "completed"
    assert (await scene.node(daemon))["state"] == "active"
    await scene.quiet()


async def test_pause_of_one_kind(scene: Scene) -> None:
    """Each daemon answers for itself; of a paused kind nothing is claimed, of others it is."""
    one = await scene.daemon()
    other = await scene.daemon(MUSTERD_AGENTS="tests.agents.examples:brief")
    replies = await scene.ask({"command": "pause", "kind": "echo"}, count=2)
    answers = {reply["node"]: reply for reply in replies}
    assert answers[one.node]["result"] == {"state": "active", "pausedKinds": ["echo"]}
    assert answers[other.node]["error"]["code"] == "unknown_kind"
    assert "it offers: brief" in answers[other.node]["error"]["message"]
    assert (await scene.node(one))["pausedKinds"] == '["echo"]'
    assert "pausedKinds" not in await scene.node(other)
    waiting = await scene.submit("echo")
    assert (await scene.ended(await scene.submit("flaky"))).status == "completed"
    assert (await scene.ended(await scene.submit("brief", 0.01))).status == "completed"
    assert (await scene.task(waiting)).status == "pending"
    assert (await scene.ask({"command": "status", "node": one.node}))["result"]["pausedKinds"]
    await scene.ask({"command": "resume"}, count=2)
    assert (await scene.ended(waiting)).status == "completed"
    assert "pausedKinds" not in await scene.node(one)
    await scene.checker.check_quiet()


async def test_pause_of_one_kind_ends_with_the_life(scene: Scene) -> None:
    """A daemon that starts again claims what was paused."""
    daemon = await scene.daemon()
    await scene.ask({"command": "pause", "kind": "echo"})
    task_id = await scene.submit("echo")
    daemon.sigterm()
    assert await daemon.wait_exit() == 0
    daemon.start()
    assert (await scene.ended(task_id)).status == "completed"
    assert "pausedKinds" not in await scene.node(daemon)


async def test_node_names_the_one_that_acts(scene: Scene) -> None:
    """A command for one node is taken and answered by that one alone, also if it is malformed."""
    one, other = await scene.daemon(), await scene.daemon()
    async with scene.replies() as (reply_to, pubsub):
        pause = {"command": "pause", "replyTo": reply_to}
        await scene.publish(pause | {"node": one.node})
        assert (await next_reply(pubsub))["node"] == one.node
        await scene.publish(pause | {"node": one.node, "wrong": 1})
        assert (await next_reply(pubsub))["error"]["code"] == "malformed"
        await scene.publish(pause | {"node": "nobody"})
        await scene.publish({"command": "ping", "replyTo": reply_to, "node": other.node})
        reply = await next_reply(pubsub)
        assert (reply["node"], reply["result"]) == (other.node, {"state": "active"})
    assert (await scene.node(one))["state"] == "paused"


async def test_submit_channel_takes_spawn_alone(scene: Scene) -> None:
    """Who may only submit can stop nothing."""
    await scene.daemon()
    agent_id = await scene.start("hold")
    for command in ({"command": "kill", "all": True}, {"command": "drain"}, {"command": "ping"}):
        reply = await scene.ask(command, channel=scene.keys.submit)
        assert (reply["ok"], reply["error"]["code"]) == (False, "malformed")
    assert (await scene.agent(agent_id)).status == "running"
    await scene.quiet()


@pytest.mark.parametrize("reply_to", ["elsewhere", "{P}:control", "{P}:events", "{P}:reply"])
async def test_reply_goes_below_the_reply_channel_alone(scene: Scene, reply_to: str) -> None:
    """A daemon cannot be made to speak on another channel; the command itself is carried out."""
    daemon = await scene.daemon()
    channel = reply_to.replace("{P}", scene.keys.prefix)
    async with scene.redis.pubsub() as pubsub:
        await pubsub.subscribe(channel)
        assert await pubsub.get_message(timeout=30)
        if channel != scene.keys.control:
            await scene.publish({"command": "ping", "replyTo": channel})
            await scene.publish({"command": "pang", "replyTo": channel})
            await scene.ask({"command": "ping"})
            assert await pubsub.get_message(timeout=0.05) is None
        else:
            await scene.publish({"command": "ping", "replyTo": channel})
            await scene.ask({"command": "ping"})
            heard = [await pubsub.get_message(timeout=1) for _ in range(2)]
            assert all('"ping"' in message["data"] for message in heard if message)
    assert any("no reply" in line["event"] for line in daemon.log())


_UNTRUSTED = {"key twice", "NaN", "deep", "giant", "long reply channel"}
"""Those that cannot be answered: no JSON as it is accepted, or nowhere to answer."""

MALFORMED: dict[str, str | bytes] = {
    "not JSON": "kill everything",
    "empty": "",
    "not UTF-8": b"\xff\xfe{}",
    "an array": "[]",
    "a number": "7",
    "null": "null",
    "no command": "{}",
    "unknown command": '{"command": "reboot"}',
    "command of another type": '{"command": ["ping"]}',
    "unknown field": '{"command": "ping", "force": true}',
    "misspelt field": '{"command": "kill", "agentID": "t.1"}',
    "snake case": '{"command": "kill", "agent_id": "t.1"}',
    "no target": '{"command": "kill"}',
    "two targets": '{"command": "kill", "all": true, "kind": "echo"}',
    "all false": '{"command": "kill", "all": false}',
    "all as text": '{"command": "kill", "all": "true"}',
    "null target": '{"command": "kill", "agentId": null}',
    "id of no agent": '{"command": "kill", "agentId": "t"}',
    "pause of no kind": '{"command": "pause", "kind": "a b"}',
    "drain of a kind": '{"command": "drain", "kind": "hold"}',
    "empty id": '{"command": "kill", "taskId": ""}',
    "negative grace": '{"command": "kill", "all": true, "grace": -1}',
    "grace as text": '{"command": "kill", "all": true, "grace": "1"}',
    "NaN": '{"command": "kill", "all": true, "grace": NaN}',
    "key twice": '{"command": "kill", "taskId": "hold", "taskId": "other"}',
    "spawn without id": '{"command": "spawn", "kind": "echo"}',
    "spawn without kind": '{"command": "spawn", "taskId": "s"}',
    "id of an agent": '{"command": "spawn", "kind": "echo", "taskId": "s.1"}',
    "id with a space": '{"command": "spawn", "kind": "echo", "taskId": "a b"}',
    "id too long": json.dumps({"command": "spawn", "kind": "echo", "taskId": "x" * 121}),
    "priority out of range": '{"command": "spawn", "kind": "echo", "taskId": "s", "priority": 10}',
    "priority as text": '{"command": "spawn", "kind": "echo", "taskId": "s", "priority": "1"}',
    "negative delay": '{"command": "spawn", "kind": "echo", "taskId": "s", "delay": -1}',
    "no attempts": '{"command": "spawn", "kind": "echo", "taskId": "s", "maxAttempts": 0}',
    "deep": '{"command": "spawn", "kind": "echo", "taskId": "s", "context": '
    + "[" * 101
    + "]" * 101
    + "}",
    "very deep": "[" * 5000 + "]" * 5000,
    "half a surrogate pair": '{"command": "ping", "id": "\\ud800"}',
    "giant": json.dumps({"command": "ping", "id": "x" * 1024 * 1024}),
    "long field": json.dumps({"command": "ping", "x" * 900_000: 1}),
    "long reply channel": json.dumps({"command": "ping", "replyTo": "x" * 900_000}),
    "giant number": '{"command": "ping", "id": 1' + "0" * 5000 + "}",
}


async def test_malformed_commands_change_nothing(scene: Scene) -> None:
    """Each is logged as one warning and changes nothing; the daemon and its agent live."""
    daemon = await scene.daemon()
    agent_id = await scene.start("hold", task_id="hold")
    before = await dump(scene)
    for text in MALFORMED.values():
        await scene.publish(text)
        assert (await scene.ask({"command": "ping"}))["ok"]
    assert await dump(scene) == before
    assert (await scene.agent(agent_id)).status == "running"
    await wait_until(lambda: len(_refusals(daemon)) == len(MALFORMED))
    assert {line["level"] for line in _refusals(daemon)} == {"warning"}
    assert {line["code"] for line in _refusals(daemon)} == {"malformed"}
    assert "Traceback" not in daemon.own_log_text()
    assert max(len(line) for line in daemon.log_text().splitlines()) < 2000
    await scene.quiet()


def _refusals(daemon: Daemon) -> list[dict[str, Any]]:
    return [line for line in daemon.log() if line["event"] == "command refused"]


async def test_malformed_command_is_answered_where_it_can_be(scene: Scene) -> None:
    """Whatever still is an object with a reply channel gets an answer that says what is wrong."""
    daemon = await scene.daemon()
    for name, text in MALFORMED.items():
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if not isinstance(fields, dict) or name in _UNTRUSTED:
            continue
        if name == "half a surrogate pair":
            continue
        reply = await scene.ask({"id": "q"} | fields)
        assert (reply["ok"], reply["error"]["code"]) == (False, "malformed"), name
        assert reply["node"] == daemon.node
        assert 0 < len(reply["error"]["message"]) < 1000


async def test_drain_is_answered_and_ends_the_daemon(scene: Scene) -> None:
    """The reply says draining; running agents finish, and the exit code is 0."""
    daemon = await scene.daemon()
    gate = scene.folder / "open"
    agent_id = await scene.start("gate", str(gate))
    assert (await scene.ask({"command": "drain"}))["result"] == {"state": "draining"}
    task_id = await scene.submit("echo")
    gate.touch()
    assert (await scene.ended(agent_id)).status == "completed"
    assert await daemon.wait_exit() == 0
    assert (await scene.task(task_id)).status == "pending"
    await scene.quiet()


async def test_drain_of_an_idle_daemon_is_answered(scene: Scene) -> None:
    """With nothing to wait for, the daemon still answers before it ends."""
    for _ in range(5):
        daemon = await scene.daemon()
        reply = await scene.ask({"command": "drain", "id": "d"})
        assert reply["result"] == {"state": "draining"}
        assert await daemon.wait_exit() == 0


async def test_many_commands_at_once_are_all_answered(scene: Scene) -> None:
    """A flood is worked off; a slow command holds up nobody."""
    await scene.daemon()
    async with scene.replies() as (reply_to, pubsub):
        for number in range(1000):
            await scene.publish({"command": "ping", "id": number, "replyTo": reply_to})
        with anyio.fail_after(within(10)):
            found = {(await next_reply(pubsub))["id"] for _ in range(1000)}
    assert found == set(range(1000))
