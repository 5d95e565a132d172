"""What goes wrong, and what systemd and the daemon make of it together."""

from tests.support.wait import wait_until
from tests.systemd.host import ENV, UNIT, Host

PASSWORD = "hunter2"  # noqa: S105 - a secret only for these tests
CREDENTIAL = "/etc/credstore/musterd.valkey-password"
OWN_VALKEY = "MUSTERD_EMBEDDED=false\nVALKEY_HOST=127.0.0.1\n"


async def test_killed_daemon_comes_back(host: Host) -> None:
    """After kill -9 it is restarted, nothing of its agents is left over, and they are retried."""
    host.prepare()
    host.systemctl("start")
    host.submit("sleep", "t1")
    await host.wait_for_line("agent started", "AGENT_ID=t1.1")
    # One that has left its session, and its environment too: no process could find it again.
    host.shell("t2", "env -i setsid sleep 599 & sleep 600")
    await wait_until(lambda: any("sleep 599" in line for line in host.processes()), 10)
    host.sandbox.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", UNIT)
    await host.wait_for_line("agent started", "AGENT_ID=t1.2")
    assert host.show("NRestarts") == "1"
    assert [line for line in host.processes() if "sleep 599" in line] == []
    assert len([line for line in host.processes() if line.startswith("sleep 600")]) == 1
    assert host.record("t1.1")["reason"] == "lost"
    assert host.record("t2")["status"] == "failed"


async def test_frozen_daemon_is_restarted(host: Host) -> None:
    """SIGSTOP: nothing feeds the watchdog, so systemd ends it and starts it again."""
    host.prepare(service="WatchdogSec=3\nTimeoutAbortSec=1")
    host.systemctl("start")
    host.submit("sleep", "t1")
    await host.wait_for_line("agent started", "AGENT_ID=t1.1")
    host.sandbox.run("systemctl", "kill", "--kill-whom=main", "--signal=STOP", UNIT)
    await host.wait_for_line("agent started", "AGENT_ID=t1.2", limit=30)
    assert host.show("NRestarts") == "1"


async def test_blocked_daemon_says_where(host: Host) -> None:
    """A coroutine that blocks the event loop for good: the journal shows the line it is in."""
    host.sandbox.write("/etc/musterd/blocking.py", BLOCKING)
    agents = "MUSTERD_AGENTS=blocking\n"
    host.prepare(settings=agents, service="WatchdogSec=3\nEnvironment=PYTHONPATH=/etc/musterd")
    host.systemctl("start")
    host.submit("block", "t1")
    await host.wait_for_line("/etc/musterd/blocking.py", limit=30)
    await wait_until(lambda: host.show("NRestarts") == "1", 20)


BLOCKING = """
import time
import musterd

@musterd.agent("block")
async def block(ctx):
    time.sleep(600)
"""


async def test_lost_valkey_is_no_hang(host: Host) -> None:
    """While Valkey is away the daemon waits, says so, and no watchdog ends it."""
    host.prepare(settings=OWN_VALKEY, service="WatchdogSec=2")
    host.serve_valkey(PASSWORD)
    host.sandbox.write(CREDENTIAL, PASSWORD, "600")
    host.systemctl("start")
    pid = host.show("MainPID")
    host.sandbox.run("systemctl", "stop", "valkey")
    await wait_until(lambda: "Valkey lost" in host.show("StatusText"), 10)
    fed = host.show("WatchdogTimestampMonotonic")
    # Three times the interval of the watchdog.
    await wait_until(
        lambda: int(host.show("WatchdogTimestampMonotonic")) > int(fed) + 6_000_000, 20
    )
    host.sandbox.run("systemctl", "start", "valkey")
    await wait_until(lambda: "Valkey ok" in host.show("StatusText"), 10)
    assert host.show("MainPID") == pid


async def test_password_from_a_credential(host: Host) -> None:
    """It is read from the file of root's, and neither environment nor journal shows it."""
    host.prepare(settings=OWN_VALKEY)
    host.serve_valkey(PASSWORD)
    host.sandbox.write(CREDENTIAL, PASSWORD + "\n", "600")
    host.systemctl("start")
    host.sandbox.write("/etc/musterd/agents.toml", '[agents.env]\ncommand = ["env"]\n')
    host.systemctl("reload")
    await host.wait_for_line("reloaded")
    host.sandbox.run(
        "env", f"MUSTERD_ENV_FILE={ENV}", f"VALKEY_PASSWORD_FILE={CREDENTIAL}",
        "musterd", "submit", "env", "--id", "t1", "--wait",
    )  # fmt: skip
    told = host.sandbox.journal("AGENT_ID=t1.1", "EVENT=output")
    assert [line for line in told if "CREDENTIALS" in line or "VALKEY" in line] == []
    environment = host.sandbox.shell('cat /proc/"$1"/environ', host.show("MainPID"))
    assert PASSWORD not in environment
    assert PASSWORD not in "".join(host.sandbox.journal("--unit", UNIT, "--output=verbose"))


async def test_wrong_password_is_told_and_not_tried_for_ever(host: Host) -> None:
    """The status says which setting to look at; systemd does not start it again."""
    host.prepare(settings=OWN_VALKEY)
    host.serve_valkey(PASSWORD)
    host.sandbox.write(CREDENTIAL, "wrong", "600")
    host.systemctl("start", check=False)
    await host.wait_for("ActiveState", "failed")
    assert (host.show("ExecMainStatus"), host.show("NRestarts")) == ("2", "0")
    assert "VALKEY_PASSWORD" in host.show("StatusText")


async def test_power_failure(host: Host) -> None:
    """The whole machine is cut off and boots again: what was accepted is there, and goes on."""
    host.prepare()
    host.systemctl("start")
    host.submit("sleep", "t1")
    host.shell("t2", "echo done > /var/lib/musterd/proof")
    await wait_until(lambda: host.record("t2")["status"] == "completed", 10)
    await host.wait_for_line("agent started", "AGENT_ID=t1.1")
    host.sandbox.cut_off()
    host.sandbox.boot()
    host.prepare()
    host.systemctl("start")
    await host.wait_for_line("agent started", "AGENT_ID=t1.2")
    assert host.record("t1.1")["reason"] == "lost"
    assert host.record("t2")["status"] == "completed"
