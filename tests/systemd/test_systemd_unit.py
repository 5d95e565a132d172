"""The unit as an administrator meets it: installed, verified, started, stopped."""

import re
from pathlib import Path

from tests.support.wait import wait_until
from tests.systemd.conftest import ROOT
from tests.systemd.host import Host

MOST_EXPOSED = 2.0


def test_verified(host: Host) -> None:
    """`systemd-analyze verify` finds nothing, also where several run."""
    found = host.sandbox.shell("systemd-analyze verify musterd.service musterd@red.service 2>&1")
    assert found == ""


def test_exposure(host: Host) -> None:
    """`systemd-analyze security` counts 2.0 at most."""
    told = host.sandbox.run("systemd-analyze", "security", "musterd.service", check=False)
    (figure,) = re.findall(r"Overall exposure level for musterd.service: ([0-9.]+)", told)
    assert float(figure) <= MOST_EXPOSED


def test_installed_knows_nothing_of_its_staging(installed: Path) -> None:
    """No file holds the folder below which it was staged."""
    needle = str(installed).encode()
    files = (path for path in installed.rglob("*") if path.is_file() and not path.is_symlink())
    assert [path for path in files if needle in path.read_bytes()] == []


def test_uninstall_leaves_settings(host: Host) -> None:
    """`make uninstall` removes what was installed, but nothing of the administrator's."""
    host.sandbox.run("make", "-s", "-C", str(ROOT), "uninstall")
    left = host.sandbox.shell("find /usr/local /etc/musterd -name '*musterd*'").splitlines()
    assert left == ["/etc/musterd", "/etc/musterd/musterd.env"]


async def test_becomes_ready_and_stops(host: Host) -> None:
    """The start returns when it is ready; a stop drains, and nothing is left in the cgroup."""
    host.prepare()
    host.systemctl("start")
    assert host.show("ActiveState") == "active"
    await wait_until(lambda: host.show("StatusText") == "0 agents, 0 waiting, Valkey ok", 10)
    host.submit("sleep", "t1")
    await wait_until(lambda: host.show("StatusText") == "1 agent, 0 waiting, Valkey ok", 10)
    host.systemctl("stop")
    assert (host.show("Result"), host.show("ExecMainStatus")) == ("success", "0")
    assert host.processes() == []
    await host.wait_for_line("agent ended", "TASK_ID=t1")


async def test_stop_asks_for_the_time_that_a_drain_takes(host: Host) -> None:
    """A drain that is set longer than `TimeoutStopSec` is not cut short."""
    host.prepare(settings="MUSTERD_DRAIN_TIMEOUT=8\n", service="TimeoutStopSec=3")
    host.systemctl("start")
    host.shell("t1", "sleep 5; echo at its end")
    await host.wait_for_line("agent started", "TASK_ID=t1")
    host.systemctl("stop")
    assert host.show("Result") == "success"
    await host.wait_for_line("t1.1: at its end")


async def test_killed_by_publish(host: Host) -> None:
    """A message on the control channel ends an agent."""
    host.prepare()
    host.systemctl("start")
    host.submit("sleep", "t1")
    await host.wait_for_line("agent started", "TASK_ID=t1")
    host.publish("orchestrator:control", {"command": "kill", "taskId": "t1"})
    await wait_until(lambda: host.record("t1.1")["status"] == "killed", 10)


async def test_several_on_one_machine(host: Host) -> None:
    """Instances have settings, state and names of their own."""
    host.prepare()
    for name in ("red", "blue"):
        host.sandbox.write(f"/etc/musterd/{name}.env", "MUSTERD_EMBEDDED=true\n")
    host.sandbox.run("systemctl", "start", "musterd@red", "musterd@blue")
    nodes = host.sandbox.journal("EVENT=ready", "--output=json", "--output-fields=NODE")
    assert sorted(re.findall(r"-(red|blue)\"", "".join(nodes))) == ["blue", "red"]
    assert host.sandbox.shell("ls -d /var/lib/musterd-*").split() == [
        "/var/lib/musterd-blue",
        "/var/lib/musterd-red",
    ]


async def test_agents_work_in_the_sandbox(host: Host) -> None:
    """What commands commonly do, they can; what the unit forbids, they cannot."""
    host.sandbox.write("/etc/musterd/work.sh", WORK)
    host.prepare(kinds='[agents.work]\ncommand = ["bash", "/etc/musterd/work.sh"]\n')
    host.systemctl("start")
    host.submit("work", "t1")
    await host.wait_for_line("agent ended", "AGENT_ID=t1.1", limit=60)
    assert host.record("t1")["status"] == "completed", host.sandbox.journal("AGENT_ID=t1.1")


WORK = """
set -eux
mkdir work; cd work
git init -q .; echo x > f; git add f
git -c user.email=a@b -c user.name=n commit -qm one; git clone -q . copy
sed -i s/x/y/ f; install -m 755 f g; cp -a f h; tar cf t.tar f; echo > "$(mktemp)"
/usr/bin/python3 -c 'import multiprocessing as m; m.Pool(2).map(abs, [1, 2])'
refused() { ! "$@"; }
refused touch /etc/x; refused touch /usr/x; refused ls /root /home
refused mount -t tmpfs none /tmp; refused unshare --user true; refused chmod u+s g
"""
