"""What people relax: each drop-in, put where systemd/README.md says, and a daemon with it."""

import re

import pytest

from tests.systemd.conftest import ROOT
from tests.systemd.host import AGENTS, Host

SHARED = "/usr/local/share/musterd/drop-ins"
DROP_INS = sorted(path.stem for path in (ROOT / "systemd/drop-ins").glob("*.conf"))

HOME = f"""
[agents.work]
command = ["bash", "{AGENTS}.sh"]
"""
WORK = """
set -eux
refused() { ! "$@"; }
grep -q inside /home/me/file
refused touch /home/me/other
touch /home/me/work/new
refused touch /etc/x
"""


def install(host: Host, name: str, *changes: tuple[str, str]) -> None:
    """Copy a drop-in, with the changes of an administrator."""
    text = host.sandbox.run("cat", f"{SHARED}/{name}.conf")
    for found, put in changes:
        assert found in text
        text = text.replace(found, put)
    host.drop_in(name, text)


@pytest.mark.parametrize("name", DROP_INS)
def test_verified(host: Host, name: str) -> None:
    """`systemd-analyze verify` finds nothing in the unit with this drop-in."""
    install(host, name)
    assert host.sandbox.shell("systemd-analyze verify musterd.service 2>&1") == ""
    assert f"{name}.conf" in host.show("DropInPaths")


async def test_home(host: Host) -> None:
    """Agents read what is in a home, and write to the folder that is named alone."""
    host.sandbox.shell("install -d /home/me; install -d -m 777 /home/me/work")
    host.sandbox.write("/home/me/file", "inside")
    host.sandbox.write(f"{AGENTS}.sh", WORK)
    host.prepare(kinds=HOME)
    install(host, "home", ("#ReadWritePaths=/home/me/work", "ReadWritePaths=/home/me/work"))
    host.systemctl("start")
    host.submit("work", "t1")
    await host.wait_for_line("agent ended", "AGENT_ID=t1.1", limit=60)
    assert host.record("t1")["status"] == "completed", host.sandbox.journal("AGENT_ID=t1.1")


async def test_network(host: Host) -> None:
    """No address is denied any more, and agents run. What a denial does, only BPF would show."""
    host.prepare()
    assert set(host.show("IPAddressDeny").split()) == {"::/0", "0.0.0.0/0"}
    install(host, "network")
    assert (host.show("IPAddressDeny"), host.show("IPAddressAllow")) == ("", "")
    host.systemctl("start")
    host.shell("t1", "echo done")
    await host.wait_for_line("t1.1: done")


async def test_user(host: Host) -> None:
    """Agents run as somebody who is there already, on the state that was musterd's before."""
    host.prepare()
    host.sandbox.run("useradd", "--user-group", "--groups=musterd", "me")
    host.systemctl("start")
    host.shell("t1", "id -un")
    assert await host.wait_for_line("t1.1: musterd")
    host.systemctl("stop")
    install(host, "user")
    host.systemctl("start")
    host.user = "me"
    host.shell("t2", "id -un")
    assert await host.wait_for_line("t2.1: me")
    assert host.record("t1")["status"] == "completed"
    owners = host.sandbox.run("stat", "--format=%U", "/var/lib/musterd", "/var/lib/musterd/valkey")
    assert re.findall("[a-z]+", owners) == ["me", "me"]
