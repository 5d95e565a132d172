"""`musterd kill`."""

import pytest

from tests.cli.conftest import NODE, Cli, as_client, as_daemon


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


@pytest.mark.leaves_work("nothing is killed")
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["t1", "--all"],
        ["t1", "--kind", "check"],
        ["--all", "--grace", "1"],
        ["t1", "--grace", "-1"],
    ],
)
def test_what_is_refused(three: Cli, arguments: list[str]) -> None:
    """An unclear wish is exit 2, and kills nothing."""
    outcome = three("kill", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert pending() == {"t1", "t2", "t3"}
