"""Kinds that are exclusive, and kinds that fail too often."""

import time
from functools import partial
from pathlib import Path

import pytest

from musterd import procfs
from tests.faults.trouble import Trouble, tell
from tests.support.wait import wait_until

LEASE = 4.5
"""Seconds: a third of them, the grace, is left for the machine to be slow in."""

KINDS = """
[agents.alone]
command = ["sleep", "600"]
exclusive = true
max_attempts = 5
backoff = 0

[agents.shared]
command = ["sleep", "600"]
max_attempts = 5

[agents.broken]
command = ["false"]
max_failures = 3
failure_window = 60
failure_pause = {pause}
"""


@pytest.fixture
def kinds(tmp_path: Path) -> str:
    """A file of kinds whose pause is long."""
    return write(tmp_path, pause=600)


def write(folder: Path, pause: float) -> str:
    """The path of a file of kinds."""
    path = folder / "kinds.toml"
    path.write_text(KINDS.format(pause=pause))
    return str(path)


async def test_exclusive_agent_ends_before_its_lease(trouble: Trouble, kinds: str) -> None:
    """Cut off from Valkey it is stopped in time; an agent that may overlap runs on."""
    lease = {"MUSTERD_HEARTBEAT_TTL": str(LEASE), "MUSTERD_KILL_GRACE": str(LEASE / 3)}
    daemon = await trouble.daemon(MUSTERD_AGENTS=kinds, **lease)
    for kind in ("alone", "shared"):
        await trouble.scene.submit(kind, task_id=kind)
        await wait_until(partial(trouble.processes_of, f"{kind}.1"))
        await wait_until(partial(trouble.has_status, f"{kind}.1", "running"))
    await wait_until(lambda: len(trouble.processes_of("alone.1")) == 1)
    (pid,) = trouble.processes_of("alone.1")
    trouble.proxy.stall()
    await wait_until(lambda: b"MUSTERD_AGENT_ID=alone.1" not in procfs.environment(pid))
    left = await trouble.scene.redis.pttl(trouble.scene.keys.heartbeat("alone.1"))
    tell(f"stopped {left} ms before the end of its lease of {LEASE:g} s")
    assert left > 0
    assert trouble.processes_of("shared.1")
    assert any(
        line["event"] == "lease may run out, the exclusive agent is stopped"
        and line["agent_id"] == "alone.1"
        for line in daemon.log()
    )
    trouble.proxy.heal()
    await wait_until(lambda: trouble.has_status("alone.2", "running"))
    assert (await trouble.scene.agent("alone.1")).reason == "lost"
    assert (await trouble.scene.agent("shared.1")).status == "running"
    await trouble.scene.quiet()


async def test_exclusive_agent_lives_while_its_lease_is_renewed(
    trouble: Trouble, kinds: str
) -> None:
    """Longer than two leases, with a grace that is longer than any lease."""
    lease = {"MUSTERD_HEARTBEAT_TTL": "3", "MUSTERD_KILL_GRACE": "30"}
    await trouble.daemon(MUSTERD_AGENTS=kinds, **lease)
    await trouble.scene.submit("alone", task_id="alone")
    await wait_until(lambda: trouble.has_status("alone.1", "running"))
    began = time.monotonic()
    await wait_until(lambda: time.monotonic() - began > 7, 20)
    assert (await trouble.scene.agent("alone.1")).status == "running"
    await trouble.scene.quiet()


async def test_kind_that_fails_too_often_is_paused(trouble: Trouble, kinds: str) -> None:
    """One failure more than it may have: the kind alone is paused, told, and resumed by hand."""
    daemon = await trouble.daemon(MUSTERD_AGENTS=kinds)
    for number in range(6):
        await trouble.scene.submit("broken", task_id=f"b{number}")
        if number < 4:
            await trouble.scene.ended(f"b{number}")
    await wait_until(lambda: "kind paused, its" in daemon.log_text())
    (line,) = [line for line in daemon.log() if line["event"].startswith("kind paused, its")]
    assert (line["kind"], line["failures"], line["level"]) == ("broken", 3, "error")
    await trouble.scene.submit("shared", task_id="other")
    await wait_until(lambda: trouble.has_status("other.1", "running"))
    assert (await trouble.scene.task("b4")).status == "pending"
    told = [kind for kind in await trouble.scene.events("b3") if kind == "kind.paused"]
    assert told == ["kind.paused"]
    reply = await trouble.scene.ask({"command": "resume", "kind": "broken"})
    assert reply["ok"]
    for number in (4, 5):
        assert await trouble.scene.ending(f"b{number}") == ("failed", "error")
    await trouble.scene.quiet()


async def test_kind_that_was_paused_comes_back_by_itself(trouble: Trouble, tmp_path: Path) -> None:
    """After its pause."""
    daemon = await trouble.daemon(MUSTERD_AGENTS=write(tmp_path, pause=1.5))
    for number in range(4):
        await trouble.scene.submit("broken", task_id=f"b{number}")
    await wait_until(lambda: "fail too often" in daemon.log_text())
    await trouble.scene.submit("broken", task_id="b4")
    assert await trouble.scene.ending("b4") == ("failed", "error")
    await wait_until(lambda: "kind resumed" in daemon.log_text())
    told = [line["event"] for line in daemon.log()]
    assert told.index("kind paused, its agents fail too often") < told.index("kind resumed")
    await trouble.scene.quiet()
