"""Who claims what, when, and how much of it."""

import json
from collections import Counter

import anyio
import pytest

from musterd.display import seconds_between
from musterd.submission import Submission
from tests.service.scene import Scene
from tests.support.pace import within
from tests.support.wait import wait_until


def spans(scene: Scene) -> list[tuple[int, int]]:
    """When each body that has ended ran, ns."""
    starts: dict[str, int] = {}
    found = []
    for line in (scene.folder / "ledger" / "ledger").read_text().splitlines():
        what, agent_id, _, at = line.split(" ")
        if what == "start":
            starts[agent_id] = int(at)
        else:
            found.append((starts[agent_id], int(at)))
    return found


def most_at_once(spans: list[tuple[int, int]]) -> int:
    """How many ran at the same time at most."""
    changes = sorted([(end, -1) for _, end in spans] + [(start, 1) for start, _ in spans])
    alive = most = 0
    for _, change in changes:
        alive += change
        most = max(most, alive)
    return most


async def order_of_starts(scene: Scene) -> list[str]:
    """The tasks in the order in which their agents began to run."""
    entries = await scene.redis.xrange(scene.keys.events_log)
    events = (json.loads(fields["event"]) for _, fields in entries)
    return [event["taskId"] for event in events if event["type"] == "agent.running"]


async def test_each_of_many_tasks_runs_exactly_once(scene: Scene) -> None:
    """Two daemons share 300 tasks; each body starts once, and both take part."""
    one, other = await scene.daemon(MUSTERD_CAPACITY="20"), await scene.daemon(MUSTERD_CAPACITY="9")
    tasks = [Submission(kind="brief", task_id=f"t{n}", context=0.005) for n in range(300)]
    assert await scene.client.submit_many(tasks) == [True] * 300

    async def all_ended() -> bool:
        return bool(await scene.redis.zcard(scene.keys.tasks("completed")) == 300)

    await wait_until(all_ended, 20)
    text = (scene.folder / "ledger" / "ledger").read_text()
    starts = Counter(line.split(" ")[1] for line in text.splitlines() if line.startswith("start"))
    assert starts == {f"t{n}.1": 1 for n in range(300)}
    nodes = Counter([(await scene.agent(f"t{n}.1")).node for n in range(300)])
    assert set(nodes) == {one.node, other.node}
    await scene.checker.check_quiet()


async def test_capacity_is_never_exceeded(scene: Scene) -> None:
    """Three at once, as set, and three really run at once."""
    await scene.daemon(MUSTERD_CAPACITY="3")
    tasks = [Submission(kind="brief", task_id=f"t{n}", context=0.03) for n in range(24)]
    await scene.client.submit_many(tasks)
    for task in tasks:
        await scene.ended(task.task_id)
    assert most_at_once(spans(scene)) == 3


async def test_max_concurrent_holds_up_no_other_kind(scene: Scene) -> None:
    """Two of `limited` run on each daemon; the third waits, and what comes after it does not."""
    await scene.daemon()
    first = [await scene.start("limited") for _ in range(2)]
    third = await scene.submit("limited")
    assert (await scene.ended(await scene.submit("echo"))).status == "completed"
    assert (await scene.task(third)).status == "pending"
    await scene.client.kill(first[0])
    await scene.runs(f"{third}.1")
    other = await scene.daemon()
    fourth = await scene.start("limited")
    assert (await scene.agent(fourth)).node == other.node
    await scene.quiet()


async def test_task_waits_for_the_daemon_that_offers_its_kind(scene: Scene) -> None:
    """What another daemon alone offers waits for that one, and holds up nobody."""
    other = await scene.daemon()
    await scene.ask({"command": "pause"})
    await scene.daemon(MUSTERD_AGENTS="tests.agents.examples:echo", MUSTERD_CAPACITY="1")
    waiting = await scene.submit("hold")
    for _ in range(5):
        assert (await scene.ended(await scene.submit("echo"))).status == "completed"
    assert (await scene.task(waiting)).status == "pending"
    await scene.ask({"command": "resume", "node": other.node})
    await scene.runs(f"{waiting}.1")
    assert (await scene.agent(f"{waiting}.1")).node == other.node
    await scene.quiet()


async def test_priority_first_then_first_in_first_out(scene: Scene) -> None:
    """0 before 9; equals in the order of submission."""
    await scene.daemon(MUSTERD_CAPACITY="1")
    await scene.ask({"command": "pause"})
    for task_id, priority in (("d", 5), ("e", 5), ("f", 9), ("a", 0), ("b", 0), ("c", 1)):
        await scene.submit("echo", task_id=task_id, priority=priority)
    await scene.ask({"command": "resume"})
    for task_id in "abcdef":
        await scene.ended(task_id)
    assert await order_of_starts(scene) == list("abcdef")


@pytest.mark.parametrize("delay", [0.05, 0.4])
async def test_delayed_task_starts_when_it_is_due(scene: Scene, delay: float) -> None:
    """Not before, and well before the next slow look."""
    await scene.daemon()
    began = anyio.current_time()
    await scene.ended(await scene.submit("echo", delay=delay))
    assert delay <= anyio.current_time() - began < delay + within(0.3)


async def test_retries_wait_and_end(scene: Scene) -> None:
    """An attempt that fails is repeated until it succeeds or none is left."""
    await scene.daemon()
    record = await scene.ended(await scene.submit("flaky", task_id="f"))
    assert (record.status, record.result) == ("completed", 3)
    first = await scene.agent("f.1")
    assert (first.status, first.reason) == ("failed", "error")
    assert first.error == "RuntimeError: attempt 1 fails"
    record = await scene.ended(await scene.submit("crash", str(scene.folder), task_id="c"))
    assert (record.status, record.reason, record.attempt) == ("failed", "error", 2)
    assert record.error == "exit code 3: it cannot go on"
    record = await scene.ended(await scene.submit("picky", task_id="p"))
    assert (record.status, record.reason, record.attempt) == ("failed", "rejected", 1)
    await scene.checker.check_quiet()


async def test_timeout_of_a_task(scene: Scene) -> None:
    """A task's own timeout ends each of its attempts, and the kind does not."""
    await scene.daemon()
    record = await scene.ended(await scene.submit("doomed", task_id="d", max_attempts=1))
    assert record.reason == "error"
    record = await scene.ended(await scene.submit("hold", task_id="h", timeout=0.1, max_attempts=1))
    assert (record.status, record.reason) == ("failed", "timeout")
    assert record.error == "it ran for longer than its timeout of 0.1 s"
    await scene.checker.check_quiet()


async def test_backoff_and_its_ceiling_are_the_kinds(scene: Scene) -> None:
    """A retry waits for half of the backoff at least, and never for more than `backoff_max`."""
    kinds = scene.folder / "kinds.toml"
    command = 'command = ["false"]\nmax_attempts = 2\n'
    kinds.write_text(
        f"[agents.waits]\n{command}backoff = 0.6\n\n"
        f"[agents.bounded]\n{command}backoff = 600\nbackoff_max = 0.05\n"
    )
    await scene.daemon(MUSTERD_AGENTS=str(kinds))
    for kind in ("waits", "bounded"):
        assert (await scene.ended(await scene.submit(kind, task_id=kind))).status == "failed"
    first, second = await scene.agent("waits.1"), await scene.agent("waits.2")
    between = seconds_between(first.completed_at, second.created_at)
    assert between is not None
    assert between >= 0.3
    assert (await scene.agent("bounded.2")).reason == "error"
    await scene.checker.check_quiet()


async def test_new_task_is_claimed_at_once(scene: Scene) -> None:
    """A wake-up message starts it: 30 in a row take far less than 30 slow looks."""
    await scene.daemon()
    await scene.ended(await scene.submit("echo"))
    began = anyio.current_time()
    for _ in range(30):
        await scene.ended(await scene.submit("echo"))
    assert (anyio.current_time() - began) / 30 < within(0.1)
