"""What an administrator does on a machine with musterd installed, as the tests do it."""

import json
from typing import Any, Final

from tests.support.wait import wait_until
from tests.systemd.sandbox import Sandbox

UNIT: Final = "musterd.service"
ENV: Final = "/etc/musterd/musterd.env"
AGENTS: Final = "/etc/musterd/agents.toml"

SETTINGS: Final = f"""
MUSTERD_EMBEDDED=true
MUSTERD_AGENTS={AGENTS}
MUSTERD_NODE=n1
MUSTERD_HEARTBEAT_TTL=3
MUSTERD_KILL_GRACE=2
MUSTERD_DRAIN_TIMEOUT=1
"""

KINDS: Final = """
[agents.sleep]
command = ["sleep", "600"]
max_attempts = 3
backoff = 0.0

[agents.shell]
command = ["sh", "-c", "eval \\"$(cat | tr -d '\\"')\\""]
"""


class Host:
    """One machine.

    Args:
        sandbox: where it runs.

    Attributes:
        user: who gives commands; the daemon's own.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.user = "musterd"

    def prepare(self, *, settings: str = "", kinds: str = KINDS, service: str = "") -> None:
        """Do what systemd/README.md says, up to the start.

        Args:
            settings: over `SETTINGS`.
            kinds: the file with agents.
            service: a drop-in's `[Service]`.
        """
        self.sandbox.run("systemd-sysusers")
        self.configure(SETTINGS + settings, kinds)
        self.sandbox.run("systemd-tmpfiles", "--create", "musterd.conf")
        if service:
            self.drop_in("tests", f"[Service]\n{service}")

    def configure(self, settings: str, kinds: str) -> None:
        """Write the files that the daemon reads."""
        self.sandbox.write(ENV, settings)
        self.sandbox.write(AGENTS, kinds)

    def drop_in(self, name: str, text: str) -> None:
        """Change the unit."""
        self.sandbox.write(f"/etc/systemd/system/{UNIT}.d/{name}.conf", text)
        self.sandbox.run("systemctl", "daemon-reload")

    def systemctl(self, verb: str, *, check: bool = True) -> str:
        """`systemctl VERB musterd`; returns when that does."""
        try:
            return self.sandbox.run("systemctl", verb, UNIT, check=check)
        except AssertionError as error:
            error.add_note("\n".join(self.sandbox.journal("--unit", UNIT)))
            raise

    def show(self, name: str) -> str:
        """A property of the unit."""
        return self.sandbox.show(UNIT, name)

    def musterd(self, *arguments: str) -> str:
        """Run the command line as the daemon's user, with its settings."""
        return self.sandbox.run(
            "runuser", "-u", self.user, "--", "env", "-C", "/var/lib/musterd",
            f"MUSTERD_ENV_FILE={ENV}", "STATE_DIRECTORY=/var/lib/musterd",
            "/usr/local/bin/musterd", *arguments,
        )  # fmt: skip

    def serve_valkey(self, password: str, appendonly: str = "yes") -> None:
        """Start a Valkey of its own on the machine, with a password, as `valkey.service`."""
        program = self.sandbox.shell("find /usr/local/lib/musterd -name valkey-server").strip()
        command = (
            f"{program} --dir /var/lib/valkey --appendonly {appendonly} --requirepass {password}"
        )
        self.sandbox.write(
            "/etc/systemd/system/valkey.service", f"[Service]\nExecStart={command}\n"
        )
        self.sandbox.run("systemctl", "daemon-reload")
        self.sandbox.run("systemctl", "start", "valkey")

    def publish(self, channel: str, message: dict[str, Any]) -> None:
        """Send a message to the embedded server's subscribers."""
        code = "import redis, sys; redis.Redis(unix_socket_path=sys.argv[1]).publish(*sys.argv[2:])"
        self.sandbox.run(
            "/usr/local/lib/musterd/bin/python", "-c", code,
            "/var/lib/musterd/valkey/socket", channel, json.dumps(message),
        )  # fmt: skip

    def submit(self, kind: str, task_id: str, context: str = "null") -> None:
        """Submit a task."""
        self.musterd("submit", kind, "--id", task_id, "--context", context)

    def shell(self, task_id: str, script: str) -> None:
        """Submit a script for sh, without double quotes in it."""
        self.submit("shell", task_id, json.dumps(script))

    def record(self, record_id: str) -> dict[str, Any]:
        """A task's or an agent's record."""
        found: dict[str, Any] = json.loads(self.musterd("show", record_id, "--json"))
        return found

    def processes(self) -> list[str]:
        """The command lines of all that runs in the unit's cgroup and below."""
        cgroup = f"/sys/fs/cgroup/system.slice/{UNIT}"
        return self.sandbox.shell(
            'cat $(find "$1" -name cgroup.procs) 2>/dev/null | while read -r pid; do '
            "tr '\\0' ' ' < /proc/$pid/cmdline; echo; done",
            cgroup,
        ).splitlines()

    async def wait_for(self, name: str, value: str, limit: float = 20) -> None:
        """Return when a property of the unit has this value."""
        await wait_until(lambda: self.show(name) == value, limit, f"{name} is {value}")

    async def wait_for_line(self, text: str, *matches: str, limit: float = 20) -> str:
        """Return the first message of the unit that holds a text, once there is one."""

        def find() -> str:
            found = self.sandbox.journal("--unit", UNIT, *matches)
            return next((line for line in found if text in line), "")

        return await wait_until(find, limit, f"{text!r} is in the journal")
