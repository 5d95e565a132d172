"""Thousands of messages that are no commands, at a daemon whose agents run."""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from musterd.commands import Spawn, parse
from musterd.errors import MalformedError
from tests.service.scene import Scene
from tests.support.daemon import Daemon
from tests.support.wait import wait_until

COUNT: Final = 50_000 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 2_000
"""Messages on each of the two channels."""

PACE: Final = 200
"""Messages under way at once: a listener with too much waiting is cut off by the server."""

TTL: Final = 12
"""Seconds; agents' leases outlast a loop that stands still for less than half of them."""

MEMORY: Final = 64
"""MiB that the daemon may grow by."""

GOOD = (
    {"command": "spawn", "kind": "echo", "taskId": "f1", "context": {"a": [1, "é"]}, "priority": 3},
    {"command": "kill", "agentId": "f1.1", "reason": "too expensive", "grace": 2.5},
    {"command": "kill", "taskId": "f1", "id": 7},
    {"command": "kill", "kind": "hold"},
    {"command": "kill", "all": True},
    {"command": "drain"},
    {"command": "ping", "id": "r1"},
)
BITS = (
    b"\x00", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b'"', b"\\", b"{", b"}", b"[", b"]",
    b",", b":", b"null", b"true", b"NaN", b"1e999", b"9" * 30, b"9" * 5000, b"[" * 200, b"\r\n",
    b'"command":"drain",', b'"all":true,', b'"taskId":"f1",', "٣😀".encode(),
)  # fmt: skip
GIANTS = (
    b"x" * 3_000_000,
    b"[" * 1_000_000,
    b'{"command":"ping","x":[' + b"[]," * 300_000 + b"[]]}",
    b'{"command":"kill","agentId":"t.' + b"9" * 1_000_000 + b'"}',
    b'{"command":"' + b"drain" * 200_000 + b'"}',
    b'{"command":"spawn","kind":"echo","taskId":"' + b"a" * 1_000_000 + b'"}',
    b'{"command":"spawn","kind":"echo","taskId":"f2","context":' + b'{"a":' * 150_000,
    b"{" + b",".join(b'"%d":null' % number for number in range(80_000)) + b"}",
)


def is_refused(data: bytes) -> bool:
    """Whether it is no command; one that is would be carried out."""
    try:
        command = parse(data)
        if isinstance(command, Spawn):
            command.submission()
    except MalformedError:
        return True
    return False


def mutations(chance: random.Random) -> Iterator[bytes]:
    """Without end: real commands cut, doubled and written over, and plain noise."""
    while True:
        if chance.random() < 0.1:
            yield chance.randbytes(chance.randrange(64))
            continue
        text = json.dumps(chance.choice(GOOD)).encode()
        for _ in range(chance.randint(1, 3)):
            first = chance.randrange(len(text) + 1)
            last = min(len(text), first + chance.randrange(12))
            put = chance.choice((*BITS, chance.randbytes(2), text[first:last] * 2))
            text = text[:first] + put + text[last:]
        yield text


def memory(daemon: Daemon) -> int:
    """What the daemon holds, MiB."""
    pages = int(Path(f"/proc/{daemon.pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 2**20


@pytest.mark.timeout(300)
async def test_messages_that_are_no_commands(scene: Scene) -> None:
    """Each is one warning; the daemon answers, its agents run on, its memory stays what it was."""
    daemon = await scene.daemon(MUSTERD_HEARTBEAT_TTL=str(TTL))
    agents = [await scene.start("hold"), await scene.start("hold")]
    chance = random.Random(7)  # noqa: S311 - the same messages each time
    source = filter(is_refused, mutations(chance))
    before, sent = memory(daemon), 0

    def all_refused() -> bool:
        return daemon.log_text().count('"command refused"') >= sent

    for channel in (scene.keys.control, scene.keys.submit):
        for message in GIANTS:
            assert is_refused(message)
            sent += await scene.publish(message, channel=channel)
            await wait_until(all_refused, 30)
        for number in range(COUNT):
            sent += await scene.publish(next(source), channel=channel)
            if number % PACE == 0:
                await wait_until(all_refused, 30)
    await wait_until(all_refused, 30)
    assert (await scene.ask({"command": "ping"}))["node"] == daemon.node
    assert sent == 2 * (COUNT + len(GIANTS))
    warned = [line for line in daemon.log() if line["level"] == "warning"]
    stalls = [line for line in warned if line["event"].startswith("event loop ")]
    assert all(line["seconds"] < TTL / 2 for line in stalls), stalls  # of a busy machine
    warned = [line for line in warned if line not in stalls]
    assert [line["event"] for line in warned] == ["command refused"] * sent
    assert max(len(line["error"]) for line in warned) < 500
    assert "Traceback" not in daemon.own_log_text()
    assert memory(daemon) < before + MEMORY
    for agent_id in agents:
        assert (await scene.agent(agent_id)).status == "running"
    assert (await scene.ended(await scene.submit("echo"))).status == "completed"
    await scene.quiet()
