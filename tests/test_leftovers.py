"""Processes of an earlier life."""

import contextlib
import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import anyio
import pytest

from musterd.leftovers import end_leftovers
from musterd.runtimes import brand
from tests.support.pace import within
from tests.support.wait import wait_until

NODE = f"n{secrets.token_hex(4)}"
"""Others on this machine may test, too."""


class Start(Protocol):
    """What `start` is."""

    async def __call__(self, owner: str, script: str = "") -> subprocess.Popen[bytes]:
        """Start a shell with this owner that runs a script and then waits."""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts processes as a daemon does; they end with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def spawn(owner: str, script: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "MUSTERD_OWNER": owner, "D": str(tmp_path)}
        command = ["bash", "-c", script]
        with brand.passed_on(brand.new(owner)):
            process = subprocess.Popen(command, env=environment, start_new_session=True)
        started.append(process)
        return process

    async def start(owner: str, script: str = "") -> subprocess.Popen[bytes]:
        ready = tmp_path / f"ready{len(started)}"
        wait = "while :; do read -t 60 <> <(:); done"
        process = spawn(owner, f"{script}\ntouch {ready}\n{wait}")
        await wait_until(ready.exists)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


async def test_another_epoch_is_ended_and_nothing_else(start: Start) -> None:
    """This life's agents, other nodes' and names that only look alike go on."""
    old = await start(f"{NODE}/old")
    others = [
        await start(owner)
        for owner in (
            f"{NODE}/new",
            "n2/old",
            f"{NODE}x/old",
            NODE,
            f"x={NODE}/old",
            f"{NODE}.b/old",
        )
    ]
    assert await end_leftovers([f"{NODE}/old"], grace=5) >= 1
    assert old.poll() is not None
    assert [other.poll() for other in others] == [None] * 6


async def test_an_owner_is_compared_whole(start: Start) -> None:
    """An epoch that begins like one of the past is another one."""
    other = await start(f"{NODE}/older")
    await end_leftovers([f"{NODE}/old"], grace=5)
    assert other.poll() is None


async def test_nothing_to_end() -> None:
    """It returns at once, and waits for no grace."""
    with anyio.fail_after(within(5)):
        assert await end_leftovers(["a-node-without-past/old"], grace=600) == 0


async def test_a_leftover_is_asked_first(start: Start, tmp_path: Path) -> None:
    """SIGTERM and the grace come before SIGKILL."""
    old = await start(f"{NODE}/old", "trap 'touch $D/asked; exit' TERM")
    await end_leftovers([f"{NODE}/old"], grace=60)
    assert old.poll() == 0
    assert (tmp_path / "asked").exists()


async def test_a_deaf_leftover_is_forced(start: Start) -> None:
    """After the grace comes SIGKILL."""
    old = await start(f"{NODE}/old", "trap '' TERM")
    began = anyio.current_time()
    assert await end_leftovers([f"{NODE}/old"], grace=0.2) >= 1
    assert anyio.current_time() - began >= 0.2
    assert old.poll() == -signal.SIGKILL


async def test_one_that_is_stopped_ends(start: Start) -> None:
    """SIGSTOP does not outlast SIGTERM."""
    old = await start(f"{NODE}/old")
    old.send_signal(signal.SIGSTOP)
    with anyio.fail_after(within(5)):
        await end_leftovers([f"{NODE}/old"], grace=60)
    assert old.poll() is not None


async def test_children_without_the_variable_are_ended_too(start: Start, tmp_path: Path) -> None:
    """A process that cleared its environment is known by its session."""
    child = "env -i bash -c 'echo $$ > \"$1\"; exec sleep 60' - $D/child.pid &"
    await start(f"{NODE}/old", f"{child} until [ -s $D/child.pid ]; do :; done")
    assert await end_leftovers([f"{NODE}/old"], grace=5) >= 2
    pid = int((tmp_path / "child.pid").read_text())
    await wait_until(lambda: not Path(f"/proc/{pid}").exists())


WAYS = {
    "setsid": "setsid",
    "no environment": "setsid env -i",
    "no brand": "prlimit --rttime=unlimited setsid",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_who_left_the_session_is_ended_too(way: str, start: Start, tmp_path: Path) -> None:
    """After a double fork, in a session of its own: known by its environment or its brand."""
    child = f"({way} bash -c 'echo $$ > \"$1\"; exec sleep 60' - $D/child.pid &)"
    await start(f"{NODE}/old", f"{child}; until [ -s $D/child.pid ]; do :; done")
    pid = int((tmp_path / "child.pid").read_text())
    try:
        assert await end_leftovers([f"{NODE}/old"], grace=5) >= 2
        await wait_until(lambda: not Path(f"/proc/{pid}").exists())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def test_descendants_without_a_tie_are_ended_too(start: Start, tmp_path: Path) -> None:
    """Who has neither brand nor environment nor session is found below its parent."""
    way = "prlimit --rttime=unlimited setsid --wait env -i"
    child = f"{way} bash -c 'echo $$ > \"$1\"; exec sleep 60' - $D/child.pid &"
    await start(f"{NODE}/old", f"{child} until [ -s $D/child.pid ]; do :; done")
    pid = int((tmp_path / "child.pid").read_text())
    assert await end_leftovers([f"{NODE}/old"], grace=5) >= 2
    await wait_until(lambda: not Path(f"/proc/{pid}").exists())
