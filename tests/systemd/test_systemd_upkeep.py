"""Upgrade, back up and put back, as docs/operations.md says it."""

import json
from typing import Any, Final

from tests.support.wait import wait_until
from tests.systemd.host import ENV, UNIT, Host

LIB: Final = "/usr/local/lib/musterd"
FOLDER: Final = "/var/lib/musterd/valkey"
BACKUP: Final = "/var/backups/musterd-valkey"
PASSWORD: Final = "hunter2"  # noqa: S105 - a secret only for these tests
CREDENTIAL: Final = "/etc/credstore/musterd.valkey-password"


def install_anew(host: Host, version: str) -> None:
    """What `make install` does at its end: another environment takes the place of the old one."""
    host.sandbox.shell(
        'cp -a "$1" "$1.new"; file=$(echo "$1".new/lib/*/site-packages/musterd/__init__.py); '
        'sed -i "s/^__version__ = .*/__version__ = \'$2\'/" "$file"; '
        'rm -rf "$1"; mv "$1.new" "$1"',
        LIB,
        version,
    )
    host.sandbox.run("systemctl", "daemon-reload")


def musterd(host: Host, *arguments: str) -> str:
    """Run the command line as root, who alone reads the password of a server of its own."""
    environment = (f"MUSTERD_ENV_FILE={ENV}", f"VALKEY_PASSWORD_FILE={CREDENTIAL}")
    return host.sandbox.run("env", *environment, "/usr/local/bin/musterd", *arguments)


def ask_valkey(host: Host, *command: str) -> Any:
    """`valkey-cli`, to the server of the machine."""
    code = (
        "import json, redis, sys; server = redis.Redis(password=sys.argv[1]);"
        "print(json.dumps(server.execute_command(*sys.argv[2:]), default=str))"
    )
    return json.loads(host.sandbox.run(f"{LIB}/bin/python", "-c", code, PASSWORD, *command))


def persistence(host: Host, name: str) -> Any:
    """How that server stands with its files."""
    return ask_valkey(host, "INFO", "persistence")[name]


def tasks(host: Host) -> set[str]:
    """The ids of all that are known."""
    return {task["taskId"] for task in json.loads(musterd(host, "ps", "--json"))["tasks"]}


async def test_upgrade(host: Host) -> None:
    """Agents that end within the drain have completed, others are retried; what waits is run."""
    host.prepare(settings="MUSTERD_DRAIN_TIMEOUT=15\n")
    host.systemctl("start")
    host.shell("t1", "until [ -e /var/lib/musterd/go ]; do sleep 0.1; done; echo at its end")
    host.submit("sleep", "t2")
    for agent_id in ("t1.1", "t2.1"):
        await host.wait_for_line("agent started", f"AGENT_ID={agent_id}")
    install_anew(host, "9.9.9")
    host.sandbox.run("systemctl", "restart", "--no-block", UNIT)
    await host.wait_for_line("draining agents=2")
    host.submit("sleep", "t3")
    host.sandbox.write("/var/lib/musterd/go", "")
    for agent_id in ("t2.2", "t3.1"):
        await host.wait_for_line("agent started", f"AGENT_ID={agent_id}", limit=60)
    assert "version=9.9.9" in await host.wait_for_line("ready", "VERSION=9.9.9")
    assert host.record("t1")["status"] == "completed"
    assert host.record("t2.1")["reason"] == "shutdown"
    assert host.show("NRestarts") == "0"


async def test_backup_of_an_embedded_server(host: Host) -> None:
    """Put back, it is as it was then: what waited runs, what has ended since runs once more."""
    host.prepare()
    host.systemctl("start")
    host.shell("done", "echo done")
    await wait_until(lambda: host.record("done")["status"] == "completed", 20)
    host.submit("sleep", "t1")
    await host.wait_for_line("agent started", "AGENT_ID=t1.1")
    host.systemctl("stop")
    host.sandbox.run("cp", "-a", FOLDER, BACKUP)
    host.systemctl("start")
    await host.wait_for_line("agent started", "AGENT_ID=t1.2")
    host.musterd("kill", "t1", "--wait")
    host.shell("since", "echo done")
    await wait_until(lambda: host.record("since")["status"] == "completed", 20)

    host.systemctl("stop")
    host.sandbox.run("mv", FOLDER, f"{FOLDER}.before")
    host.sandbox.run("cp", "-a", BACKUP, FOLDER)
    host.systemctl("start")
    await wait_until(lambda: host.record("t1")["status"] == "executing", 20)
    assert host.record("t1.1")["reason"] == "shutdown"
    assert host.record("done")["status"] == "completed"
    assert "since" not in host.musterd("ps")


async def test_snapshot_of_a_server(host: Host) -> None:
    """It is read without the append-only file, which is then written anew and read from then on."""
    host.prepare(settings="MUSTERD_EMBEDDED=false\nVALKEY_HOST=127.0.0.1\n")
    host.sandbox.write(CREDENTIAL, PASSWORD, "600")
    host.serve_valkey(PASSWORD)
    host.systemctl("start")
    musterd(host, "submit", "sleep", "--id", "t1")
    await host.wait_for_line("agent started", "AGENT_ID=t1.1")
    ask_valkey(host, "BGSAVE")
    await wait_until(lambda: persistence(host, "rdb_bgsave_in_progress") == 0, 20)
    host.sandbox.run("cp", "-a", "/var/lib/valkey/dump.rdb", BACKUP)
    musterd(host, "submit", "sleep", "--id", "since")
    await host.wait_for_line("agent started", "AGENT_ID=since.1")

    host.systemctl("stop")
    host.sandbox.run("systemctl", "stop", "valkey")
    host.sandbox.shell("mv /var/lib/valkey/appendonlydir /var/lib/valkey/before")
    host.sandbox.run("cp", "-a", BACKUP, "/var/lib/valkey/dump.rdb")
    host.serve_valkey(PASSWORD, appendonly="no")
    ask_valkey(host, "CONFIG", "SET", "appendonly", "yes")
    await wait_until(lambda: persistence(host, "aof_rewrite_in_progress") == 0, 20)
    assert persistence(host, "aof_last_bgrewrite_status") == "ok"
    host.sandbox.run("systemctl", "stop", "valkey")
    host.serve_valkey(PASSWORD)
    host.systemctl("start")
    await host.wait_for_line("agent started", "AGENT_ID=t1.2")
    assert tasks(host) == {"t1"}
