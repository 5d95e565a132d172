"""A real systemd as the first process of its own namespaces, over a throw-away root.

It and all that it has started end with the test process, whatever ends that.
"""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final, Self

import pytest

from tests.support import cgroups
from tests.support.leash import leashed

_BOOT: Final = Path(__file__).with_name("boot.sh")
_NAMESPACES: Final = ("--pid", "--mount", "--cgroup", "--uts", "--ipc")
_ENTER: Final = 'echo 0 > "$0" && exec "$@"'
_START_LIMIT: Final = 30.0
_COMMAND_LIMIT: Final = 60.0
_SYSTEMD: Final = Path("/lib/systemd/systemd")
_OLDEST: Final = 252


def require_sandbox() -> None:
    """Skip the test with the reason where no sandbox can be had; in CI it fails."""
    reason = _missing()
    if reason and os.environ.get("CI"):
        pytest.fail(f"no systemd sandbox: {reason}")
    if reason:
        pytest.skip(f"no systemd sandbox: {reason}")


def _missing() -> str:
    if os.geteuid() != 0:
        return "it needs root"
    if not _SYSTEMD.exists():
        return "systemd is not installed"
    if "\toverlay\n" not in Path("/proc/filesystems").read_text(encoding="ascii"):
        return "this kernel has no overlayfs"
    version = int(_output([str(_SYSTEMD), "--version"]).split()[1])
    if version < _OLDEST:
        return f"systemd {version} is older than {_OLDEST}"
    if cgroups.top() is None:
        return "there are no control groups of version 2 that it may change"
    namespaces = subprocess.run(
        ["unshare", *_NAMESPACES, "--fork", "true"], capture_output=True, text=True, check=False
    )
    return namespaces.stderr.strip()


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Sandbox:
    """One machine that can be booted, cut off, and booted again on the same state.

    Args:
        installed: what lies over this machine's files, as `make install` has staged it.
    """

    def __init__(self, installed: Path) -> None:
        self._installed = installed
        self._folder = Path(tempfile.mkdtemp(prefix="musterd-systemd-"))
        self._process: subprocess.Popen[bytes] | None = None
        # Its first control group: with one of its own, machines side by side do not meet.
        self._cgroup = (cgroups.top() or Path()) / self._folder.name
        for name in ("root", "rw", "state/musterd", "state/valkey"):
            (self._folder / name).mkdir(parents=True)

    def boot(self) -> None:
        """Start it and return when its basic units are up, which takes about half a second.

        Raises:
            AssertionError: it is not up in time; the message holds its console.
        """
        self._cgroup.mkdir()
        boot = ["unshare", *_NAMESPACES, "--fork", "--kill-child", str(_BOOT), *self._places]
        with self._console.open("ab") as console:
            self._process = subprocess.Popen(
                leashed(["sh", "-c", _ENTER, str(self._cgroup / "cgroup.procs"), *boot]),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_LIMIT
        while self._try("systemctl", "is-active", "--quiet", "basic.target").returncode:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the sandbox did not boot:\n{self._console.read_text()}")
            time.sleep(0.05)

    def cut_off(self) -> None:
        """End every process in it at once, as if the power had failed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            cgroups.remove(self._cgroup)

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command in it as root; its standard output.

        Raises:
            AssertionError: it failed, and that was to be checked; or it took over a minute.
        """
        done = self._try(*command)
        assert not check or done.returncode == 0, (
            f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout

    def shell(self, script: str, *arguments: str) -> str:
        """Run a script with bash; its standard output."""
        return self.run("bash", "-euc", script, "script", *arguments)

    def write(self, path: str, text: str, mode: str = "644") -> None:
        """Write a file of root's, and the folders that it is in."""
        self.shell('install -D -m "$1" /dev/null "$2"; printf %s "$3" > "$2"', mode, path, text)

    def show(self, unit: str, name: str) -> str:
        """One property of a unit."""
        return self.run("systemctl", "show", "--value", "--property", name, unit).strip()

    def journal(self, *matches: str) -> list[str]:
        """The messages that `journalctl` finds, oldest first."""
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--output=cat", "--no-pager", *matches).splitlines()

    def close(self) -> None:
        """End it and delete what it has left."""
        self.cut_off()
        shutil.rmtree(self._folder)

    def __enter__(self) -> Self:
        try:
            self.boot()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _console(self) -> Path:
        return self._folder / "console"

    @property
    def _places(self) -> tuple[str, str]:
        return str(self._folder), str(self._installed)

    def _try(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["nsenter", "--target", str(self._first()), "--all", "--", *command],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_COMMAND_LIMIT,
            env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
            check=False,
        )

    def _first(self) -> int:
        """The systemd of the sandbox as seen from here; ours until it is there."""
        assert self._process is not None, "the sandbox is off"
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return int(children[0]) if children else os.getpid()
