"""What holds a task up, and whose daemon is gone."""

import pytest

from musterd.cli.standing import Standing, look_around
from musterd.client import Client
from musterd.keys import Keys
from musterd.records import AgentRecord, NodeRecord, TaskRecord
from tests.cli.conftest import Cli, as_client
from tests.support.server import Server

EARLY, START, LATE = (f"2026-11-22T03:00:0{second}.000Z" for second in range(3))

LATER, LATEST = "2026-11-22T03:01:02.000Z", "2026-11-22T03:01:03.000Z"


def node(state: str = "active", name: str = "n1", **more: str) -> NodeRecord:
    """A daemon that is alive since START."""
    return NodeRecord.read({"node": name, "state": state, "startedAt": START} | more)


PAUSING = {"pausedKinds": '["check"]'}


def task(status: str = "pending") -> TaskRecord:
    """A task of the kind `check`."""
    return TaskRecord.read({"taskId": "t1", "kind": "check", "status": status})


@pytest.mark.parametrize(
    ("nodes", "offers", "says"),
    [
        ([], {"check": LATE}, "no daemon is running"),
        ([node()], {}, "no daemon offers its kind"),
        ([node()], {"check": EARLY}, "no daemon offers its kind"),
        ([node()], {"check": LATE}, ""),
        ([node()], {"check": ""}, ""),
        ([node()], {"check": LATE, "other": LATER}, ""),
        ([node()], {"check": LATE, "other": LATEST}, "no daemon has offered its kind for 1m01s"),
        ([node()], {"check": "", "other": LATEST}, ""),
        ([NodeRecord.read({"node": "odd", "state": "active"})], {"check": EARLY}, ""),
        ([node("paused")], {"check": LATE}, "every daemon is paused or draining"),
        ([node("paused"), node()], {"check": LATE}, ""),
        ([node(**PAUSING)], {"check": LATE}, "its kind is paused on n1"),
        ([node(**PAUSING), node(name="n2")], {"check": LATE}, "its kind is paused on n1"),
        ([node(pausedKinds='["other"]')], {"check": LATE}, ""),
        ([node(pausedKinds="nonsense")], {"check": LATE}, ""),
        (
            [node(name=f"n{number}", **PAUSING) for number in range(5)],
            {"check": LATE},
            "its kind is paused on n0, n1, n2 and 2 more",
        ),
    ],
)
def test_what_a_pending_task_waits_for(
    nodes: list[NodeRecord], offers: dict[str, str], says: str
) -> None:
    """A live daemon has offered a kind since it started, and does so again and again.

    What cannot be known is not claimed.
    """
    assert Standing(nodes, offers, {}).note(task()) == says
    assert Standing(nodes, offers, {}).note(task("completed")) == ""


def test_a_delay_that_is_over_is_none() -> None:
    """Between being due and being queued a task is not said to be delayed."""
    assert Standing([node()], {"check": LATE}, {"t1": 1.0}).note(task()) == ""


@pytest.mark.parametrize(
    ("status", "owner", "says"),
    [
        ("running", "n1", ""),
        ("running", "n2", "its daemon is gone"),
        ("spawning", "n2", "its daemon is gone"),
        ("failed", "n2", ""),
    ],
)
def test_whose_daemon_is_gone(status: str, owner: str, says: str) -> None:
    """Only what is live needs its daemon."""
    agent = AgentRecord.read({"agentId": "t1.1", "status": status, "node": owner})
    assert Standing([node()], {}, {}).note(agent) == says


@pytest.mark.leaves_work("a submitted task that nobody runs")
def test_look_around(cli: Cli, server: Server, prefix: str) -> None:
    """What the server knows: when a task is due, and when a kind was offered, if that is sound."""
    cli("submit", "check", "--id", "t1", "--delay", "3600")
    with server.client() as redis:
        kinds = {"check": f'{{"offeredAt":"{EARLY}"}}', "odd": "{", "list": "[]"}
        redis.hset(Keys(prefix).kinds, mapping=kinds)

    async def look(client: Client) -> Standing:
        return await look_around(client, [await client.get("t1")])

    standing = as_client(look)
    assert standing.offers == {"check": EARLY, "odd": "", "list": ""}
    assert standing.due.keys() == {"t1"}
    assert standing.nodes == []
