"""The notify protocol, with a service manager that reads late or never."""

import socket
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from musterd import systemd
from musterd.systemd import insist, notify


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[socket.socket]:
    """It reads when the test does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield heard


def fill() -> int:
    """Tell as much as a manager holds unread; how many messages that are."""
    told = 0
    while notify(f"STATUS={told}"):
        told += 1
    assert told
    return told


async def test_told_as_soon_as_there_is_room(manager: socket.socket) -> None:
    """Who insists waits, and holds up nobody else; what is read then is all of it, in order."""
    told = fill()
    sent: list[bool] = []

    async def tell() -> None:
        sent.append(await insist("READY=1", "STATUS=up"))

    async with anyio.create_task_group() as group:
        group.start_soon(tell)
        await anyio.wait_all_tasks_blocked()
        assert sent == []
        heard = [manager.recv(100) for _ in range(told)]
    assert sent == [True]
    assert heard[-1] == f"STATUS={told - 1}".encode()
    assert manager.recv(100) == b"READY=1\nSTATUS=up"


@pytest.mark.usefixtures("manager")
async def test_given_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A manager that never reads keeps no daemon from its work."""
    fill()
    monkeypatch.setattr(systemd, "INSIST", 0.05)
    assert await insist("READY=1") is False


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@musterd-nobody-listens"])
async def test_nobody_listens(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Not under systemd, or under one that is gone: nothing is told, and nothing raised."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert await insist("READY=1") is False
    assert notify("READY=1") is False
