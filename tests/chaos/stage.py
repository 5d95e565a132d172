"""A server, daemons, and a proxy before each: what a run plays on."""

import os
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Final

import anyio

from musterd import procfs
from musterd.client import Client
from musterd.settings import load
from tests.chaos.plan import DAEMONS, SERVER
from tests.chaos.troubles import Troubles
from tests.checker.contract import milliseconds
from tests.checker.promises import Break
from tests.support.daemon import Daemon
from tests.support.proxy import Proxy
from tests.support.server import Server
from tests.support.wait import wait_until

KINDS: Final = f"tests.agents.examples,{Path(__file__).parents[1] / 'agents/commands.toml'}"
PREFIX: Final = "chaos"
TTL: Final = 1.0
GRACE: Final = 0.5

SET_BACK: Final = "set back"
"""The trouble from when the server writes what it will lose until all have restored theirs."""

LIMIT: Final = 30.0
"""Seconds within which a daemon starts, or ends, whatever is the matter."""

STANDSTILL: Final = ("event loop", "woken after")
"""How lines begin that tell of it."""

_SETTINGS: Final = {
    "MUSTERD_AGENTS": KINDS,
    "MUSTERD_HEARTBEAT_TTL": str(TTL),
    "MUSTERD_KILL_GRACE": str(GRACE),
    "MUSTERD_DRAIN_TIMEOUT": "3",
}
_LOSSLESS: Final = {"appendonly": "yes", "appendfsync": "always"}


class Stage:
    """What is there, and what was the matter with it.

    Attributes:
        server: loses nothing that it has answered, not even by SIGKILL; but it may be set back.
        client: speaks to the server itself, not through a proxy.
        troubles: what was disturbed when.
        breaks: of promises, found by looking at daemons.
        counts: of the faults, by name.
        locks: by place; one fault at a time is on it.
        repeat: says again what clients alone have said since then, as the server has lost it.
    """

    def __init__(
        self, server: Server, proxies: list[Proxy], daemons: list[Daemon], client: Client
    ) -> None:
        self.server = server
        self.proxies = proxies
        self.daemons = daemons
        self.client = client
        self.troubles = Troubles()
        self.breaks: list[Break] = []
        self.counts: Counter[str] = Counter()
        self.locks: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)
        self.repeat: Callable[[float], Awaitable[None]] = _nothing_said
        self._may_be_down: set[int] = set()

    @contextmanager
    def down(self, number: int) -> Iterator[None]:
        """A daemon may end, and be away, during the block."""
        self._may_be_down.add(number)
        yield
        self._may_be_down.discard(number)

    async def bring_back(self, number: int) -> None:
        """Start a daemon that has ended."""
        daemon = self.daemons[number]
        daemon.start()
        await daemon.wait_ready(LIMIT)

    def look(self) -> None:
        """See whether a daemon has ended though nobody asked it to."""
        for number, daemon in enumerate(self.daemons):
            code = daemon.process.poll() if daemon.process else None
            if code is not None and number not in self._may_be_down:
                tail = tuple(daemon.log_text().splitlines()[-5:])
                what = f"{daemon.node} has ended by itself, exit code {code}"
                self.breaks.append(Break(10, what, evidence=tail))
                self._may_be_down.add(number)

    async def close_daemons(self) -> None:
        """Drain them all, in good order, and see that nothing of them is left."""
        for number, daemon in enumerate(self.daemons):
            self._may_be_down.add(number)
            daemon.sigterm()
        for daemon in self.daemons:
            code = await daemon.wait_exit(LIMIT)
            if code != 0:
                tail = tuple(daemon.log_text().splitlines()[-5:])
                self.breaks.append(Break(8, f"{daemon.node}: exit code {code}", evidence=tail))
            if "Traceback" in (text := daemon.own_log_text()):
                at = text.index("Traceback")
                what = f"{daemon.node} has met a fault of its own"
                self.breaks.append(
                    Break(10, what, evidence=(text[max(0, at - 500) : at + 12_000],))
                )
        left = [pid for pid in procfs.pids() if self._is_ours(pid)]
        if left:
            self.breaks.append(Break(6, f"processes of agents are left: {left}"))

    def was_held_up(self, node: str, start: float, end: float) -> bool:
        """Whether a daemon has logged between these times that it stood still: a busy machine."""
        (daemon,) = (daemon for daemon in self.daemons if daemon.node == node)
        return any(
            start < milliseconds(line["timestamp"]) / 1000 < end
            for line in daemon.log()
            if str(line.get("event", "")).startswith(STANDSTILL)
        )

    def log_of(self, task_id: str) -> list[str]:
        """What the daemons have logged of a task."""
        return [
            f"{daemon.node}: {line}"
            for daemon in self.daemons
            for line in daemon.log_text().splitlines()
            if task_id and task_id in line
        ]

    def keep_logs(self, folder: Path) -> None:
        """Copy what the daemons have logged, for whoever looks for the cause of a break."""
        for daemon in self.daemons:
            (folder / f"{daemon.node}.log").write_text(daemon.log_text(), encoding="utf-8")

    def _is_ours(self, pid: int) -> bool:
        nodes = tuple(f"MUSTERD_OWNER={daemon.node}/".encode() for daemon in self.daemons)
        return any(one.startswith(nodes) for one in procfs.environment(pid))


async def _nothing_said(_: float) -> None:
    pass


def place(number: int) -> str:
    """The name of what a fault is on, for `Troubles`."""
    return "server" if number == SERVER else f"daemon {number}"


def link(number: int) -> str:
    """The name of a daemon's way to the server."""
    return f"link {number}"


@asynccontextmanager
async def open_stage(folder: Path) -> AsyncIterator[Stage]:
    """Everything started, and every daemon ready. The ledger is in `folder`."""
    run = f"{os.getpid()}{signal.SIGTERM:d}"
    async with AsyncExitStack() as stack:
        server = stack.enter_context(Server(config=_LOSSLESS))
        client = await stack.enter_async_context(Client(load(url=server.url, prefix=PREFIX)))
        proxies, daemons = [], []
        for number in range(DAEMONS):
            proxy = stack.enter_context(Proxy(server.url))
            env = _SETTINGS | {"LEDGER": str(folder)}
            daemon = Daemon(proxy.url, PREFIX, node=f"n{number}-{run}", env=env)
            stack.enter_context(closing(daemon))
            proxies.append(proxy)
            daemons.append(daemon)
        stage = Stage(server, proxies, daemons, client)
        async with anyio.create_task_group() as starting:
            for number in range(DAEMONS):
                starting.start_soon(stage.bring_back, number)
        yield stage


async def ended(daemon: Daemon, limit: float = LIMIT) -> bool:
    """Wait for a daemon's end; whether it came."""
    try:
        await wait_until(lambda: daemon.process is None or daemon.process.poll() is not None, limit)
    except AssertionError:
        return False
    return True
