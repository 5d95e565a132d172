"""What a server may suffer from while it runs: each as a block during which it does.

They act on the server itself, on connections of their own, never through a proxy.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import anyio
from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.support.server import Server
from tests.support.wait import wait_until

MANY: Final = 10_000
"""Connections allowed where there is no limit."""

ROOMY: Final = "pubsub 33554432 8388608 60"
"""Of output waiting for a subscriber, as servers have it by default."""


@asynccontextmanager
async def readonly(server: Server) -> AsyncIterator[None]:
    """READONLY: it has become the replica of a server that is not there, and keeps its data."""
    async with _administrator(server) as admin:
        await admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        try:
            yield
        finally:
            await admin.execute_command("REPLICAOF", "NO", "ONE")


@asynccontextmanager
async def without_memory(server: Server) -> AsyncIterator[None]:
    """OOM: more memory is in use than allowed, and nothing may be evicted."""
    async with _configured(server, maxmemory="1"):
        yield


@asynccontextmanager
async def without_disk(server: Server) -> AsyncIterator[None]:
    """MISCONF: a snapshot could not be saved, and so nothing is written."""
    async with _administrator(server) as admin:
        obstacle = server.directory / "dump.rdb"  # renaming a file onto a folder fails
        obstacle.mkdir()
        try:
            await admin.config_set("save", "86400 1000000")
            await _save(admin, "err")
            yield
        finally:
            obstacle.rmdir()
            await _save(admin, "ok")
            await admin.config_set("save", "")
            (server.directory / "dump.rdb").unlink(missing_ok=True)


@asynccontextmanager
async def busy(server: Server) -> AsyncIterator[None]:
    """BUSY: a script of somebody else runs and runs."""

    async def run_on() -> None:
        async with _administrator(server) as other:
            with suppress(RedisError):  # it is killed
                await other.eval("while true do end", 0)

    async with _administrator(server) as admin, anyio.create_task_group() as tasks:
        await admin.config_set("busy-reply-threshold", "20")
        tasks.start_soon(run_on)
        try:
            yield
        finally:
            await _kill_script(admin)


@asynccontextmanager
async def without_connections(server: Server) -> AsyncIterator[None]:
    """Everybody is disconnected, and no new connection is let in."""
    async with _administrator(server) as admin:
        await admin.config_set("maxclients", "1")
        try:
            await disconnect_all(admin)
            yield
        finally:
            await admin.config_set("maxclients", str(MANY))


async def disconnect_all(admin: Any) -> None:
    """Close every connection but this one."""
    for kind in ("normal", "pubsub"):
        await admin.client_kill_filter(_type=kind, skipme=True)


@asynccontextmanager
async def small_buffers(server: Server) -> AsyncIterator[None]:
    """A subscriber that has 4 KiB to read is disconnected."""
    async with _administrator(server) as admin:
        await admin.config_set("client-output-buffer-limit", "pubsub 4096 0 0")
        try:
            yield
        finally:
            await admin.config_set("client-output-buffer-limit", ROOMY)


@asynccontextmanager
async def _configured(server: Server, **settings: str) -> AsyncIterator[None]:
    async with _administrator(server) as admin:
        before = {name: (await admin.config_get(name))[name] for name in settings}
        try:
            for name, value in settings.items():
                await admin.config_set(name, value)
            yield
        finally:
            for name, value in before.items():
                await admin.config_set(name, value)


@asynccontextmanager
async def _administrator(server: Server) -> AsyncIterator[Any]:
    """One connection, made before the ailment begins; shielded at its end, which heals."""
    async with Redis.from_url(
        server.url, decode_responses=True, single_connection_client=True, socket_timeout=None
    ) as admin:
        yield admin


async def _save(admin: Any, status: str) -> None:
    async def is_saved() -> bool:
        found = await admin.info("persistence")
        if found["rdb_bgsave_in_progress"]:
            return False
        if found["rdb_last_bgsave_status"] == status:
            return True
        await admin.bgsave()
        return False

    await wait_until(is_saved, 10, f"a snapshot is saved: {status}")


async def _kill_script(admin: Any) -> None:
    async def is_killed() -> bool:
        try:
            await admin.script_kill()
        except RedisError as error:
            return "NOTBUSY" in str(error)
        return False

    await wait_until(is_killed, 10, "the script is killed")
