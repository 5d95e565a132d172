"""All processes of an agent end with it, wherever they have gone."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from musterd import procfs
from musterd.runtimes import brand
from musterd.runtimes.process import ProcessRuntime
from tests.support.contexts import make_context
from tests.support.pace import within
from tests.support.wait import wait_until

pytestmark = pytest.mark.usefixtures("subreaper")

NOTE = 'echo $$ > {folder}/grandchild.pid; trap "" TERM; while :; do sleep 0.05; done'
"""What a grandchild does: it says who it is, and stays."""

UNBRANDED = "prlimit --rttime=unlimited "


def escape(way: str, folder: Path) -> str:
    """A script whose grandchild goes away, in the way told, and ignores SIGTERM."""
    note = NOTE.format(folder=folder)
    return f"({way} bash -c '{note}' < /dev/null > /dev/null 2>&1 &)"


WAYS = {
    "setsid": "setsid",
    "no environment": "env -i setsid",
    "no brand": f"{UNBRANDED} setsid",
    "another group": "timeout 60",
}


def pid_of(folder: Path) -> int | None:
    """The grandchild, once it has said who it is."""
    with contextlib.suppress(OSError, ValueError):
        return int((folder / "grandchild.pid").read_text())
    return None


async def run_until(script: str, folder: Path, ready: Callable[[], object], grace: float) -> float:
    """Run a script as an agent, stop it when ready; the seconds that stopping took."""
    runtime = ProcessRuntime(["bash", "-c", script], folder / "scratch")
    async with anyio.create_task_group() as group:
        group.start_soon(runtime.run, make_context(grace=grace))
        await wait_until(ready, 20)
        began = anyio.current_time()
        group.cancel_scope.cancel()
    return anyio.current_time() - began


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_a_grandchild_that_went_away_ends_with_a_stopped_agent(
    way: str, tmp_path: Path
) -> None:
    """Its parent is gone, and it hears no SIGTERM; it is not there when the agent has ended."""
    script = f"{escape(way, tmp_path)}; sleep 60"
    took = await run_until(script, tmp_path, lambda: pid_of(tmp_path), 0.3)
    assert procfs.stat(pid_of(tmp_path) or 0) is None
    assert 0.3 <= took < within(5)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_a_grandchild_that_went_away_ends_with_an_agent_that_ended(
    way: str, tmp_path: Path
) -> None:
    """So it is when the first process ends by itself: then nobody was looked at while it ran."""
    script = f"{escape(way, tmp_path)}; until [ -s {tmp_path}/grandchild.pid ]; do :; done"
    runtime = ProcessRuntime(["bash", "-c", script], tmp_path / "scratch")
    await runtime.run(make_context(grace=0.1))
    assert procfs.stat(pid_of(tmp_path) or 0) is None


async def test_who_was_seen_below_the_agent_is_known_for_good(tmp_path: Path) -> None:
    """It cut every tie, but its parent lived when the agent was asked to stop."""
    way = f"env -i {UNBRANDED} setsid"
    script = f"trap 'exit' TERM; {way} bash -c '{NOTE.format(folder=tmp_path)}' & wait"
    await run_until(script, tmp_path, lambda: pid_of(tmp_path), 0.3)
    assert procfs.stat(pid_of(tmp_path) or 0) is None


async def test_other_agents_are_left_alone(tmp_path: Path) -> None:
    """What went away from one agent is not ended with another."""
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
    stays = ProcessRuntime(["bash", "-c", f"{escape('setsid', one)}; sleep 60"], one / "scratch")
    async with anyio.create_task_group() as group:
        group.start_soon(stays.run, make_context(agent_id="t2.1", grace=0))
        await wait_until(lambda: pid_of(one))
        await run_until(f"{escape('setsid', other)}; sleep 60", other, lambda: pid_of(other), 0)
        stat = procfs.stat(pid_of(one) or 0)
        assert stat is not None
        assert stat.alive
        group.cancel_scope.cancel()
    assert procfs.stat(pid_of(one) or 0) is None


BOMB = """
import os, sys, time
folder, most = sys.argv[1], int(sys.argv[2])
def count(): return len(os.listdir(folder))
for _ in range(most):
    if count() >= most: break
    if os.fork() == 0:
        os.setsid()
        open(f"{folder}/{os.getpid()}", "w").close()
    time.sleep(0.002)
while True: time.sleep(0.01)
"""


async def test_one_that_forks_without_end(tmp_path: Path) -> None:
    """It is ended while it forks on, each child in a session of its own; a few hundred of them."""
    folder = tmp_path / "alive"
    folder.mkdir()
    script = f"exec {sys.executable} -S -c '{BOMB}' {folder} 200"
    left: list[int] = []
    try:
        took = await run_until(script, tmp_path, lambda: len(list(folder.iterdir())) > 100, 0)
    finally:
        for path in folder.iterdir():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(path.name), signal.SIGKILL)
                left.append(int(path.name))
    assert left == []
    assert took < within(10)


@pytest.fixture
def branded() -> Iterator[int]:
    """A process with a brand."""
    mark = brand.new("n1/e1")
    with brand.passed_on(mark):
        child = subprocess.Popen(["env", "-i", "setsid", "--wait", "sleep", "60"])
    yield child.pid
    child.kill()
    child.wait()


def test_a_brand_is_inherited_and_does_not_stay_here(branded: int) -> None:
    """It names the owner's life; this process has none."""
    assert brand.life_of(branded) == brand.life("n1/e1")
    assert brand.life_of(0) is None
    assert brand.life_of(2**22 + 1) is None


def test_brands_tell_lives_and_agents_apart() -> None:
    """Another epoch has another life; each agent has a brand of its own."""
    lives = {brand.life(owner) for owner in ("n1/e1", "n1/e2", "n2/e1")}
    assert len(lives) == 3
    brands = [brand.new("n1/e1") for _ in range(100)]
    assert len({*brands}) == 100
    assert all(0 < one < 2**63 for one in brands)


def test_where_a_brand_cannot_be_set_nothing_breaks() -> None:
    """A hard limit below it: what is started has none, and the limit stays as it was."""
    script = (
        "import resource as r; from musterd.runtimes import brand;"
        "r.setrlimit(r.RLIMIT_RTTIME, (7, 9));"
        "b = brand.passed_on(brand.new('n1/e1')); b.__enter__();"
        "assert brand.read(0) is None; b.__exit__(None, None, None);"
        "assert r.getrlimit(r.RLIMIT_RTTIME) == (7, 9)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
