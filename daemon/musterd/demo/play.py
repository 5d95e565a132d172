"""The demo from its beginning to its end."""

import asyncio
import contextlib
import json
import shlex
import shutil
import signal
import sys
from pathlib import Path
from typing import Final

import anyio
from rich.console import Console

from musterd import eventlog, valkey
from musterd.client import Client
from musterd.demo import plan, screen
from musterd.demo.board import Board
from musterd.demo.plan import PUBLISH, WATCH, Part
from musterd.demo.stage import Stage, stage
from musterd.errors import MusterdError
from musterd.records import TaskRecord

LIMIT: Final = 40.0
"""Seconds after which what has not ended never will. The demo takes about ten."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def run() -> int:
    """Run the demo; 0 if each agent ended as it should, 128 + the signal that stopped it.

    Raises:
        MusterdError: it could not be run at all.
    """
    if shutil.which("git") is None:
        raise MusterdError("git is not installed; the demo's agents clone repositories with it")
    program = _program()
    play = _Play(screen.console())
    stopped_by: list[int] = []
    with anyio.CancelScope() as scope:

        def stop(number: int) -> None:
            stopped_by.append(number)
            scope.cancel()

        # anyio's own receiver needs a task, and that a group around our errors.
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, stop, number)
        await play.run()
    return 128 + stopped_by[0] if stopped_by else play.report(program)


class _Play:
    """One run of the demo, and what came of it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._killed = False
        self._parts: list[Part] = []
        self._board = Board(())
        self._records: list[TaskRecord] = []

    async def run(self) -> None:
        """Submit, watch, and interfere where the plan says so; everything has ended afterwards."""
        with stage() as here:
            self._parts = plan.make(here.folder)
            self._board = Board(self._parts)
            self._console.print(
                "Starting a daemon with a Valkey of its own, in a temporary folder."
            )
            async with here.daemon(), Client() as client:
                await self._submit(client)
                await self._follow(client, here)
                records = [await client.get(part.task_id) for part in self._parts]
                self._records = [record for record in records if isinstance(record, TaskRecord)]

    def report(self, program: str) -> int:
        """Print what became of each task, and what to try next; the exit code."""
        pairs = zip(self._parts, self._records, strict=True)
        bad = [part.task_id for part, record in pairs if part.problem(record)]
        self._console.print()
        screen.print_ending(self._console, self._parts, self._records, self._board)
        self._console.print()
        if bad:
            raise MusterdError(f"the demo went wrong; not as it should: {', '.join(bad)}")
        self._console.print(_NEXT.format(program=program), soft_wrap=True)
        return 0

    async def _submit(self, client: Client) -> None:
        for answer in await client.submit_many([part.submission for part in self._parts]):
            if isinstance(answer, MusterdError):
                raise answer

    async def _follow(self, client: Client, here: Stage) -> None:
        with screen.showing(self._console, self._board, here) as tell, anyio.move_on_after(LIMIT):
            async with contextlib.aclosing(client.events(eventlog.START)) as events:
                async for event in events:
                    tell(self._board.apply(event))
                    if event.task_id == PUBLISH and event.type == "agent.failed":
                        plan.unlock(here.folder)
                    if self._board.live == [WATCH] and not self._killed:
                        self._killed = True
                        tell(self._board.note(await _publish_kill(client)))
                    if self._board.ended:
                        return


async def _publish_kill(client: Client) -> str:
    """Kill as any program can, in any language: by one PUBLISH; how it reads."""
    message = json.dumps({"command": "kill", "taskId": WATCH, "reason": "it has seen enough"})
    url, _ = valkey.locate(client.settings)
    async with valkey.connect(url, connections=1) as redis:
        await redis.publish(client.keys.control, message)
    return f"PUBLISH {client.keys.control} {message}"


_NEXT: Final = """\
Try next, the first in a terminal of its own:
  {program} run --embedded --agents musterd.demo.agents
  {program} submit count-lines --context '{{"folder": "."}}' --wait
  {program} ps --all\
"""


def _program() -> str:
    """How this program is called from where the person stands."""
    script = Path(sys.executable).with_name("musterd")
    found = shutil.which("musterd")
    if found is not None and script.exists() and script.samefile(found):
        return "musterd"
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m musterd"
    here = Path.cwd()
    return shlex.quote(str(script.relative_to(here) if script.is_relative_to(here) else script))
