"""`musterd logs`."""

import subprocess

import pytest
from anyio import to_thread

from musterd.moves import Claim, Ending, Lines
from tests.cli.conftest import Cli, Hand, Program, as_daemon

pytestmark = pytest.mark.leaves_work("agents that no daemon runs")


def lines(first: int, *texts: str) -> Lines:
    """Lines on standard output, numbered from `first`."""
    return Lines(first, [("stdout", text) for text in texts])


@pytest.fixture
def agent(cli: Cli) -> Claim:
    """The agent of task `t`, of whose seven lines five are kept."""
    assert cli("submit", "check", "--id", "t").code == 0

    async def run(hand: Hand) -> Claim:
        claim = await hand.run("check")
        texts = ("one", "two", "three", "  four\tx", "fi\x1b[31mve", "", "seven")
        await hand.tell(claim, output=lines(1, *texts))
        return claim

    return as_daemon(run)


@pytest.mark.parametrize("record_id", ["t.1", "t"])
@pytest.mark.usefixtures("agent")
def test_what_is_kept(cli: Cli, record_id: str) -> None:
    """As it was written, but for what a terminal would obey; of a task that of its latest."""
    outcome = cli("logs", record_id)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == "three\n  four\tx\nfi [31mve\n\nseven\n"
    assert cli("logs", record_id, "-n", "1").out == "seven\n"
    assert cli("logs", record_id, "-n", "0").out == ""


@pytest.mark.usefixtures("agent")
def test_times_and_json(cli: Cli) -> None:
    """The time when it was kept, the stream, and in JSON the place."""
    time, stream, text = cli("logs", "t", "--times", "-n", "1").out.split()
    assert (time.endswith("Z"), stream, text) == (True, "stdout", "seven")
    *_, last = cli("logs", "t", "--json").documents
    assert last == {"place": "7-0", "at": time, "stream": "stdout", "line": "seven"}


def test_nothing_to_show(cli: Cli) -> None:
    """No such agent, a task that has had none, an agent that wrote nothing."""
    assert cli("logs", "nobody").code == 3
    assert cli("submit", "check", "--id", "t").code == 0
    assert "has had no agent yet" in cli("logs", "t").err
    as_daemon(lambda hand: hand.run("check"))
    assert cli("logs", "t")[:2] == (0, "")


def test_follow(cli: Cli, program: Program) -> None:
    """What comes is printed, what came too fast is told as missing; the agent's end ends it."""
    assert cli("submit", "check", "--id", "t").code == 0

    async def run(hand: Hand) -> subprocess.Popen[str]:
        claim = await hand.run("check")
        await hand.tell(claim, output=lines(1, "first"))
        process = program("logs", "t", "--follow")
        assert process.stdout is not None
        assert await to_thread.run_sync(process.stdout.readline) == "first\n"
        await hand.tell(claim, output=lines(2, *"abcdefg"))
        await hand.end(claim, Ending("completed"))
        return process

    process = as_daemon(run)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "c\nd\ne\nf\ng\n")
    assert "2 lines came faster than they could be read" in err
