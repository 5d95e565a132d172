"""Control groups of agents below the service, and what is said where limits do not hold."""

import pytest

from tests.systemd.host import Host

KINDS = '''
[agents.small]
command = ["sh", "-c", """
setsid sh -c 'timeout 1 yes > /dev/null; : > done' &
until [ -e done ]; do sleep 0.1; done
"""]
memory_max = "64M"
cpu_max = "50%"
pids_max = 20

[agents.free]
command = ["cat", "/proc/self/cgroup"]
environment = { "a.b" = "kept" }
'''


async def test_limits_that_do_not_hold_are_told(host: Host) -> None:
    """One line for the kind, which says which limits, why, and what to do; its agents run."""
    host.prepare(kinds=KINDS)
    if host.sandbox.shell("cat /sys/fs/cgroup/cgroup.controllers").find("memory") >= 0:
        pytest.skip("the controllers belong to version 2 of control groups on this machine")
    host.systemctl("start")
    line = await host.wait_for_line("limits not applied", "PRIORITY=4")
    assert 'kind=small limits=["memory_max", "cpu_max", "pids_max"]' in line
    assert "memory, cpu, pids: of version 1 of control groups on this machine" in line
    assert "hint=boot with systemd.unified_cgroup_hierarchy=1" in line
    assert len(host.sandbox.journal("EVENT=limits not applied")) == 1
    host.submit("small", "t1")
    await host.wait_for_line("agent ended status=completed", "AGENT_ID=t1.1")


async def test_processor_time_of_all_processes(host: Host) -> None:
    """Also of those that have left their session, and that nobody in the agent waited for."""
    host.prepare(kinds=KINDS)
    host.systemctl("start")
    host.submit("small", "t1")
    await host.wait_for_line("agent ended status=completed", "AGENT_ID=t1.1")
    assert host.record("t1.1")["cpuSeconds"] > 0.1
    assert "cpuSeconds" in host.musterd("show", "t1.1")
    host.submit("free", "t2")
    assert await host.wait_for_line("t2.1: 0::/system.slice/musterd.service/agents/t2.1")
