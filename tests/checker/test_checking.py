"""The checker beside a running test: it follows, survives outages, and knows when it is void."""

import json
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest
from redis.asyncio import Redis

from tests.checker.checking import checking
from tests.checker.history import History
from tests.checker.ledger import entry
from tests.checker.promises import BrokenError, VoidError
from tests.support.fixtures import StartServer
from tests.support.server import Server
from tests.support.wait import wait_until

PREFIX = "checked"


async def write(server: Server, history: History) -> None:
    """By a connection of its own, as that of a test does not survive an outage."""
    async with Redis.from_url(server.url, decode_responses=True) as redis:
        await history.write(redis)


async def check(server: Server) -> None:
    """What is on the server already."""
    async with checking(server.url, PREFIX):
        pass


async def test_right_run_passes(server: Server, redis: Redis) -> None:
    """Events are followed while they come; records are looked at when asked and at the end."""
    history = History(PREFIX)
    async with checking(server.url, PREFIX) as checker:
        for number in range(20):
            history.whole(f"t{number}")
            history.submit(f"w{number}")
            await history.write(redis)
            await checker.check_records()
        await wait_until(lambda: checker.events.ended_count == 20)
    assert checker.breaks == []


async def test_first_break_is_raised_with_the_whole_task(server: Server, redis: Redis) -> None:
    """The report has the promise, what was seen, and all events of that task alone."""
    history = History(PREFIX)
    for task_id in ("a", "b", "c"):
        history.whole(task_id)
    history.tell("agent.completed", "b")
    await history.write(redis)
    with pytest.raises(BrokenError) as caught:
        await check(server)
    (found,) = caught.value.breaks
    assert found.promise == 3
    assert [json.loads(line.partition(" ")[2])["taskId"] for line in found.evidence] == ["b"] * 15
    assert str(caught.value).startswith("promise 3 is broken: one terminal state and event")


async def test_error_of_the_block_goes_on_with_the_break_as_a_note(
    server: Server, redis: Redis
) -> None:
    """What failed first stays the failure, and is not wrapped in a group."""
    history = History(PREFIX)
    history.submit("t")
    history.tell("task.completed", "t")

    async def run() -> None:
        async with checking(server.url, PREFIX):
            await history.write(redis)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught:
        await run()
    assert "promise 1 is broken" in "\n".join(caught.value.__notes__)


async def test_unfinished_script_is_named_at_the_end(server: Server, redis: Redis) -> None:
    """An event without the one that belongs to it is a break once nothing more comes."""
    history = History(PREFIX)
    history.whole("t")
    history.drop("task.completed", "t")
    await history.write(redis)
    with pytest.raises(BrokenError, match=r"agent.completed came without its task.completed"):
        await check(server)


async def test_ledger_is_read_along(server: Server, redis: Redis, tmp_path: Path) -> None:
    """A body that is still there when its end is told breaks a promise."""
    history = History(PREFIX)

    async def run() -> None:
        async with checking(server.url, PREFIX, tmp_path) as checker:
            history.submit("t")
            history.spawn("t")
            history.run("t")
            await history.write(redis)
            with entry(tmp_path, "t.1"):
                history.kill("t")
                await history.write(redis)
                await wait_until(lambda: checker.breaks)

    with pytest.raises(BrokenError, match=r"promise 6 (.|\n)*its body outlived agent.killed"):
        await run()


async def test_trimmed_log_makes_the_check_void(server: Server, redis: Redis) -> None:
    """Where events are gone before they were read, nothing is claimed."""
    history = History(PREFIX)
    for number in range(100):
        history.whole(f"t{number}")
    await history.write(redis)
    await redis.xtrim(history.keys.events_log, maxlen=50, approximate=False)
    with pytest.raises(VoidError, match="1350 events were trimmed away and 0 of them read before"):
        await check(server)


async def test_break_before_a_gap_still_counts(server: Server, redis: Redis) -> None:
    """What was found before events were trimmed away is proved all the same."""
    history = History(PREFIX)
    history.submit("t")
    history.tell("task.completed", "t")

    async def run() -> None:
        async with checking(server.url, PREFIX) as checker:
            await history.write(redis)
            await wait_until(lambda: checker.breaks)
            async with redis.pipeline() as pipe:
                pipe.xadd(history.keys.events_log, {"event": "{}"})
                pipe.xtrim(history.keys.events_log, maxlen=0, approximate=False)
                await pipe.execute()

    with pytest.raises(BrokenError, match="promise 1"):
        await run()


async def test_bodies_that_start_at_the_end_are_let_be(
    server: Server, redis: Redis, tmp_path: Path
) -> None:
    """A body may start after the last event was read; one that started before is judged."""
    history = History(PREFIX)
    history.submit("t")
    history.spawn("t")
    await history.write(redis)
    ledger = tmp_path / "ledger"
    async with checking(server.url, PREFIX, tmp_path):
        ledger.write_text(f"start t.1 1 {time.time_ns() + 10**10}\n")

    async def run() -> None:
        async with checking(server.url, PREFIX, tmp_path):
            ledger.write_text(f"start t.1 1 {time.time_ns()}\n")

    with pytest.raises(BrokenError, match=r"no agent.running came"):
        await run()


async def test_trimming_behind_the_reader_is_harmless(server: Server, redis: Redis) -> None:
    """A log may be short as long as the checker keeps up."""
    history = History(PREFIX)
    async with checking(server.url, PREFIX) as checker:
        for number in range(20):
            history.whole(f"t{number}")
            await history.write(redis)
            await checker.catch_up()
            await redis.xtrim(history.keys.events_log, maxlen=0, approximate=False)
    assert checker.events.count == 280


@pytest.mark.parametrize("end", ["kill", "restart", "pause"])
async def test_outage_is_survived(own_server: StartServer, end: str) -> None:
    """The server goes and comes back with all it had, and the check goes on."""
    server = own_server(config={"appendonly": "yes", "appendfsync": "always"})
    history = History(PREFIX)
    async with checking(server.url, PREFIX) as checker:
        history.whole("a")
        await write(server, history)
        await wait_until(lambda: checker.events.ended_count == 1)
        getattr(server, end)()
        if end == "kill":
            server.start()
        elif end == "pause":
            server.resume()
        history.whole("b")
        await write(server, history)
        await wait_until(lambda: checker.events.ended_count == 2)
    assert checker.rollbacks == 0


async def test_lost_writes_are_read_anew(own_server: StartServer) -> None:
    """A server that came back without its last events is judged by what it kept."""
    server = own_server()
    history = History(PREFIX)
    history.whole("a")
    await write(server, history)
    with server.client() as client:
        client.save()
    async with checking(server.url, PREFIX) as checker:
        history.submit("b")
        await write(server, history)
        await wait_until(lambda: checker.events.lives)
        server.kill()
        server.start()
        await wait_until(lambda: checker.rollbacks == 1 and checker.events.ended_count == 1)
        history.whole("c")
        await write(server, history)
    assert checker.events.ended_count == 2


def test_command_line(server: Server, tmp_path: Path) -> None:
    """By hand: exit 0 and a count, 1 and the break, 2 where nothing is proved."""

    def call(*more: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "tests.checker", "--url", server.url, "--prefix", PREFIX, *more],
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.stderr
        return done.returncode, done.stdout

    history = History(PREFIX)
    history.whole("right")
    anyio.run(write, server, history)
    assert call("--quiet") == (0, "ok: 14 events, 1 tasks ended, 0 live\n")
    assert call("--ledger", str(tmp_path))[0] == 1
    history.whole("wrong")
    history.drop("task.pending", "wrong")
    anyio.run(write, server, history)
    code, said = call()
    assert code == 1
    assert "no task.pending came before" in said
    with server.client() as client:
        client.xtrim(f"{PREFIX}:events:log", maxlen=1, approximate=False)
    assert call()[0] == 2
