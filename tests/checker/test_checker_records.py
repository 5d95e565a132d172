"""The record checks accept a right state and name what is wrong with each planted fault."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from musterd.keys import Keys
from tests.checker.checking import Checker
from tests.checker.history import History

PREFIX = "checked"
KEYS = Keys(PREFIX)
Commands = Sequence[Sequence[Any]]


async def story(redis: Redis) -> History:
    """One task in each state: run(ning), sub(mitted), new (assigned), done, dead, and kil(led)."""
    history = History(PREFIX)
    history.whole("done")
    for task_id in ("run", "new", "kil", "dead"):
        history.submit(task_id)
        history.spawn(task_id)
    for task_id in ("run", "kil"):
        history.run(task_id)
    history.kill("kil")
    history.fail("dead")
    history.spawn("dead")
    history.fail("dead", final=True)
    history.submit("sub")
    await history.write(redis)
    return history


async def check(redis: Redis) -> Checker:
    """A look at all records of the story."""
    checker = Checker(redis, PREFIX)
    await checker.check_records()
    return checker


@pytest.mark.parametrize("quiet", [False, True])
async def test_right_records_are_accepted(redis: Redis, *, quiet: bool) -> None:
    """No break, read at once or in pieces, also with a kill under way."""
    history = await story(redis)
    history.ask_kill("run.1")
    await history.write(redis)
    checker = Checker(redis, PREFIX)
    taken = await checker.check_records(quiet=quiet)
    assert checker.breaks == []
    assert taken.tasks.keys() == {"done", "run", "new", "kil", "dead", "sub"}
    assert taken.kills.keys() == {"run.1"}


async def test_live_work_is_not_quiet(redis: Redis) -> None:
    """What is live is named where all should have ended."""
    await story(redis)
    checker = Checker(redis, PREFIX)
    await checker.check_quiet()
    said = "\n".join(found.what for found in checker.breaks)
    for part in ("run is executing", "sub is pending", "new is assigned", "heartbeat is not empty"):
        assert part in said


async def test_ended_work_is_quiet(redis: Redis) -> None:
    """Nothing is left over by a history in which all has ended."""
    history = History(PREFIX)
    history.whole("a")
    history.whole("b")
    await history.write(redis)
    checker = Checker(redis, PREFIX)
    await checker.check_quiet()
    assert checker.breaks == []


ISO = "2026-11-22T03:00:00.000Z"
FAULTS: list[tuple[str, Commands, int, str]] = [
    ("wrong index", [("ZADD", KEYS.tasks("failed"), 1, "run")], 2, "tasks:failed holds run"),
    ("no index", [("ZREM", KEYS.agents("running"), "run.1")], 2, "and not in agents:running"),
    ("wrong score", [("ZADD", KEYS.tasks("pending"), 7, "sub")], 2, "holds sub at 7"),
    ("index alone", [("ZADD", KEYS.tasks("pending"), 7, "x")], 2, "holds x, which has no record"),
    ("strange index", [("ZADD", KEYS.tasks("lost"), 7, "x")], 0, "a status that there is not"),
    (
        "left heartbeat",
        [("SET", KEYS.heartbeat("kil.1"), "n1/e1", "EX", 9)],
        3,
        "kil.1 has a heart",
    ),
    ("other heartbeat", [("SET", KEYS.heartbeat("run.1"), "n1/e9", "EX", 9)], 4, "is n1/e9"),
    ("eternal heartbeat", [("PERSIST", KEYS.heartbeat("run.1"))], 7, "heartbeat:run.1 never"),
    ("no heartbeat", [("DEL", KEYS.heartbeat("run.1"))], 7, "run.1 is running without a heartbeat"),
    (
        "no heartbeat in a drain",
        [("DEL", KEYS.heartbeat("new.1")), ("HSET", KEYS.node("n1"), "state", "draining")],
        8,
        "new.1 is spawning without a heartbeat",
    ),
    ("orphan kill", [("HSET", KEYS.kills, "kil.1", f'{{"at":"{ISO}"}}')], 5, "a kill of kil.1"),
    ("torn kill", [("HSET", KEYS.kills, "run.1", '{"at":')], 0, 'run.1: {"at":'),
    (
        "no record",
        [("DEL", KEYS.task("sub"))],
        9,
        "sub is pending by its events, and has no record",
    ),
    ("no event", [("HSET", KEYS.task("x"), "taskId", "x")], 2, "no event told of it"),
    (
        "not told",
        [("HSET", KEYS.agent("new.1"), "status", "running")],
        2,
        "new.1 is spawning by its",
    ),
    ("one more", [("HSET", KEYS.agent("run.2"), "a", 1)], 2, "run.2 has a record, and no event"),
    ("no attempt", [("HSET", KEYS.agent("run"), "a", 1)], 2, "run has a record, and no event"),
    ("not queued", [("DEL", KEYS.queue("k"))], 9, "sub is pending and waits in no queue"),
    ("queued twice", [("ZADD", KEYS.scheduled, 1, "sub")], 9, "['queue:k', 'scheduled']"),
    ("queued live", [("ZADD", KEYS.queue("k"), 1, "run")], 9, "run waits in ['queue:k']"),
    ("wrong queue", [("ZADD", KEYS.queue("z"), 1, "x")], 9, "x waits in ['queue:z']"),
    ("not owned", [("SREM", KEYS.owned("n1"), "run.1")], 7, "and not in owned:n1"),
    ("owned ended", [("SADD", KEYS.owned("n1"), "kil.1")], 4, "owned:n1 holds kil.1"),
    ("unknown owner", [("ZREM", KEYS.nodes, "n1")], 7, "not in the index of nodes"),
    ("empty field", [("HSET", KEYS.task("run"), "metadata", "")], 0, "metadata is empty"),
    ("unknown field", [("HSET", KEYS.task("run"), "colour", "red")], 0, "has colour"),
    ("missing field", [("HDEL", KEYS.agent("run.1"), "epoch")], 0, "lacks epoch"),
    ("torn JSON", [("HSET", KEYS.task("run"), "context", "{")], 0, "context is not JSON"),
    ("wrong time", [("HSET", KEYS.task("run"), "createdAt", "now")], 0, "createdAt is 'now'"),
    ("wrong reason", [("HSET", KEYS.task("dead"), "reason", "tired")], 0, "reason is 'tired'"),
    ("early result", [("HSET", KEYS.task("run"), "result", "1")], 2, "has an outcome already"),
    ("eternal task", [("PERSIST", KEYS.task("done"))], 0, "its record never expires"),
    ("expiring task", [("EXPIRE", KEYS.task("run"), 9)], 9, "its record expires"),
    ("gave up early", [("HSET", KEYS.task("dead"), "maxAttempts", 5)], 7, "after 2 of 5 attempts"),
    ("dead agent", [("DEL", KEYS.agent("run.1"))], 9, "run is executing; its agent's record: none"),
    ("wrong agent", [("HSET", KEYS.task("run"), "agentId", "run.2")], 0, "agentId is not its own"),
    ("ended twice", [("HDEL", KEYS.agent("done.2"), "completedAt")], 0, "completedAt None"),
    ("wrong node", [("HSET", KEYS.node("n1"), "state", "asleep")], 0, "node or state is wrong"),
    ("strange key", [("SET", f"{PREFIX}:mine", 1)], 0, "the contract does not name it"),
    ("wrong type", [("DEL", KEYS.kills), ("SET", KEYS.kills, 1)], 0, "kills (string)"),
    (
        "forgotten",
        [("DEL", KEYS.task("done"))],
        3,
        "3 tasks have ended, and 2 of them have a record",
    ),
]


@pytest.mark.parametrize(
    ("plant", "promise", "what"),
    [pytest.param(*fault, id=name) for name, *fault in FAULTS],
)
async def test_planted_fault_is_named(
    redis: Redis, plant: Commands, promise: int, what: str
) -> None:
    """What is wrong in the records is among the breaks, under its promise."""
    await story(redis)
    for command in plant:
        await redis.execute_command(*command)  # type: ignore[no-untyped-call]  # it has none
    found = [one for one in (await check(redis)).breaks if what in one.what]
    assert [one.promise for one in found[:1]] == [promise], (await check(redis)).breaks


async def test_silent_owner_may_have_no_heartbeats(redis: Redis) -> None:
    """Until recovery, a dead daemon's agents are live without heartbeat and without its node."""
    await story(redis)
    await redis.delete(KEYS.heartbeat("run.1"), KEYS.heartbeat("new.1"), KEYS.node("n1"))
    assert (await check(redis)).breaks == []


async def test_kill_seen_in_the_records_must_be_carried_out(redis: Redis) -> None:
    """A request that was there, and an agent that then completed, break promise 5."""
    history = await story(redis)
    history.ask_kill("run.1")
    await history.write(redis)
    checker = await check(redis)
    history.complete("run")
    await history.write(redis)
    await checker.check_records()
    assert [found.promise for found in checker.breaks] == [5]


async def test_reading_does_not_tear(redis: Redis) -> None:
    """A snapshot is one moment: it agrees with the events up to it, whatever comes later."""
    history = await story(redis)
    checker = Checker(redis, PREFIX)
    take: Callable[..., Any] = redis.eval

    async def take_and_go_on(*arguments: Any) -> Any:
        taken = await take(*arguments)
        history.complete("run")
        await history.write(redis)
        return taken

    redis.eval = take_and_go_on  # type: ignore[method-assign,assignment]
    await checker.check_records()
    assert checker.breaks == []
