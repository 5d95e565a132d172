"""`musterd send`."""

import subprocess
from typing import Any

import pytest

from musterd import valkey
from musterd.client import Client
from musterd.moves import Claim, Ending
from tests.cli.conftest import Cli, Hand, Program, as_client, as_daemon

pytestmark = pytest.mark.leaves_work("agents that no daemon runs")


async def start(hand: Hand) -> Claim:
    """An agent that takes two messages, and runs."""
    await hand.offer("chat", {"messages": 2})
    return await hand.run("chat")


@pytest.fixture
def agent(cli: Cli) -> Claim:
    """The agent of task `talk`."""
    assert cli("submit", "chat", "--id", "talk").code == 0
    return as_daemon(start)


async def kept(client: Client) -> list[str]:
    """The messages for `talk.1`, as JSON."""
    async with valkey.connect(client.settings.server_url, connections=1) as redis:
        found: Any = await redis.xrange(client.keys.messages("talk.1"))
    return [fields["message"] for _, fields in found]


@pytest.mark.parametrize("record_id", ["talk.1", "talk", "tal", "tal.1"])
def test_reaches_the_agent(cli: Cli, agent: Claim, record_id: str) -> None:
    """By its own id, by its task's, or by a part of either."""
    outcome = cli("send", record_id, '{"a": [1]}')
    assert (outcome.code, outcome.out) == (0, f"{agent.agent_id}: left for it\n")
    assert cli("send", record_id, "null", "--json").document == {"agentId": agent.agent_id}
    assert as_client(kept) == ['{"a":[1]}', "null"]


def test_from_standard_input(program: Program, agent: Claim) -> None:
    """A dash reads it there."""
    process = program("send", agent.agent_id, "-", stdin=subprocess.PIPE)
    assert process.communicate('["from", "there"]', 20) == (f"{agent.agent_id}: left for it\n", "")


def test_no_json(cli: Cli, agent: Claim) -> None:
    """Text without quotes is refused, with how to write it."""
    outcome = cli("send", agent.agent_id, "hello")
    assert outcome.code == 2
    assert "it is not JSON" in outcome.err
    assert '"like this"' in outcome.err


@pytest.mark.usefixtures("agent")
def test_too_many_wait(cli: Cli) -> None:
    """As many as the kind allows; the next one is refused, and said not to be kept."""
    assert [cli("send", "talk", "1").code for _ in range(2)] == [0, 0]
    outcome = cli("send", "talk", "1")
    assert outcome.code == 1
    assert "2 messages wait for it" in outcome.err


@pytest.mark.parametrize("ended", [False, True])
def test_deaf_or_ended(cli: Cli, ended: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A kind that takes none, and an agent that has ended."""

    async def run(hand: Hand) -> None:
        await hand.offer("deaf", {})
        claim = await hand.run("deaf")
        if ended:
            await hand.end(claim, Ending("completed"))

    assert cli("submit", "deaf", "--id", "d").code == 0
    as_daemon(run)
    outcome = cli("send", "d", "1")
    assert outcome.code == (4 if ended else 1)
    assert ("has already ended" if ended else "take no messages") in outcome.err


def test_nobody_to_take_it(cli: Cli) -> None:
    """No such agent, and a task that has had none yet."""
    assert cli("send", "nobody", "1").code == 3
    assert cli("submit", "chat", "--id", "waits").code == 0
    outcome = cli("send", "waits", "1")
    assert outcome.code == 3
    assert "has had no agent yet, it is pending" in outcome.err
