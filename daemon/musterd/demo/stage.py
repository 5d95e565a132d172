"""The demo's own small world: a temporary folder, an environment, a daemon with its Valkey.

Nothing of the person's settings gets in, and nothing is left when the demo returns.
"""

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.abc import Process

from musterd import embedded, leftovers, valkey
from musterd.errors import MusterdError

_OURS: Final = ("MUSTERD_", "VALKEY_", "GIT_")
_SYSTEMD: Final = ("NOTIFY_SOCKET", "STATE_DIRECTORY", "WATCHDOG_USEC")

_SETTINGS: Final = {
    "MUSTERD_CAPACITY": "20",
    "MUSTERD_KILL_GRACE": "2",
    "MUSTERD_DRAIN_TIMEOUT": "0",
    "MUSTERD_LOG_FORMAT": "json",
}

_START_LIMIT: Final = 15.0
_END_LIMIT: Final = 15.0
_POLL: Final = 0.02


class Stage:
    """A folder in which a daemon runs. Made by `stage`."""

    def __init__(self, folder: Path, node: str) -> None:
        self.folder = folder
        self._node = node
        self._owners: list[str] = []
        self._log = folder / "daemon.log"
        self._read_to = 0

    def new_log_lines(self) -> Iterator[dict[str, Any]]:
        """What the daemon has logged since the last call."""
        with self._log.open(encoding="utf-8", errors="replace") as file:
            file.seek(self._read_to)
            while (line := file.readline()).endswith("\n"):
                self._read_to = file.tell()
                with contextlib.suppress(ValueError):  # a traceback, say
                    yield json.loads(line)

    @contextlib.asynccontextmanager
    async def daemon(self) -> AsyncIterator[None]:
        """A daemon that is ready; it has ended afterwards, whatever happens.

        What is done with it is cancelled when it ends before.

        Raises:
            MusterdError: it did not start, or did not end as it should.
        """
        process = await self._start()
        failure: MusterdError | None = None
        used = False
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(_cancel_at_end, process, group.cancel_scope)
                try:
                    await self._wait_ready()
                    yield
                    used = True
                except MusterdError as error:  # rather than in the group that this one would make
                    failure = error
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._end(process)
        if failure is not None:
            raise failure
        if process.returncode or not used:
            ended = f"the demo's daemon ended with exit code {process.returncode}"
            raise MusterdError(f"{ended}: {self._last_words()}")

    async def _start(self) -> Process:
        with self._log.open("w", encoding="utf-8") as log:
            return await anyio.open_process(
                [sys.executable, "-m", "musterd", "run", "--embedded"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo, which then ends the daemon
            )

    async def _wait_ready(self) -> None:
        with anyio.move_on_after(_START_LIMIT):
            while True:
                for line in self.new_log_lines():
                    if line.get("event") == "ready":
                        self._owners.append(f"{self._node}/{line['epoch']}")
                        return
                await anyio.sleep(_POLL)
        raise MusterdError(f"the demo's daemon does not get ready: {self._last_words()}")

    async def _end(self, process: Process) -> None:
        """End the daemon in order; and what is left, if it did not end so."""
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with anyio.move_on_after(_END_LIMIT):
            await process.wait()
        if process.returncode == 0:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await leftovers.end_leftovers(self._owners, grace=1)
        url = embedded.find(self.folder / "state")
        if url is not None:
            async with valkey.connect(url, connections=1) as redis:
                await redis.shutdown(nosave=True)

    def _last_words(self) -> str:
        return " ".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-2:])


async def _cancel_at_end(process: Process, scope: anyio.CancelScope) -> None:
    await process.wait()
    scope.cancel()


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """The folder, with this process in it and the environment turned to it; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="musterd-demo-") as name:
        folder = Path(name)
        # A daemon ends what an earlier one of its name has left: two demos must not share one.
        node = f"demo-{secrets.token_hex(4)}"
        _turn_environment(folder, node)
        with contextlib.chdir(folder):  # a `.env` of the person's is out of sight
            yield Stage(folder, node)


def _turn_environment(folder: Path, node: str) -> None:
    """Make this process and all that it starts forget the person's settings.

    The demo owns its process, so nothing is put back.
    """
    for name in [name for name in os.environ if name.startswith(_OURS) or name in _SYSTEMD]:
        del os.environ[name]
    agents = Path(__file__).with_name("agents.toml")
    path = os.environ.get("PYTHONPATH")
    os.environ |= _SETTINGS | {
        "MUSTERD_NODE": node,
        "MUSTERD_STATE_DIR": str(folder / "state"),
        "MUSTERD_AGENTS": f"{agents},musterd.demo.agents",
        "TMPDIR": str(folder),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        # The agents' `python3` is the one that runs the demo.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }
    if path:  # its relative parts count from where the person stands
        parts = (str(Path(part).absolute()) for part in path.split(os.pathsep))
        os.environ["PYTHONPATH"] = os.pathsep.join(parts)
