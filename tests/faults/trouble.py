"""What tests of faults share: daemons behind a proxy, the points of an agent's life, an outage."""

import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import anyio

from musterd import procfs
from musterd.errors import MusterdError, UnreachableError
from musterd.scripts import FREQUENT, script
from tests.checker.contract import milliseconds
from tests.service.scene import Scene, open_scene
from tests.support.daemon import Daemon
from tests.support.fixtures import StartDaemon
from tests.support.pace import within
from tests.support.proxy import Proxy
from tests.support.server import Server
from tests.support.wait import pass_time, wait_until

TTL: Final = 1.0

BACK: Final = 1.0
"""Seconds within which work goes on, and a kill is carried out, once an outage is over."""

POINTS: Final = (
    "claimed",
    "running",
    "output flowing",
    "kill asked",
    "ending sent",
    "ending written",
)
"""The named points of an agent's life: its claim is written and not yet known; its body runs; it
writes without end; it cleans up after it was asked to stop; its ending is on its way to the server;
its ending is written and not yet known."""


BEGINS: Final = {
    "valkey lost": "valkey back",
    "steps wait": "steps go on",
    "control channel lost": "control channel back",
    "a recurring duty failed": "trouble over",
}
"""What a log says when an outage begins, and when it is over."""

BESIDE: Final = {
    "restored what the server may have lost",
    "event loop is blocked",
    "event loop was blocked",
}
"""What it may say besides: of another server, and of a machine that is busy."""

ONCE: Final = range(1, 2)

LOST: Final = {"valkey lost": ONCE, "control channel lost": range(2)}
"""Nothing is answered; a daemon may meet the loss of its control channel before the link does."""

WAIT: Final = {"steps wait": ONCE}
"""The server answers and takes no steps."""


class Told:
    """What the log of one daemon tells of an outage that is yet to begin."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._before = len(daemon.log())

    async def check(self, told: Mapping[str, range]) -> None:
        """Each of these began so many times, and nothing else; what began has ended as often."""
        await wait_until(self._is_over, 10, "the log says that the outage is over")
        events = self._events()
        begins = [event for event in events if event in BEGINS]
        ends = [BEGINS[event] for event in begins]
        assert sorted(events) == sorted(begins + ends), events
        assert set(begins) <= told.keys(), events
        assert all(begins.count(event) in times for event, times in told.items()), events
        assert "Traceback" not in self._daemon.own_log_text()

    def _is_over(self) -> bool:
        events = self._events()
        return sum(one in BEGINS for one in events) == sum(one in BEGINS.values() for one in events)

    def _events(self) -> list[str]:
        """Its lines, but for those of agents."""
        lines = self._daemon.log()[self._before :]
        return [
            line["event"]
            for line in lines
            if "agent_id" not in line and line["event"] not in BESIDE
        ]


class Trouble:
    """A scene on a server that loses nothing, and a proxy that all daemons go through."""

    def __init__(self, scene: Scene, proxy: Proxy) -> None:
        self.scene = scene
        self.proxy = proxy
        self.server = scene.server
        self._begun = anyio.Event()

    async def daemon(self, **options: Any) -> Daemon:
        """Start one that offers the kinds of `tests/agents`."""
        return await self.scene.daemon(**{"VALKEY_URL": self.proxy.url} | options)

    async def bring_to(self, point: str, daemon: Daemon) -> str:
        """Submit a task and bring its first agent to a point of its life; the agent's id."""
        if point == "claimed":
            agent_id = await self._bring_to_claim()
            await wait_until(partial(self.has_status, agent_id, "running"))
        elif point == "running":
            agent_id = await self.scene.start("family", str(self.scene.folder))
        elif point == "output flowing":
            agent_id = await self.scene.start("talker")
            await wait_until(lambda: daemon.log_text().count("quick brown") > 10)
        elif point == "kill asked":
            agent_id = await self.scene.start("careful", 0.4)
            await self.scene.client.kill(agent_id)
            await wait_until(lambda: "asked to stop" in daemon.log_text())
        else:
            agent_id = await self._bring_to_ending(point)
        return agent_id

    async def _bring_to_claim(self) -> str:
        """Keep back the answer to the first claim that finds the task."""
        await self.scene.ask({"command": "pause"})
        task_id = await self.scene.submit("hold")
        await self._load_scripts()
        self.proxy.stall_after(b"claim")
        await self.scene.publish({"command": "resume"})
        return f"{task_id}.1"

    async def _load_scripts(self) -> None:
        """So that no step is sent twice because the server does not know its script yet."""
        for count in range(len(FREQUENT) + 1):
            for steps in combinations(sorted(FREQUENT), count):
                await self.scene.redis.script_load(script(frozenset(steps)).source)

    def processes_of(self, agent_id: str) -> list[int]:
        """What runs as an agent, or was started by it."""
        name = f"MUSTERD_AGENT_ID={agent_id}".encode()
        return [pid for pid in procfs.pids() if name in procfs.environment(pid)]

    async def _bring_to_ending(self, point: str) -> str:
        await self._load_scripts()
        gate = self.scene.folder / "gate"
        agent_id = await self.scene.start("gate", str(gate), max_attempts=2)
        if point == "ending written":
            self.proxy.stall_after(b"finish")
        else:
            self.proxy.stall()
        gate.touch()
        await wait_until(lambda: self.scene.noted("end", agent_id))
        if point == "ending written":
            await wait_until(partial(self.has_status, agent_id, "completed"))
        return agent_id

    async def has_status(self, agent_id: str, status: str) -> bool:
        """Whether an agent's record says so."""
        try:
            return (await self.scene.agent(agent_id)).status == status
        except MusterdError:
            return False

    async def goes_on(self, point: str, agent_id: str) -> None:
        """The agent has been brought to `point` and its daemon was struck: its task goes on.

        It is tried again where it was lost, ended where it had ended or was to be killed.
        """
        task_id = agent_id[:-2]
        if point == "kill asked":
            assert await self.scene.ending(task_id) == ("failed", "killed")
        elif point == "ending written":
            assert await self.scene.ending(task_id) == ("completed", None)
        else:
            assert await self.scene.ending(agent_id) in {("failed", "lost"), ("failed", "shutdown"),
                                                         ("completed", None)}  # fmt: skip
        await self.scene.quiet()

    @asynccontextmanager
    async def outage(self, told: Mapping[str, range] = LOST) -> AsyncIterator[None]:
        """What every outage of Valkey is held to; it lasts from `begun` to the end of the block.

        Agents run on through it and nobody is orphaned, though there are two daemons to judge each
        other. A kill that is asked for meanwhile is carried out, and new work is done, within
        `BACK` of its end. Each daemon's log says when it began, and when it was over, and no more
        of it: as often as `told` allows, which is once.
        """
        self._begun = anyio.Event()
        daemons = [await self.daemon() for _ in range(2)]
        kept = [await self.scene.start("hold") for _ in range(2)]
        doomed = await self.scene.start("hold")
        logs = [Told(daemon) for daemon in daemons]
        async with anyio.create_task_group() as asking:
            asking.start_soon(self._ask_to_kill, doomed)
            yield
            assert self._begun.is_set(), "nothing was the matter"
        over = time.time()
        assert (await self.scene.ended(await self.submit("echo"))).status == "completed"
        back = time.time() - over
        assert await self.scene.ending(doomed) == ("killed", "killed")
        killed = milliseconds((await self.scene.agent(doomed)).completed_at or "") / 1000 - over
        tell(f"back to work after {back:.2f} s, killed after {max(killed, 0):.2f} s")
        assert max(back, killed) < within(BACK)
        for agent_id in kept:
            assert (await self.scene.agent(agent_id)).status == "running"
        for log in logs:
            await log.check(told)
        await self.scene.quiet()

    def begun(self) -> None:
        """Something is the matter from now on: what is to happen meanwhile may happen."""
        self._begun.set()

    async def last(self, seconds: float) -> None:
        """What is the matter goes on for so long."""
        self.begun()
        await pass_time(seconds)

    async def submit(self, kind: str, context: Any = None, **options: Any) -> str:
        """Submit a task, whatever is the matter with the server; its id."""
        task_id: str = await persist(lambda: self.scene.submit(kind, context, **options))
        return task_id

    async def _ask_to_kill(self, agent_id: str) -> None:
        await self._begun.wait()
        await persist(lambda: self.scene.client.kill(agent_id))


async def persist(call: Callable[[], Awaitable[Any]]) -> Any:
    """Ask until the server has answered."""
    while True:
        try:
            return await call()
        except UnreachableError:
            await anyio.sleep(0.02)


def tell(measured: str) -> None:
    """Show a figure: `pytest -rP` prints it."""
    sys.stdout.write(f"{measured}\n")


@asynccontextmanager
async def open_trouble(
    server: Server, prefix: str, folder: Path, start_daemon: StartDaemon, lost_limit: float
) -> AsyncIterator[Trouble]:
    """A scene, a proxy before its server, and the checker over all of it."""
    with Proxy(server.url) as proxy:
        async with open_scene(server, prefix, folder, start_daemon, lost_limit=lost_limit) as scene:
            try:
                yield Trouble(scene, proxy)
            finally:
                proxy.heal()
