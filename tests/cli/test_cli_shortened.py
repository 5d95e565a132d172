"""Ids that are given in part, for `show` and `kill`."""

import pytest

from tests.cli.conftest import NODE, Cli, Hand, as_client, as_daemon

pytestmark = pytest.mark.leaves_work("what is not killed")


@pytest.fixture
def several(cli: Cli) -> Cli:
    """The command line, with tasks that wait; `alpha-run` has a first attempt that runs."""
    assert cli("submit", "check", "--id", "alpha-run").code == 0

    async def work(hand: Hand) -> None:
        await hand.run("check")

    as_daemon(work)
    for task_id in ("alpha", "alpha-rest", "beta-12", "v1.2-build", "gamma.a"):
        assert cli("submit", "check", "--id", task_id).code == 0
    return cli


def status(task_id: str) -> str:
    """Of a task, as it is now."""
    return as_client(lambda client: client.get(task_id)).status


def test_part_of_one(several: Cli) -> None:
    """It stands for the whole id, which is what is shown."""
    assert several("show", "bet", "--json").document["taskId"] == "beta-12"
    assert several("show", "v1.2", "--json").document["taskId"] == "v1.2-build"
    assert several("show", "alpha-ru.1", "--json").document["agentId"] == "alpha-run.1"
    assert several("kill", "bet").out == "beta-12: dead, it had not started\n"
    assert several("kill", "alpha-ru.1").out == (
        f"alpha-run.1: alpha-run.1 on {NODE} is asked to stop\n"
    )


def test_whole_id_is_itself(several: Cli) -> None:
    """Also where others begin with it; an attempt that it never had is nobody's."""
    assert several("show", "alpha", "--json").document["taskId"] == "alpha"
    assert several("show", "alpha.1").code == 3
    assert several("kill", "alpha.1").code == 3
    assert several("kill", "alpha") == (0, "alpha: dead, it had not started\n", "")
    assert [status(one) for one in ("alpha-rest", "alpha-run")] == ["pending", "executing"]
    assert several("kill", "alpha").code == 4


@pytest.mark.parametrize("command", ["show", "kill"])
def test_several_are_named(several: Cli, command: str) -> None:
    """Exit 2, with the ids; nothing happens to any of them."""
    outcome = several(command, "alpha-r")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (
        "musterd: alpha-r: there is no such task or agent, and it may stand for "
        "alpha-rest, alpha-run; give more of it\n"
    )
    assert [status(one) for one in ("alpha-rest", "alpha-run")] == ["pending", "executing"]


def test_many_are_named_in_part(cli: Cli) -> None:
    """Ten of them, and that there are others."""
    for letter in "abcdefghijkl":
        cli("submit", "check", "--id", f"many-{letter}")
    outcome = cli("kill", "many")
    assert outcome.code == 2
    assert outcome.err.count("many-") == 10
    assert " or others; " in outcome.err
    assert {status(f"many-{letter}") for letter in "abcdefghijkl"} == {"pending"}


def test_kill_takes_no_number_for_a_part(several: Cli) -> None:
    """`beta-1` may have ended and been forgotten: it is not `beta-12`. To look is no harm."""
    assert several("kill", "beta-1").code == 3
    assert status("beta-12") == "pending"
    assert several("show", "beta-1", "--json").document["taskId"] == "beta-12"


def test_random_id_may_be_cut_anywhere(cli: Cli) -> None:
    """Its digits are no numbers."""
    task_id = "12345678901234567890"
    cli("submit", "check", "--id", task_id)
    assert cli("kill", "12345").out == f"{task_id}: dead, it had not started\n"


@pytest.mark.parametrize("text", ["zeta", "a b", "*", "alph?", "zeta.1", "[a]lpha"])
def test_part_of_none(several: Cli, text: str) -> None:
    """Exit 3, as for an id that does not exist; what can be part of no id is not looked for."""
    for command in ("show", "kill"):
        outcome = several(command, text)
        assert (outcome.code, outcome.out) == (3, "")


@pytest.mark.parametrize("arguments", [["show"], ["kill"], ["logs"], ["send", "1"]])
def test_no_id(several: Cli, arguments: list[str]) -> None:
    """An empty text is wrong usage, exit 2: a variable was not set, say."""
    command, *more = arguments
    outcome = several(command, "", *more)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("musterd: ID is empty; give ")
