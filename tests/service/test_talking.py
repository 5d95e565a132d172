"""What agents tell and are told, with whole daemons."""

from pathlib import Path
from typing import Any, Final

import pytest

from musterd.errors import (
    AlreadyTerminalError,
    DeafError,
    MailboxFullError,
    NotFoundError,
    TooLargeError,
)
from tests.service.scene import OpenOwn, Scene
from tests.support.daemon import Daemon
from tests.support.wait import wait_until

TALKERS: Final = f"tests.agents.talkers,{Path(__file__).parents[1] / 'agents/talkers.toml'}"


async def talkers(scene: Scene, **env: str) -> Daemon:
    """A daemon that offers kinds that talk."""
    return await scene.daemon(node="", wait=True, MUSTERD_AGENTS=TALKERS, **env)


async def running(scene: Scene, kind: str, context: Any = None) -> str:
    """Submit a task; the id of its agent, which runs."""
    agent_id = f"{await scene.submit(kind, context)}.1"
    await wait_until(lambda: is_status(scene, agent_id, "running"), 10)
    return agent_id


async def is_status(scene: Scene, agent_id: str, status: str) -> bool:
    """Whether an agent is there and has come to a status."""
    return bool(await scene.redis.hget(scene.keys.agent(agent_id), "status") == status)


async def lines(scene: Scene, agent_id: str) -> list[tuple[str, str]]:
    """Stream and text of each line that is kept of an agent."""
    return [(line.stream, line.line) for line in await scene.client.output(agent_id)]


async def checkpointed(scene: Scene, task_id: str, value: str) -> None:
    """Return when the last checkpoint of a task is this."""
    key = scene.keys.task(task_id)

    async def is_kept() -> bool:
        return bool(await scene.redis.hget(key, "checkpoint") == value)

    await wait_until(is_kept, 10, f"{task_id} has the checkpoint {value}")


@pytest.mark.parametrize(("kind", "last"), [("walk", "3"), ("walk-plain", "2")])
async def test_lost_agent_goes_on_from_its_checkpoint(scene: Scene, kind: str, last: str) -> None:
    """The daemon is killed, and its next life begins where the agent was."""
    daemon = await talkers(scene)
    task_id = await scene.submit(kind)
    await checkpointed(scene, task_id, last)
    daemon.kill9()
    daemon.start()
    task = await scene.ended(task_id, 20)
    assert (task.status, task.result, task.attempt) == ("completed", int(last), 2)
    assert (await scene.agent(f"{task_id}.1")).reason == "lost"
    await scene.quiet()


async def test_command_tells_and_listens(scene: Scene) -> None:
    """Progress, checkpoint, output and messages of a shell script, through a retry."""
    await talkers(scene)
    agent_id = await running(scene, "shell", {"a": 1})
    task_id = agent_id.removesuffix(".1")
    await checkpointed(scene, task_id, '{"page":7}')
    await scene.client.send(agent_id, {"x": [None, "é"]})
    await scene.client.send(agent_id, "fail")
    assert await scene.ending(agent_id) == ("failed", "error")
    record = await scene.agent(agent_id)
    assert (record.progress, record.note) == (0.3, "cloned")
    written = await lines(scene, agent_id)
    assert [line for stream, line in written if stream == "stdout"] == [
        'context {"a":1}',
        'message {"x":[null,"é"]}',
        'message "fail"',
    ]
    assert ("stderr", "saved") in written
    second = f"{task_id}.2"
    await wait_until(lambda: is_status(scene, second, "running"), 10)
    await scene.client.send(second, "bye")
    assert (await scene.ended(task_id)).result == "done"
    assert ("stdout", 'restored {"page":7}') in await lines(scene, second)
    assert (await scene.events(task_id)).count("agent.progress") >= 2
    await scene.quiet()


@pytest.mark.parametrize("kind", ["chat", "chat-plain"])
async def test_messages_by_client_and_by_command(scene: Scene, kind: str) -> None:
    """Both reach the agent, in their order; its last word is on its record."""
    daemon = await talkers(scene)
    agent_id = await running(scene, kind)
    await scene.client.send(agent_id, [1])
    command = {"command": "message", "agentId": agent_id, "message": None, "id": 7}
    reply = await scene.ask(command)
    assert reply == {"id": 7, "node": daemon.node, "ok": True, "result": {"agentId": agent_id}}
    await scene.client.send(agent_id, "bye")
    record = await scene.ended(agent_id)
    assert (record.status, record.result) == ("completed", [[1], None])
    assert (await scene.agent(agent_id)).note == "2 heard"
    with pytest.raises(AlreadyTerminalError):
        await scene.client.send(agent_id, 1)
    await scene.quiet()


async def test_command_that_two_daemons_hear_is_one_message(scene: Scene) -> None:
    """The agent's own daemon answers, and it alone; both say so if there is no such agent."""
    one, other = await talkers(scene), await talkers(scene)
    agents = [await running(scene, "chat") for _ in range(6)]
    nodes = set()
    async with scene.replies() as (reply_to, pubsub):
        for agent_id in agents:
            await scene.publish(
                {"command": "message", "agentId": agent_id, "message": 1, "replyTo": reply_to}
            )
        for _ in agents:
            message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=30)
            while message is None:
                message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=30)
            nodes.add(message["data"].split('"node":"')[1].split('"')[0])
        assert await pubsub.get_message(ignore_subscribe_messages=True, timeout=0.2) is None
    owners = {(await scene.agent(agent_id)).node for agent_id in agents}
    assert nodes == owners
    for agent_id in agents:
        await scene.client.send(agent_id, "bye")
        assert (await scene.ended(agent_id)).result == [1]
    replies = await scene.ask({"command": "message", "agentId": "x.1", "message": 1}, count=2)
    assert {reply["node"] for reply in replies} == {one.node, other.node}
    assert {reply["error"]["code"] for reply in replies} == {"not_found"}
    replies = await scene.ask({"command": "message", "agentId": agents[0], "message": 1}, count=2)
    assert {reply["error"]["code"] for reply in replies} == {"already_terminal"}
    await scene.quiet()


async def test_refusals_of_messages(scene: Scene) -> None:
    """Deaf, full, gone: each with its code, and nothing is kept."""
    await talkers(scene, MUSTERD_MAX_MESSAGES="2")
    deaf = await running(scene, "deaf")
    with pytest.raises(DeafError):
        await scene.client.send(deaf, 1)
    reply = await scene.ask({"command": "message", "agentId": deaf, "message": 1})
    assert reply["error"]["code"] == "deaf"
    with pytest.raises(NotFoundError):
        await scene.client.send("strange.1", 1)
    full = await running(scene, "walk")
    for number in range(2):
        await scene.client.send(full, number)
    with pytest.raises(MailboxFullError):
        await scene.client.send(full, 3)
    reply = await scene.ask({"command": "message", "agentId": full, "message": 3})
    assert reply["error"]["code"] == "full"
    await scene.quiet()
    assert not await scene.redis.exists(scene.keys.messages(full))


async def test_messages_survive_a_restart_of_the_server(open_own: OpenOwn) -> None:
    """What was sent before, and what is sent after it, comes once."""
    async with open_own() as scene:
        await talkers(scene, MUSTERD_HEARTBEAT_TTL="3")
        agent_id = await running(scene, "chat")
        await scene.client.send(agent_id, 1)
        scene.server.restart()
        await scene.client.send(agent_id, 2)
        await scene.client.send(agent_id, "bye")
        assert (await scene.ended(agent_id, 20)).result == [1, 2]
        await scene.quiet()


async def test_output_can_be_read_after_the_end(scene: Scene) -> None:
    """The last lines, from any place on, as long as the record."""
    await talkers(scene, MUSTERD_OUTPUT_LINES="2")
    agent_id = await running(scene, "shell")
    for message in ("a", "b", "bye"):
        await scene.client.send(agent_id, message)
    await scene.ended(agent_id)
    kept = await scene.client.output(agent_id)
    assert [line.line for line in kept] == ['message "b"', 'message "bye"']
    assert await scene.client.output(agent_id, kept[0].place) == kept[1:]
    assert 0 < await scene.redis.ttl(scene.keys.output(agent_id)) <= 86_400
    logged = f"{await running(scene, 'chat')}"
    await scene.client.send(logged, "bye")
    await scene.ended(logged)
    ((stream, line),) = await lines(scene, logged)
    assert stream == "log"
    assert line.startswith("info: listening attempt=1")
    await scene.quiet()


async def test_limits_are_refusals_that_name_the_setting(scene: Scene) -> None:
    """Context, metadata, checkpoint, result, command; an error is cut."""
    daemon = await talkers(
        scene,
        MUSTERD_MAX_CONTEXT="256",
        MUSTERD_MAX_METADATA="256",
        MUSTERD_MAX_CHECKPOINT="256",
        MUSTERD_MAX_RESULT="256",
        MUSTERD_MAX_ERROR="256",
        MUSTERD_MAX_COMMAND="512",
    )
    spawn = {"command": "spawn", "kind": "leave", "taskId": "t1"}
    for name in ("context", "metadata"):
        reply = await scene.ask(spawn | {name: "x" * 300})
        assert reply["error"]["code"] == "malformed"
        assert f"MUSTERD_MAX_{name.upper()}" in reply["error"]["message"]
    assert not await scene.redis.exists(scene.keys.task("t1"))
    large = await scene.ended(await scene.submit("leave", ["x" * 300, 1]))
    assert (large.status, large.reason) == ("failed", "rejected")
    assert "MUSTERD_MAX_CONTEXT" in str(large.error)
    for kind, context, setting in (
        ("leave", ["é", 200], "MUSTERD_MAX_RESULT"),
        ("hoard", None, "MUSTERD_MAX_CHECKPOINT"),
        ("hoard-plain", None, "MUSTERD_MAX_CHECKPOINT"),
    ):
        task = await scene.ended(await scene.submit(kind, context))
        assert (task.status, task.reason) == ("failed", "error"), kind
        assert setting in str(task.error) or len(str(task.error)) >= 256, kind
    task = await scene.ended(await scene.submit("grumble", "no"))
    assert str(task.error).startswith("RuntimeError: nono")
    assert len(str(task.error).encode()) <= 256 + len("…".encode())
    await scene.publish({"command": "pause", "id": "x" * 600})
    said = "bytes, at most 512 are accepted (MUSTERD_MAX_COMMAND)"
    await wait_until(lambda: said in daemon.log_text(), 10, "the command is refused")
    await scene.quiet()


async def test_client_has_limits_of_its_own(scene: Scene) -> None:
    """What it can know it refuses before anything is sent."""
    with pytest.raises(TooLargeError, match="MUSTERD_MAX_CONTEXT"):
        await scene.submit("leave", "x" * 1024 * 1024)


async def test_too_many_kinds_do_not_start(scene: Scene) -> None:
    """Its own are too many, or with those of others: one line, and nothing is offered."""
    daemon = await scene.daemon(MUSTERD_AGENTS=TALKERS, MUSTERD_MAX_KINDS="3", wait=False)
    assert await daemon.wait_exit() == 2
    assert "MUSTERD_MAX_KINDS" in daemon.log_text()
    assert not await scene.redis.exists(scene.keys.kinds)
    await talkers(scene)
    other = await scene.daemon(MUSTERD_MAX_KINDS="20", wait=False)
    assert await other.wait_exit() == 1
    assert "MUSTERD_MAX_KINDS" in other.log_text()
    await scene.quiet()


async def test_what_cannot_be_written_harms_nobody(scene: Scene) -> None:
    """Half a surrogate pair in a line and in a note: both are kept, and the daemon lives."""
    daemon = await talkers(scene)
    task = await scene.ended(await scene.submit("mumble"))
    assert (task.status, task.result) == ("completed", "said")
    agent_id = f"{task.task_id}.1"
    assert (await scene.agent(agent_id)).note == "?"
    ((_, line),) = await lines(scene, agent_id)
    assert line.startswith("info: half ? of it")
    assert (await scene.ask({"command": "ping"}))["node"] == daemon.node
    await scene.quiet()


@pytest.mark.parametrize("family", ["messages", "output"])
async def test_key_of_a_wrong_type(scene: Scene, family: str) -> None:
    """Named in one warning; the agent and its daemon go on, and all works once it is repaired."""
    daemon = await talkers(scene)
    agent_id = await running(scene, "repeat")
    key = getattr(scene.keys, family)(agent_id)

    def warnings() -> list[dict[str, Any]]:
        return [line for line in daemon.log() if line["level"] == "warning" and key in str(line)]

    await scene.redis.set(key, "nonsense")
    if family == "output":
        await scene.client.send(agent_id, "one")
        await scene.client.send(agent_id, "two")
    else:
        await scene.redis.publish(scene.keys.mail_bell(daemon.node), agent_id)
    await wait_until(warnings, 10)
    await scene.redis.delete(key)
    await scene.client.send(agent_id, "bye")
    assert (await scene.ended(agent_id)).status == "completed"
    assert (await lines(scene, agent_id))[-1] == ("log", "info: heard message='bye'")
    assert len(warnings()) == 1
    await scene.quiet()
