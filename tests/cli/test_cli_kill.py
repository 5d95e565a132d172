"""`musterd kill`."""

import signal
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from musterd.client import Client
from musterd.moves import Ending
from tests.cli.conftest import NODE, Cli, Hand, Program, as_client, as_daemon
from tests.support.wait import wait_until

if TYPE_CHECKING:
    import subprocess


@pytest.fixture
def three(cli: Cli) -> Cli:
    """The command line, with three waiting tasks: two of kind `check`, one of kind `review`."""
    for task_id, kind in (("t1", "check"), ("t2", "check"), ("t3", "review")):
        assert cli("submit", kind, "--id", task_id).code == 0
    return cli


def pending() -> set[str]:
    """The ids of the tasks that wait."""
    return {task.task_id for task in as_client(lambda client: client.tasks("pending"))}


@pytest.mark.leaves_work("the tasks that are not killed")
def test_waiting_task_is_dead_at_once(three: Cli) -> None:
    """A task that waits fails as killed, with the reason that was given; the others wait on."""
    outcome = three("kill", "t1", "--reason", "not wanted")
    assert outcome == (0, "t1: dead, it had not started\n", "")
    record = as_client(lambda client: client.get("t1"))
    assert (record.status, record.reason, record.error) == ("failed", "killed", "not wanted")
    assert pending() == {"t2", "t3"}


@pytest.mark.leaves_work("a running agent")
def test_live_agent_is_asked(cli: Cli) -> None:
    """Of a running task it says which agent is asked to stop, and where."""
    cli("submit", "check", "--id", "t1")
    as_daemon(lambda hand: hand.run("check"))
    assert cli("kill", "t1").out == f"t1: t1.1 on {NODE} is asked to stop\n"
    told = {"id": "t1.1", "outcome": "requested", "node": NODE}
    assert cli("kill", "t1.1", "--json").documents == [told]


@pytest.mark.leaves_work("a running agent")
def test_wait_ends_in_time(cli: Cli) -> None:
    """`--wait-timeout` gives up waiting, not the kill; it is of use with `--wait` only."""
    cli("submit", "check", "--id", "t1")
    as_daemon(lambda hand: hand.run("check"))
    outcome = cli("kill", "t1", "--wait", "--wait-timeout", "0.1")
    late = "musterd: not all are dead after 0.1 s; what was asked for is carried out\n"
    assert outcome == (1, "", late)
    assert cli("kill", "--all", "--wait", "--wait-timeout", "0.1") == (1, "", late)
    assert cli("kill", "t1", "--wait-timeout", "1").code == 2


def test_not_found_is_exit_3(cli: Cli) -> None:
    """No such record: exit 3."""
    outcome = cli("kill", "t9")
    assert (outcome.code, outcome.out) == (3, "")
    assert outcome.err.startswith("musterd: t9: there is no such task or agent")


@pytest.mark.leaves_work("the tasks that are not killed")
def test_ended_is_exit_4(three: Cli) -> None:
    """What had ended before: exit 4."""
    three("kill", "t1")
    outcome = three("kill", "t1")
    assert outcome == (4, "", "musterd: t1: has already ended, it is failed\n")


@pytest.mark.leaves_work("the task that is not killed")
def test_of_several_the_first_failure_counts(three: Cli) -> None:
    """Each id is tried; the exit code is that of the first that failed."""
    three("kill", "t1")
    outcome = three("kill", "t9", "t1", "t2", "--wait")
    assert (outcome.code, outcome.out) == (3, "t2: dead\n")
    assert outcome.err.count("\n") == 2
    assert pending() == {"t3"}


@pytest.mark.leaves_work("the task that is not killed")
def test_all_of_a_kind(three: Cli) -> None:
    """`--all --kind` leaves other kinds alone."""
    assert three("kill", "--all", "--kind", "check").out == "2 tasks asked to stop\n"
    assert pending() == {"t3"}


def test_all_and_wait(three: Cli) -> None:
    """`--all --wait` returns when they are dead, and says how many."""
    assert three("kill", "--all", "--wait", "--json").document == {"tasks": 3}
    assert pending() == set()


def test_all_and_wait_for_the_live(cli: Cli, program: Program) -> None:
    """It returns when the agents that were asked to stop have ended; each is given the grace."""
    for task_id in ("t1", "t2"):
        cli("submit", "check", "--id", task_id)

    async def run_and_end(hand: Hand) -> str:
        claims = [await hand.run("check"), await hand.run("check")]
        killing = program("kill", "--all", "--wait", "--grace", "2.5")
        requests = await recorded(2)
        assert all('"grace":2.5' in request for request in requests)
        for claim in claims:
            assert killing.poll() is None
            await hand.end(claim, Ending("killed"))
        return await output(killing)

    assert as_daemon(run_and_end) == "2 tasks dead\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(("t1", "t2"), "t1: dead\nt2: dead\n"), (("--all",), "2 tasks dead\n")],
)
def test_wait_for_what_is_trimmed(
    cli: Cli,
    program: Program,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    told: str,
) -> None:
    """A record that is gone before it was seen to end is that of a dead one: no error."""
    monkeypatch.setenv("MUSTERD_RETENTION_COUNT", "1")
    for task_id in ("t1", "t2"):
        cli("submit", "check", "--id", task_id)

    async def run_and_end(hand: Hand) -> str:
        claims = [await hand.run("check"), await hand.run("check")]
        killing = program("kill", *arguments, "--wait")
        await recorded(2)
        killing.send_signal(signal.SIGSTOP)
        for claim in claims:
            await hand.end(claim, Ending("killed"))
        killing.send_signal(signal.SIGCONT)
        return await output(killing)

    assert as_daemon(run_and_end) == told
    assert cli("show", "t1").code == 3


async def recorded(count: int) -> list[str]:
    """The kill requests, once there are so many."""

    async def look() -> list[str]:
        found: list[str] = await redis.hvals(client.keys.kills)
        return found if len(found) == count else []

    async with Client() as client:
        redis: Any = client._redis  # its stubs answer bytes or None everywhere
        return await wait_until(look, 10)


async def output(process: "subprocess.Popen[str]") -> str:
    """What a process has written to standard output, once it has ended well."""
    out, err = await anyio.to_thread.run_sync(lambda: process.communicate(timeout=60))
    assert (process.returncode, err) == (0, "")
    return str(out)


@pytest.mark.leaves_work("nothing is killed")
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["t1", "--all"],
        ["t1", "--kind", "check"],
        ["t1", "--grace", "-1"],
        ["--all", "--grace", "-1"],
    ],
)
def test_what_is_refused(three: Cli, arguments: list[str]) -> None:
    """An unclear wish is exit 2, and kills nothing."""
    outcome = three("kill", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert pending() == {"t1", "t2", "t3"}
