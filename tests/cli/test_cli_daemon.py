"""The commands that need a daemon, against a real one, each as a process."""

import json
import os
import pty
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import click
import pytest
from redis.asyncio import Redis

from musterd.cli.control import still_alive
from musterd.client import Client
from musterd.errors import UnreachableError
from musterd.keys import Keys
from musterd.settings import load
from tests.cli.conftest import Cli, Program
from tests.service.scene import KINDS
from tests.support.daemon import Daemon
from tests.support.fixtures import StartDaemon
from tests.support.wait import wait_until


async def run(program: Program, *arguments: str) -> tuple[int, str, str]:
    """Run a command to its end: exit code, standard output, standard error."""
    process = program(*arguments)
    out, err = await anyio.to_thread.run_sync(lambda: process.communicate(timeout=60))
    return process.returncode, out, err


@pytest.fixture
async def daemon(start_daemon: StartDaemon) -> Daemon:
    """A daemon that offers the kinds of tests/agents."""
    return await start_daemon(node="build1", MUSTERD_AGENTS=KINDS, MUSTERD_KILL_GRACE="1")


async def test_submit_and_wait(daemon: Daemon, program: Program) -> None:
    """`--wait` prints the id, then the result; with `--json` the record, and exits 0."""
    assert daemon.node
    code, out, err = await run(program, "submit", "greet", "--id", "t1", "--wait")
    assert (code, out, err) == (0, 't1\n"hello"\n', "")
    code, out, _ = await run(program, "submit", "greet", "--id", "t2", "--wait", "--json")
    document = json.loads(out)
    assert (code, document["taskId"], document["result"]) == (0, "t2", "hello")


async def test_submit_and_wait_for_a_failure(daemon: Daemon, program: Program) -> None:
    """A task that fails is exit 1, with its error on standard error."""
    assert daemon.node
    code, out, err = await run(program, "submit", "crash", "--id", "t1", "--wait")
    assert (code, out) == (1, "t1\n")
    assert err == "musterd: t1: failed (error: exit code 3: it cannot go on)\n"


async def test_drain_and_wait(daemon: Daemon, program: Program) -> None:
    """`drain --wait` returns when the daemon has ended, or says who has not in time."""
    await run(program, "submit", "hold", "--id", "t1")
    await wait_until(lambda: "agent started" in daemon.log_text(), 20)
    code, out, err = await run(program, "drain", "--wait", "--wait-timeout", "0.1")
    assert (code, out) == (1, "build1: draining\n")
    assert err == "musterd: not ended after 0.1 s: build1; see `musterd ps`\n"
    waiting = program("drain", "--wait")
    assert waiting.stdout is not None
    assert await anyio.to_thread.run_sync(waiting.stdout.readline) == "build1: draining\n"
    assert waiting.poll() is None
    assert (await run(program, "kill", "t1"))[0] == 0
    assert await daemon.wait_exit(20) == 0
    assert await anyio.to_thread.run_sync(waiting.communicate) == ("", "")
    assert waiting.returncode == 0


async def test_drain_waits_for_nobody_who_does_not_answer(
    daemon: Daemon, program: Program, redis: Redis, prefix: str
) -> None:
    """It may not have heard of it, and so never end; that is told instead."""
    daemon.kill9()
    await redis.expire(Keys(prefix).node("build1"), 60)
    code, out, err = await run(program, "drain", "--wait", "--wait-timeout", "3")
    assert (code, out, err) == (1, "", "musterd: build1: did not answer\n")
    await redis.delete(Keys(prefix).node("build1"))


async def test_server_that_is_away_has_not_ended(tmp_path: Path) -> None:
    """Only an embedded one ends with its daemon; one that nobody has named is none."""
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
    settings = load(host="127.0.0.1", port=port, state_dir=tmp_path)
    settings.model_fields_set.clear()  # the defaults name a server, too
    async with Client(settings) as client:
        with pytest.raises(UnreachableError):
            await still_alive(client, {"build1": "e1"})


async def test_unknown_kind_is_exit_2(daemon: Daemon, program: Program) -> None:
    """A kind that no daemon has offered is refused."""
    assert daemon.node
    code, out, err = await run(program, "submit", "nonsense")
    assert (code, out) == (2, "")
    assert err.startswith("musterd: nonsense: no daemon has offered this kind")
    assert "`musterd ps`" not in err


async def test_kill_and_wait(daemon: Daemon, program: Program) -> None:
    """`kill --wait` returns when the agent is dead."""
    assert daemon.node
    await run(program, "submit", "hold", "--id", "t1")
    code, out, err = await run(program, "kill", "t1", "--wait", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["status"] == "failed"
    _, out, _ = await run(program, "show", "t1", "--json")
    assert [agent["status"] for agent in json.loads(out)["agents"]] in ([], ["killed"])


async def test_pause_and_resume(daemon: Daemon, program: Program) -> None:
    """A paused daemon says so and claims nothing; a resumed one does."""
    assert await run(program, "pause") == (0, "build1: paused\n", "")
    await run(program, "submit", "greet", "--id", "t1")
    _, out, _ = await run(program, "ps", "--json")
    document = json.loads(out)
    assert [node["state"] for node in document["nodes"]] == ["paused"]
    assert [task["status"] for task in document["tasks"]] == ["pending"]
    code, out, _ = await run(program, "resume", "--node", daemon.node, "--json")
    assert (code, json.loads(out)["node"]) == (0, "build1")
    code, _, _ = await run(program, "submit", "greet", "--id", "t1", "--wait")
    assert code == 0


async def test_pause_and_resume_of_one_kind(
    daemon: Daemon, program: Program, start_daemon: StartDaemon
) -> None:
    """It is said of the daemon that offers the kind, and of the tasks that wait for it."""
    await start_daemon(node="build2", MUSTERD_AGENTS="tests.agents.examples:brief")
    assert await run(program, "pause", "--kind", "greet") == (0, "build1: greet paused\n", "")
    await run(program, "submit", "greet", "--id", "t1")
    _, out, _ = await run(program, "ps", "--json")
    document = json.loads(out)
    assert {node["node"]: node.get("pausedKinds") for node in document["nodes"]} == {
        "build1": ["greet"],
        "build2": None,
    }
    assert document["notes"] == {"t1": "its kind is paused on build1"}
    code, out, err = await run(program, "resume", "--kind", "nonsense", "--node", "build1")
    assert (code, out) == (2, "")
    assert err.startswith("musterd: build1: nonsense: this daemon does not offer this kind")
    code, out, err = await run(program, "pause", "--kind", "nonsense", "--json")
    assert (code, err.count("does not offer")) == (2, 2)
    assert {json.loads(line)["ok"] for line in out.splitlines()} == {False}
    await run(program, "pause", "--node", "build1")
    told = "build1: greet resumed, but the daemon is paused\n"
    assert await run(program, "resume", "--kind", "greet") == (0, told, "")
    await run(program, "resume")
    code, _, _ = await run(program, "submit", "greet", "--id", "t1", "--wait")
    assert code == 0
    assert daemon.pid


async def test_drain(daemon: Daemon, program: Program) -> None:
    """A drained daemon ends with 0."""
    assert await run(program, "drain") == (0, "build1: draining\n", "")
    assert await daemon.wait_exit() == 0


async def test_silent_daemon_is_exit_1(daemon: Daemon, program: Program) -> None:
    """A daemon that does not answer, and one that is not there, are told."""
    code, out, err = await run(program, "pause", "--node", "nowhere")
    assert (code, out) == (1, "")
    assert err.startswith("musterd: nowhere: no daemon of this name answered")
    daemon.kill9()
    assert await run(program, "pause") == (1, "", "musterd: build1: did not answer\n")


def test_no_daemon_is_exit_1(cli: Cli) -> None:
    """Without a daemon there is nobody to tell."""
    assert cli("pause") == (1, "", "musterd: no daemon is running\n")


async def test_table_fits_the_terminal(daemon: Daemon, program: Program) -> None:
    """On a terminal of 80 columns no line is longer, and of a long id both ends are there."""
    long_id = "a-very-long-id-" * 5
    await run(program, "submit", "hold", "--id", long_id)
    shown = await anyio.to_thread.run_sync(on_terminal, program, "ps")
    lines = [line.rstrip() for line in shown.splitlines()]
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["ID", "KIND", "STATUS", "TRY", "NODE", "AGE", "WHY"]
    shown_ids = [line.split()[0] for line in lines[1:3]]
    assert all(shown_id.startswith("a-very-long-id-a") for shown_id in shown_ids)
    assert [shown_id[-7:] for shown_id in shown_ids] == ["ong-id-", "g-id-.1"]
    assert "Daemon: build1 active" in shown
    await run(program, "kill", "--all", "--wait")
    assert daemon.pid


def on_terminal(program: Program, *arguments: str) -> str:
    """What a command prints on a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    environment = {"COLUMNS": "80", "LINES": "24", "TERM": "xterm", "NO_COLOR": "1"}
    process = program(*arguments, stdout=theirs, env=environment)
    os.close(theirs)
    shown = click.unstyle(b"".join(read_all(ours)).decode())
    os.close(ours)
    assert process.wait(20) == 0
    return shown


def read_all(file: int) -> Iterator[bytes]:
    """What comes until the terminal is closed, which Linux tells as an error."""
    while True:
        try:
            data = os.read(file, 65_536)
        except OSError:
            return
        if not data:
            return
        yield data


async def test_run_embedded(program: Program, tmp_path: Path) -> None:
    """`run --embedded` starts its own server, that other commands find; SIGTERM ends both."""
    environment = {
        "VALKEY_URL": "",
        "MUSTERD_STATE_DIR": str(tmp_path / "state"),
        "MUSTERD_LOG_FORMAT": "json",
    }
    options = ("--embedded", "--agents", "tests.agents.examples", "--node", "n1", "--capacity", "7")
    process = program("run", *options, env=environment, cwd=Path(__file__).parents[2])
    assert process.stderr is not None
    with closing(process.stderr):
        while json.loads(line := process.stderr.readline())["event"] != "ready":
            assert line
        ps = program("ps", "--json", env=environment)
        out, _ = await anyio.to_thread.run_sync(lambda: ps.communicate(timeout=60))
        (node,) = json.loads(out)["nodes"]
        assert (node["node"], node["capacity"]) == ("n1", 7)
        process.send_signal(signal.SIGTERM)
        await wait_until(lambda: process.poll() is not None, 10, "the daemon ends")
        assert process.returncode == 0


async def test_run_with_a_bad_option(program: Program) -> None:
    """An option that cannot be used is exit 2 and one line, which names the setting."""
    code, out, err = await run(program, "run", "--capacity", "none")
    assert (code, out) == (2, "")
    assert err.startswith("musterd: MUSTERD_CAPACITY: 'none' is not accepted; give ")
    assert err.count("\n") == 1
