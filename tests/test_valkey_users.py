"""The users of Valkey that are shipped: each may do its work, and no more."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.exceptions import NoPermissionError

from musterd import scripts
from musterd.doctor.rights import uses
from musterd.keys import Keys
from tests.support.daemon import Daemon
from tests.support.fixtures import StartServer
from tests.support.server import Server
from tests.support.wait import wait_until

USERS = Path(__file__).parents[1] / "systemd/valkey-users.acl"
NAMES = [line.split()[1] for line in USERS.read_text(encoding="utf-8").splitlines()]
PASSWORD = "hunter2"  # noqa: S105 - a secret only for these tests
PREFIX = "orchestrator"
KINDS = '[agents.sleep]\ncommand = ["sleep", "600"]\n[agents.true]\ncommand = ["true"]\n'


@pytest.fixture
def guarded(own_server: StartServer, tmp_path: Path) -> Server:
    """A server that has read the file; each user is on, with a password."""
    shutil.copy(USERS, tmp_path / "users.acl")
    config = {"aclfile": str(tmp_path / "users.acl"), "appendonly": "yes"}
    server = own_server(config=config)
    with server.client() as client:
        for name in NAMES:
            client.execute_command("ACL", "SETUSER", name, "on", f">{PASSWORD}")
    return server


@pytest.fixture
async def daemon(guarded: Server, tmp_path: Path) -> AsyncIterator[Daemon]:
    """A daemon that logs in as its user, with the password in a file."""
    (tmp_path / "kinds.toml").write_text(KINDS)
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    env = {
        "VALKEY_USERNAME": "musterd",
        "VALKEY_PASSWORD_FILE": str(tmp_path / "password"),
        "MUSTERD_AGENTS": str(tmp_path / "kinds.toml"),
        "MUSTERD_HEARTBEAT_TTL": "1",
    }
    with closing(Daemon(guarded.url, PREFIX, env=env)) as daemon:
        daemon.start()
        await daemon.wait_ready()
        yield daemon


@pytest.fixture
def as_user(guarded: Server) -> Iterator[Callable[[str], Any]]:
    """Log in as one of the users; the client answers text."""
    with ExitStack() as clients:

        def log_in(name: str) -> Any:
            url = f"{guarded.url}?username={name}&password={PASSWORD}"
            return clients.enter_context(redis.Redis.from_url(url, decode_responses=True))

        yield log_in


@pytest.fixture
def musterd(guarded: Server, tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run the command line as one of the users."""

    def run(user: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        env = {"VALKEY_URL": guarded.url, "VALKEY_USERNAME": user}
        return subprocess.run(
            [sys.executable, "-m", "musterd", *arguments],
            cwd=tmp_path,
            env=os.environ | env | {"VALKEY_PASSWORD_FILE": str(tmp_path / "password")},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def status(server: Server, record: str) -> str:
    """The status of a task or an agent, by the key's last parts."""
    with server.client() as client:
        return str(client.hget(f"{PREFIX}:{record}", "status"))


async def start_task(server: Server, musterd: Callable[..., Any]) -> None:
    """Have a task `t1` run."""
    assert musterd("musterd-operator", "submit", "sleep", "--id", "t1").returncode == 0
    await wait_until(lambda: status(server, "agent:t1.1") == "running")


async def test_daemon(guarded: Server, daemon: Daemon, musterd: Callable[..., Any]) -> None:
    """It runs agents, obeys kills, settles what it left when it dies; the doctor misses nothing."""
    await start_task(guarded, musterd)
    daemon.kill9()
    daemon.start()
    await daemon.wait_ready()
    await wait_until(lambda: status(guarded, "agent:t1.1") == "failed")
    assert musterd("musterd-operator", "submit", "true", "--id", "t2", "--wait").returncode == 0
    refused = [line for line in daemon.log() if "permission" in json.dumps(line).lower()]
    assert refused == []
    report = json.loads(musterd("musterd", "doctor", "--json").stdout)
    assert [one for one in report["findings"] if one["level"] == "problem"] == []


async def test_operator(guarded: Server, daemon: Daemon, musterd: Callable[..., Any]) -> None:
    """Submits, looks, pauses and kills; owns no agent in a daemon's place."""
    await start_task(guarded, musterd)
    for command in (("ps",), ("show", "t1"), ("events",), ("pause",), ("resume",)):
        done = musterd("musterd-operator", *command)
        assert done.returncode == 0, done.stderr
    assert musterd("musterd-operator", "kill", "t1", "--wait").returncode == 0
    assert status(guarded, "agent:t1.1") == "killed"
    assert daemon.log()


async def test_observer(
    guarded: Server, daemon: Daemon, musterd: Callable[..., Any], as_user: Callable[[str], Any]
) -> None:
    """Sees all and changes nothing: no kill, by whatever way."""
    await start_task(guarded, musterd)
    for command in (("ps",), ("show", "t1"), ("events",)):
        done = musterd("musterd-observer", *command)
        assert done.returncode == 0, done.stderr
    assert musterd("musterd-observer", "kill", "t1").returncode != 0
    observer = as_user("musterd-observer")
    for attempt in (
        ("PUBLISH", f"{PREFIX}:control", json.dumps({"command": "kill", "taskId": "t1"})),
        ("HSET", f"{PREFIX}:kills", "t1.1", "{}"),
        ("DEL", f"{PREFIX}:agent:t1.1"),
        ("EVAL", "return 1", "0"),
    ):
        with pytest.raises(NoPermissionError):
            observer.execute_command(*attempt)
    assert status(guarded, "agent:t1.1") == "running"
    assert musterd("musterd-operator", "kill", "t1", "--wait").returncode == 0
    assert daemon.log()


async def test_submitter(
    guarded: Server, daemon: Daemon, musterd: Callable[..., Any], as_user: Callable[[str], Any]
) -> None:
    """Submits and reads the reply; reads no result, commands nobody, writes nothing."""
    await start_task(guarded, musterd)
    submitter = as_user("musterd-submitter")
    reply = f"{PREFIX}:reply:submitter:1"
    with submitter.pubsub() as pubsub:
        pubsub.subscribe(reply)
        spawn = {"command": "spawn", "kind": "true", "taskId": "t2", "replyTo": reply}
        pubsub.get_message(timeout=30)
        submitter.publish(f"{PREFIX}:submit", json.dumps(spawn))
        answer = pubsub.get_message(timeout=30)
    assert json.loads(answer["data"])["result"] == {"taskId": "t2", "created": True}
    await wait_until(lambda: status(guarded, "task:t2") == "completed")
    kill = json.dumps({"command": "kill", "taskId": "t1"})
    for attempt in (
        ("HGETALL", f"{PREFIX}:task:t2"),
        ("HSET", f"{PREFIX}:task:t2", "result", "1"),
        ("XRANGE", f"{PREFIX}:events:log", "-", "+"),
        ("PUBLISH", f"{PREFIX}:control", kill),
        ("PUBLISH", f"{PREFIX}:reply:other", "{}"),
        ("SUBSCRIBE", f"{PREFIX}:events"),
        ("PSUBSCRIBE", f"{PREFIX}:*"),
        ("EVAL", "return 1", "0"),
    ):
        with pytest.raises(NoPermissionError):
            submitter.execute_command(*attempt)
    submitter.publish(f"{PREFIX}:submit", kill)
    assert musterd("musterd-operator", "submit", "true", "--id", "t3", "--wait").returncode == 0
    assert status(guarded, "agent:t1.1") == "running"
    assert musterd("musterd-operator", "kill", "t1", "--wait").returncode == 0
    assert daemon.log()


def test_users_are_off_until_they_have_a_password(own_server: StartServer, tmp_path: Path) -> None:
    """The file as it is shipped lets nobody in."""
    shutil.copy(USERS, tmp_path / "users.acl")
    server = own_server(config={"aclfile": str(tmp_path / "users.acl")})
    for name in NAMES:
        login = redis.Redis.from_url(f"{server.url}?username={name}&password=x")
        with login as client, pytest.raises(redis.AuthenticationError):
            client.ping()


def test_daemon_may_all_that_scripts_do() -> None:
    """Each command of a script, and each that the doctor asks for, is granted to the daemon."""
    granted = set(re.findall(r"\+([a-z]+)\b", USERS.read_text(encoding="utf-8").splitlines()[0]))
    called = set(re.findall(r"(?:call\(|in_parts\(\w+, )'([A-Z]+)'", scripts.script().source))
    asked = {name for use in uses(Keys("p"), "n", "p") for name in use.commands.split()}
    assert {name.lower() for name in called | asked} - granted == set()
