"""Valkey away, in each way in which it can be: see `Trouble.outage` for what is held to.

Each is told once when it begins, and once more when it is over.
"""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.faults.trouble import TTL, WAIT, Trouble, open_trouble
from tests.support import ailments
from tests.support.fixtures import StartDaemon, StartServer
from tests.support.proxy import Way
from tests.support.wait import wait_until


async def test_restart(trouble: Trouble) -> None:
    """It is stopped in good order, away for more than a TTL, and started again."""
    async with trouble.outage():
        trouble.server.stop()
        await trouble.last(1.5 * TTL)
        trouble.server.start()


async def test_sigkill_with_every_write_synced(trouble: Trouble) -> None:
    """With `appendfsync always` nothing that was answered is lost."""
    async with trouble.outage():
        trouble.server.kill()
        await trouble.last(0.5)
        trouble.server.start()


async def test_standstill(trouble: Trouble) -> None:
    """The server stands still for more than a TTL (SIGSTOP): every lease has run out."""
    async with trouble.outage():
        trouble.server.pause()
        await trouble.last(1.5 * TTL)
        trouble.server.resume()


async def test_loading(
    own_server: StartServer, prefix: str, tmp_path: Path, start_daemon: StartDaemon
) -> None:
    """It has started, and loads its data for a while."""
    slow = {"key-load-delay": "300", "loading-process-events-interval-bytes": "1024"}
    server = own_server(config={"appendonly": "yes", "appendfsync": "always"} | slow)
    with server.client() as client, client.pipeline() as filling:
        for number in range(3000):
            filling.set(f"{prefix}-filling:{number}", "x", ex=60)
        filling.execute()
    async with (
        open_trouble(server, prefix, tmp_path, start_daemon, 0.0) as trouble,
        trouble.outage(),
    ):
        server.kill()
        server.begin()
        trouble.begun()
        await wait_until(server.answers, 30, "its data is loaded")


async def test_readonly(trouble: Trouble) -> None:
    """It has become a replica."""
    async with trouble.outage(WAIT), ailments.readonly(trouble.server):
        await trouble.last(0.5)


async def test_no_memory(trouble: Trouble) -> None:
    """OOM: heartbeats are renewed, since that needs none, and everything else waits."""
    async with trouble.outage(WAIT), ailments.without_memory(trouble.server):
        await trouble.last(1.5 * TTL)


async def test_no_disk(trouble: Trouble) -> None:
    """MISCONF: it cannot save, and takes nothing."""
    async with trouble.outage(WAIT), ailments.without_disk(trouble.server):
        await trouble.last(0.5)


async def test_busy(trouble: Trouble) -> None:
    """BUSY: a script of somebody else runs for more than a TTL."""
    async with trouble.outage(), ailments.busy(trouble.server):
        await trouble.last(1.5 * TTL)


async def test_no_connections(trouble: Trouble) -> None:
    """Everybody was disconnected, and the limit of connections is reached."""
    async with trouble.outage(), ailments.without_connections(trouble.server):
        await trouble.last(1.5 * TTL)


async def test_buffer_of_the_subscription_overflows(trouble: Trouble) -> None:
    """The server disconnects who does not read fast enough; what was published then is lost."""
    async with (
        trouble.outage({"control channel lost": range(1, 6)}),
        ailments.small_buffers(trouble.server),
    ):
        for _ in range(5):
            await trouble.scene.publish(b"x" * 65_536)
            await trouble.last(0.1)


async def test_refused(trouble: Trouble) -> None:
    """Nobody listens at the server's address."""
    async with trouble.outage():
        trouble.proxy.refuse()
        await trouble.last(1.5 * TTL)
        trouble.proxy.heal()


async def test_stall(trouble: Trouble) -> None:
    """A cable is out for more than a TTL; all bytes arrive late."""
    async with trouble.outage():
        trouble.proxy.stall()
        await trouble.last(1.5 * TTL)
        trouble.proxy.heal()


async def test_black_hole(trouble: Trouble) -> None:
    """All bytes are lost and no connection is ever closed: none that was made before is of use."""
    async with trouble.outage():
        trouble.proxy.swallow()
        await trouble.last(1.5 * TTL)
        trouble.proxy.heal()


async def test_half_close(trouble: Trouble) -> None:
    """Each connection is closed on the server's side (FIN), twice; a quick return is not told."""
    told = {"control channel lost": range(3), "valkey lost": range(3)}
    async with trouble.outage(told | {"a recurring duty failed": range(2)}):
        for _ in range(2):
            trouble.proxy.half_close()
            await trouble.last(0.3)


async def test_delay(trouble: Trouble) -> None:
    """Each piece takes 0.2 s, which is not much."""
    async with trouble.outage({"valkey lost": range(3), "control channel lost": range(2)}):
        trouble.proxy.delay(0.2)
        await trouble.last(1.5 * TTL)
        trouble.proxy.heal()


@pytest.mark.parametrize("way", list(Way))
async def test_reset_in_the_middle_of_a_batch(trouble: Trouble, way: Way) -> None:
    """RST within a batch, and within its answers, again and again: no step is lost or doubled."""
    async with trouble.outage({"valkey lost": range(2), "control channel lost": range(5)}):
        for count in (1, 10, 100, 1000):
            tasks = [await trouble.submit("echo") for _ in range(20)]
            trouble.proxy.cut_within(count, way)
            trouble.begun()
            for task_id in tasks:
                assert (await trouble.scene.ended(task_id)).status == "completed"


@pytest.mark.leaves_work("what the server has forgotten runs on")
async def test_sigkill_with_a_second_unsynced(
    own_server: StartServer, prefix: str, tmp_path: Path, start_daemon: StartDaemon
) -> None:
    """`everysec` and kill -9: the promises hold for what the server has kept, and work goes on."""
    server = own_server(config={"appendonly": "yes", "appendfsync": "everysec"})
    async with open_trouble(server, prefix, tmp_path, start_daemon, 10.0) as trouble:
        await trouble.daemon()
        kept = await trouble.scene.start("hold")
        async with Redis.from_url(server.url) as redis:
            await redis.waitaof(1, 0, 5000)
        for _ in range(20):
            await trouble.submit("brief", 0.2)
        server.kill()
        server.start()
        assert (await trouble.scene.ended(await trouble.submit("echo"))).status == "completed"
        assert (await trouble.scene.agent(kept)).status == "running"
        await trouble.scene.client.kill_all()
        await trouble.scene.ended(kept)
