"""The journal: entries are found by their fields, and none is lost."""

import json

from tests.support.wait import wait_until
from tests.systemd.host import UNIT, Host

BURST = 100_000


async def test_fields(host: Host) -> None:
    """An agent's lines are found by agent and task, the daemon's warnings by priority."""
    host.prepare()
    host.systemctl("start")
    host.shell("t1", "echo to see; echo to read >&2; exit 3")
    await host.wait_for_line("agent ended", "AGENT_ID=t1.1")
    assert "t1.1: to see" in host.sandbox.journal("--unit", UNIT, "TASK_ID=t1")
    (entry,) = host.sandbox.journal("AGENT_ID=t1.1", "STREAM=stderr", "--output=json")
    fields = json.loads(entry)
    assert (fields["MESSAGE"], fields["LINE"]) == ("t1.1: to read", "to read")
    assert (fields["PRIORITY"], fields["SYSLOG_IDENTIFIER"]) == ("6", "musterd")
    host.publish("orchestrator:control", {"command": "nonsense"})
    await host.wait_for_line("command refused", "PRIORITY=4")


async def test_burst(host: Host) -> None:
    """A hundred thousand lines, written as fast as a program can, are all there, in order."""
    host.prepare(settings="MUSTERD_DRAIN_TIMEOUT=60\n")
    host.systemctl("start")
    host.shell("t1", f"seq {BURST}")
    await wait_until(lambda: host.record("t1")["status"] == "completed", 120)
    host.systemctl("stop")
    host.sandbox.run("journalctl", "--sync")
    told = host.sandbox.run(
        "journalctl", "--unit", UNIT, "AGENT_ID=t1.1", "EVENT=output", "--output=cat",
        "--output-fields=LINE", "--no-pager",
    )  # fmt: skip
    assert told.splitlines() == [str(number) for number in range(1, BURST + 1)]


async def test_large_entry(host: Host) -> None:
    """What no datagram holds reaches the journal all the same."""
    host.prepare()
    host.sandbox.write("/etc/musterd/large.py", LARGE)
    settings = "MUSTERD_AGENTS=large\n"
    host.prepare(settings=settings, service="Environment=PYTHONPATH=/etc/musterd")
    host.systemctl("start")
    host.submit("large", "t1")
    await host.wait_for_line("large", "AGENT_ID=t1.1", "EVENT=large")
    (size,) = host.sandbox.shell(
        "journalctl EVENT=large -o cat --output-fields=VALUE --all | wc -c"
    ).split()
    assert int(size) == 1_000_001


LARGE = """
import musterd

@musterd.agent("large")
async def large(ctx):
    ctx.log.info("large", value="x" * 1_000_000)
"""
