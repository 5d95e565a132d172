"""Completion in the shells themselves: on a terminal, by the Tab key."""

import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio
import pytest

from musterd.client import Client
from tests.support.tools import require
from tests.support.wait import wait_until

READY: Final = "shell-is-ready"
LIMIT: Final = 60.0

STARTS: Final = {
    "bash": (["--rcfile", "{home}/rc", "-i"], "rc", "PS1='{ready} '"),
    "zsh": (["-i"], ".zshrc", "autoload -Uz compinit; compinit -u; PS1='{ready} '"),
    "fish": (["-i"], "fish/config.fish", "function fish_prompt; echo '{ready} '; end"),
}
"""Arguments, the file that an interactive shell reads first, and what it does there."""

EVAL: Final = {
    "bash": 'eval "$(musterd completion bash)"',
    "zsh": 'eval "$(musterd completion zsh)"',
    "fish": "musterd completion fish | source",
}
"""As the README and `musterd completion --help` have it."""


class Shell:
    """An interactive shell on a terminal of its own, and all that it wrote there."""

    def __init__(self, name: str, home: Path) -> None:
        arguments, file, commands = STARTS[name]
        rc = home / file
        rc.parent.mkdir(exist_ok=True)
        rc.write_text(f"{commands.format(ready=READY)}\n{EVAL[name]}\n")
        self._ours, theirs = pty.openpty()
        os.set_blocking(self._ours, False)
        words = [word.format(home=home) for word in arguments]
        where = dict.fromkeys(("HOME", "ZDOTDIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(home))
        self._process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", require(name), *words],
            env=os.environ | where | {"PATH": f"{home}:{os.environ['PATH']}", "TERM": "xterm"},
            cwd=home,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self._written = b""

    async def play(self, line: str, called: str) -> None:
        """Press the keys of a line until it has called the program so.

        More than once where the server did not answer in time, as a person would.
        """
        with anyio.fail_after(LIMIT):
            while f"called <{called}>" not in await self._play(line):
                pass

    async def _play(self, line: str) -> str:
        """What a line brings, up to the next prompt."""
        await wait_until(lambda: READY in self._read(), LIMIT, f"a prompt in {self._written!r}")
        self._written = b""
        os.write(self._ours, f"{line}\r".encode())
        await wait_until(lambda: "called <" in self._read(), LIMIT, "the program is called")
        return self._read()

    def end(self) -> None:
        """Take the terminal away, and wait for the shell."""
        os.close(self._ours)
        self._process.kill()
        self._process.wait()

    def _read(self) -> str:
        with suppress(BlockingIOError):
            while data := os.read(self._ours, 65_536):
                self._written += data
        return self._written.decode(errors="replace")


@pytest.fixture(params=STARTS)
def shell(request: pytest.FixtureRequest, tmp_path: Path, where: dict[str, str]) -> Iterator[Shell]:
    """A shell in which `musterd` completes as ever, and else says how it was called."""
    assert where
    program = tmp_path / "musterd"
    paths = os.pathsep.join(str(Path(path).resolve()) for path in sys.path)
    program.write_text(
        "#!/bin/sh\n"
        'if [ -n "$_MUSTERD_COMPLETE" ] || [ "$1" = completion ]; then\n'
        f'    PYTHONPATH={shlex.quote(paths)} exec {shlex.quote(sys.executable)} -m musterd "$@"\n'
        "fi\n"
        "printf 'called <%s>\\n' \"$*\"\n"
    )
    program.chmod(0o755)
    opened = Shell(request.param, tmp_path)
    yield opened
    opened.end()


@pytest.mark.leaves_work("a submitted task that nobody runs")
async def test_tab_completes(shell: Shell, tmp_path: Path) -> None:
    """A command; the id of a live task, which the server knows; a file, which the shell knows."""
    async with Client() as client:
        await client.submit("check", task_id="run-alpha")
    (tmp_path / "only.toml").touch()
    await shell.play("musterd dr\t", "drain")
    await shell.play("musterd kill run-a\t", "kill run-alpha")
    await shell.play("musterd run --agents on\t", "run --agents only.toml")
