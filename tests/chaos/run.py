"""Plays a plan on a stage, lets it come to rest, and gives the verdict."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import redis
from redis.asyncio import Redis

from tests.chaos import faults
from tests.chaos.plan import Plan
from tests.chaos.stage import PREFIX, TTL, Stage, open_stage
from tests.chaos.verdict import Verdict, judge
from tests.chaos.work import Work
from tests.checker.checking import Checker, checking
from tests.checker.event import Event
from tests.checker.ledger import Ledger
from tests.checker.promises import Break, BrokenError
from tests.support.leaks import find_leaks
from tests.support.wait import wait_until

LOST = 15.0
"""Seconds for which a body may run on whose attempt was told as lost: its daemon may be cut off or
frozen, and Valkey be away when it is back."""

REST = 60.0
"""Seconds within which everything has ended after the last fault."""

TELL = 2.0
"""Seconds between two lines of progress."""

EVIDENCE = 60


@dataclass(slots=True)
class Report:
    """What a run has shown."""

    plan: Plan
    faults: dict[str, int]
    tasks: int
    verdict: Verdict
    rest: float
    """Seconds from the last fault until nothing was live."""

    def __str__(self) -> str:
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        verdict = self.verdict
        worst_kill = f"{max(verdict.kills, default=0):.2f} s"
        worst_recovery = f"{max(verdict.recoveries, default=0):.2f} s"
        return "\n".join(
            (
                f"seed {self.plan.seed}, {self.plan.seconds:g} s: every promise held",
                f"faults     {sum(self.faults.values())}: {kinds}",
                f"tasks      {self.tasks}, attempts {verdict.attempts}, retries {verdict.retries}",
                f"kills      {len(verdict.kills)} carried out, the worst after {worst_kill}",
                f"recoveries {len(verdict.recoveries)} with nothing else amiss, the worst after "
                f"{worst_recovery}",
                f"at rest    {self.rest:.2f} s after the last fault",
            )
        )


async def play(
    plan: Plan, folder: Path, *, slack: float = 0.0, tell: Callable[[str], None] = print
) -> Report:
    """Play it.

    Args:
        plan: what is done.
        folder: an empty one, for the ledger.
        slack: seconds that bounds are widened by, for a machine that is busy.
        tell: told of the progress.

    Raises:
        BrokenError: a promise is broken; with what the daemons logged of the task.
    """
    ledger = Ledger(folder, LOST)
    async with open_stage(folder) as stage:
        try:
            async with checking(stage.server.url, PREFIX, ledger) as checker:
                run = _Run(plan, stage, checker, tell)
                await run.play()
            if stage.breaks:
                raise BrokenError(stage.breaks)
            with stage.server.client() as client:
                if leaks := find_leaks(client, PREFIX):
                    raise BrokenError([Break(9, leak) for leak in leaks])
            verdict = judge(stage, await _events(stage), run.work.asked, slack)
            if verdict.breaks:
                raise BrokenError(verdict.breaks)
        except BrokenError as error:
            first, *more = error.breaks
            logged = tuple(stage.log_of(first.task_id)[-EVIDENCE:])
            first = replace(first, evidence=(*first.evidence, *logged))
            raise BrokenError([first, *more]) from None
        return Report(plan, dict(stage.counts), len(plan.tasks), verdict, run.rest)


class _Run:
    """One run, from the first task to the last daemon's end."""

    def __init__(
        self, plan: Plan, stage: Stage, checker: Checker, tell: Callable[[str], None]
    ) -> None:
        self.work = Work(stage, checker)
        self.rest = 0.0
        self._plan = plan
        self._stage = stage
        self._checker = checker
        self._tell = tell
        self._ended = 0

    async def play(self) -> None:
        """Play until all is at rest; ends early where a break was found."""
        async with anyio.create_task_group() as around:
            around.start_soon(self._watch, around.cancel_scope)
            await self._disturb()
            await self._come_to_rest()
            around.cancel_scope.cancel()
        if not self._broken():
            await self._stage.close_daemons()

    async def _disturb(self) -> None:
        began = anyio.current_time()
        async with anyio.create_task_group() as all_of_it:
            for task in self._plan.tasks:
                all_of_it.start_soon(_at, began + task.at, self.work.do, task)
            for fault in self._plan.faults:
                all_of_it.start_soon(_at, began + fault.at, faults.carry_out, self._stage, fault)

    async def _come_to_rest(self) -> None:
        began = time.monotonic()
        self._tell("no more faults, waiting for rest")
        # Kills that were accepted are waited for before others are asked for, whose bells would
        # wake up a daemon that has forgotten them.
        await wait_until(self._no_kills, REST, "every kill that was accepted is carried out")
        live = await self._stage.client.read(lambda reads: reads.live_tasks())
        for task_id in live:
            if any(
                task.task_id == task_id and task.kill_after is not None for task in self._plan.tasks
            ):
                await self.work.kill(task_id)
        await wait_until(self._is_at_rest, REST, "every task has ended")
        self.rest = time.monotonic() - began
        await self._checker.check_quiet()
        for task_id in self.work.submitted:
            if self._checker.events.ended(task_id) is None:
                self._stage.breaks.append(Break(9, f"{task_id} was accepted, and has no ending"))

    async def _no_kills(self) -> bool:
        with self._stage.server.client() as client:
            return client.hlen(f"{PREFIX}:kills") == 0

    async def _is_at_rest(self) -> bool:
        return not await self._stage.client.read(lambda reads: reads.live_tasks())

    def _broken(self) -> bool:
        return bool(self._stage.breaks or self._checker.breaks)

    async def _watch(self, scope: anyio.CancelScope) -> None:
        began = told = anyio.current_time()
        while not self._broken():
            await anyio.sleep(0.1)
            self._stage.look()
            now = anyio.current_time()
            if now - told >= TELL:
                told = now
                self._tell(
                    f"{now - began:4.0f} s  {sum(self._stage.counts.values())} faults, "
                    f"{self._checker.events.ended_count} of {len(self.work.submitted)} tasks ended, "
                    f"{len(self.work.asked)} kills"
                )
        scope.cancel()


async def _at(when: float, do: Callable[..., Any], *arguments: object) -> None:
    await anyio.sleep_until(when)
    await do(*arguments)


async def _events(stage: Stage) -> list[Event]:
    async with Redis.from_url(stage.server.url, decode_responses=True) as client:
        entries = await client.xrange(f"{PREFIX}:events:log")
    found = (Event.read(event_id, fields["event"]) for event_id, fields in entries)
    return [event for event in found if event is not None]
