"""What the README shows is run as it stands there, against a real daemon."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from redis.asyncio import Redis

from musterd.client import Client
from musterd.embedded import EmbeddedValkey
from tests.support.daemon import Daemon
from tests.support.fixtures import LoadSettings
from tests.support.server import Server
from tests.support.wait import wait_until

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CLIENT_PAGE = (ROOT / "docs/client.md").read_text(encoding="utf-8")
PATHS = {"PYTHONPATH": os.pathsep.join(str(Path(path).resolve()) for path in sys.path)}


def blocks(language: str, text: str = README) -> list[str]:
    """The code of one language, block by block."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


(KINDS,) = blocks("toml")
(SCRIPT,) = blocks("bash")
AGENT, CLIENT = blocks("python")
SOURCES = re.findall(r"musterd run --embedded --agents (\S*\w)", README)


@pytest.fixture
async def daemon(server: Server, prefix: str) -> AsyncIterator[Daemon]:
    """A daemon in a folder that holds the README's files, started with the README's sources."""
    assert SOURCES == ["agents.toml", "summaries"]
    with closing(Daemon(server.url, prefix, env={"MUSTERD_AGENTS": ",".join(SOURCES)})) as daemon:
        for name, text in (("agents.toml", KINDS), ("check.sh", SCRIPT), ("summaries.py", AGENT)):
            (daemon.directory / name).write_text(text)
        daemon.start()
        await daemon.wait_ready()
        yield daemon


async def run_client(daemon: Daemon, source: str) -> list[str]:
    """What a program prints that somebody saves beside the daemon's files and runs."""
    (daemon.directory / "client.py").write_text(source)
    done = await anyio.run_process(
        [sys.executable, "client.py"],
        cwd=daemon.directory,
        env={**os.environ, "VALKEY_URL": daemon.url, "MUSTERD_PREFIX": daemon.prefix} | PATHS,
        check=False,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout.decode()
    return done.stdout.decode().splitlines()


async def test_python(daemon: Daemon) -> None:
    """The client runs to its end: one task completes, the other is killed, and both are told of."""
    first, *events = await run_client(daemon, CLIENT)
    assert first == "completed {'pages': 2}"
    told = [line.split()[0] for line in events]
    assert (told.count("task.completed"), told.count("task.failed")) == (1, 1)


async def test_page_of_the_client(daemon: Daemon) -> None:
    """The example on the client's own page runs too."""
    (source,) = blocks("python", CLIENT_PAGE)
    (record,) = await run_client(daemon, source)
    assert "status='completed'" in record


async def test_messages(daemon: Daemon, settings: LoadSettings) -> None:
    """What is published makes a task of the command's kind, and a kill of it is heard."""
    messages = dict(re.findall(r"PUBLISH orchestrator:(\w+) '(.*)'", README))
    spawn, kill = json.loads(messages["submit"]), json.loads(messages["control"])
    assert kill["agentId"] == f"{spawn['taskId']}.1"
    async with Redis.from_url(daemon.url) as redis, Client(settings()) as client:
        assert await redis.publish(f"{daemon.prefix}:submit", messages["submit"]) == 1
        await wait_until(lambda: redis.exists(f"{daemon.prefix}:task:{spawn['taskId']}"))
        task = await client.wait_for(spawn["taskId"], 10)
        assert (task.status, task.result) == ("completed", {"problems": 0})
        assert await redis.publish(f"{daemon.prefix}:control", messages["control"]) == 1
        await wait_until(lambda: "already_terminal" in daemon.log_text())


async def test_embedded_socket() -> None:
    """The embedded server is where the README sends valkey-cli."""
    (place,) = re.findall(r"valkey-cli -s ~/\.local/state/musterd/([\w/]+)", README)
    with tempfile.TemporaryDirectory(prefix="musterd-") as folder:
        async with (
            EmbeddedValkey(Path(folder)),
            Redis.from_url(f"unix://{folder}/{place}") as redis,
        ):
            assert await redis.ping()
