"""`systemctl reload`: kinds, capacity and log level change, agents run on, mistakes are refused."""

import pytest

from tests.support.wait import wait_until
from tests.systemd.host import AGENTS, ENV, KINDS, SETTINGS, Host

ONLY_NEW = '[agents.new]\ncommand = ["true"]\n'


async def test_kinds_change_and_agents_run_on(host: Host) -> None:
    """A new kind is offered at once; the agent of one that is gone is not touched."""
    host.prepare()
    host.systemctl("start")
    host.submit("sleep", "t1")
    await host.wait_for_line("agent started", "AGENT_ID=t1.1")
    host.configure(SETTINGS + "MUSTERD_CAPACITY=7\nMUSTERD_LOG_LEVEL=debug\n", ONLY_NEW)
    host.systemctl("reload")
    await host.wait_for_line('reloaded kinds=["new"] capacity=7')
    await host.wait_for("ActiveState", "active")
    host.submit("new", "t2")
    await wait_until(lambda: host.record("t2")["status"] == "completed", 10)
    assert host.record("t1.1")["status"] == "running"
    host.submit("sleep", "t3")
    assert host.record("t3")["status"] == "pending"
    assert host.show("NRestarts") == "0"


@pytest.mark.parametrize(
    ("path", "text", "named"),
    [
        (AGENTS, "[agents.sleep]\ncomand = ['true']\n", "comand"),
        (ENV, SETTINGS + "MUSTERD_CAPACITY=none\n", "MUSTERD_CAPACITY"),
        (ENV, SETTINGS + "MUSTERD_LOG_LEVEL=loud\n", "MUSTERD_LOG_LEVEL"),
    ],
)
async def test_a_mistake_is_refused(host: Host, path: str, text: str, named: str) -> None:
    """It is named in the log and the status, the old kinds stay, and a better file mends it."""
    host.prepare()
    host.systemctl("start")
    good = SETTINGS if path == ENV else KINDS
    host.sandbox.write(path, text)
    host.systemctl("reload")
    assert named in await host.wait_for_line("reload refused, nothing has changed")
    await wait_until(lambda: "last reload refused" in host.show("StatusText"), 10)
    host.sandbox.write(path, good)
    host.submit("sleep", "t1")
    await host.wait_for_line("agent started", "AGENT_ID=t1.1")
    host.systemctl("reload")
    await wait_until(lambda: host.show("StatusText") == "1 agent, 0 waiting, Valkey ok", 10)


async def test_what_needs_a_restart_is_named(host: Host) -> None:
    """A setting that a reload does not change is said to have changed."""
    host.prepare()
    host.systemctl("start")
    host.sandbox.write(ENV, SETTINGS + "MUSTERD_RETENTION=60\n")
    host.systemctl("reload")
    line = await host.wait_for_line("settings changed that need a restart")
    assert "retention" in line
