"""Plays a plan on a stage, lets it come to rest, and gives the verdict."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
from redis.asyncio import Redis

from tests.chaos import faults
from tests.chaos.plan import Plan
from tests.chaos.report import Report
from tests.chaos.stage import PREFIX, SET_BACK, Stage, open_stage
from tests.chaos.verdict import judge
from tests.chaos.work import Work
from tests.checker.checking import Checker, checking
from tests.checker.event import Event
from tests.checker.ledger import Ledger
from tests.checker.promises import Break, BrokenError
from tests.support.leaks import find_leaks
from tests.support.wait import wait_until

LOST: Final = 15.0
"""Seconds for which a body may run on whose attempt was told as lost: its daemon may be frozen or
cut off, and Valkey be away when it is back."""

REST: Final = 30.0
"""Seconds within which everything has ended after the last fault."""

TELL: Final = 2.0
"""Seconds between two lines of progress."""

LOOK: Final = 0.1
"""Seconds between two looks at whether a promise was broken."""

EVIDENCE: Final = 60
"""Lines of the daemons' logs that are shown with a break."""


async def play(
    plan: Plan, folder: Path, *, slack: float = 0.0, tell: Callable[[str], None]
) -> Report:
    """Play it.

    Args:
        plan: what is done.
        folder: an empty one, for the ledger; and for the daemons' logs, if a promise is broken.
        slack: seconds that bounds are widened by, for a machine that is busy.
        tell: told of the progress.

    Raises:
        BrokenError: a promise is broken; with what the daemons have logged of the task.
    """
    notes = folder / "ledger"
    notes.mkdir()
    async with open_stage(notes) as stage:
        try:
            is_set_back = partial(stage.troubles.is_during, SET_BACK)
            ledger = Ledger(notes, LOST, told_again=is_set_back)
            async with checking(stage.server.url, PREFIX, ledger) as checker:
                run = _Run(plan, stage, checker, tell)
                await run.play()
            breaks = stage.breaks or _leaks(stage)
            verdict = judge(stage, await _events(stage), run.work.asked, notes / "ledger", slack)
            if breaks or verdict.breaks:
                raise BrokenError([*breaks, *verdict.breaks])  # noqa: TRY301, with the others' logs
        except BrokenError as error:
            stage.keep_logs(folder)
            raise BrokenError(_with_logs(stage, error.breaks)) from None
        return Report(plan, dict(stage.counts), verdict, run.rest)


class _Run:
    """One run, from the first task to the last daemon's end.

    Attributes:
        work: what was accepted.
        rest: seconds from the last fault until nothing was live.
    """

    def __init__(
        self, plan: Plan, stage: Stage, checker: Checker, tell: Callable[[str], None]
    ) -> None:
        self.work = Work(stage, checker)
        stage.repeat = self.work.repeat
        self.rest = 0.0
        self._plan = plan
        self._stage = stage
        self._checker = checker
        self._tell = tell

    async def play(self) -> None:
        """Play until all is at rest; ends early where a break was found."""
        async with anyio.create_task_group() as around:
            around.start_soon(self._watch, around.cancel_scope)
            await self._disturb()
            await self._come_to_rest()
            around.cancel_scope.cancel()
        if not self._is_broken():
            await self._stage.close_daemons()

    async def _disturb(self) -> None:
        began = anyio.current_time()
        async with anyio.create_task_group() as events:
            for task in self._plan.tasks:
                events.start_soon(_at, began + task.at, self.work.do, task)
            for fault in self._plan.faults:
                events.start_soon(_at, began + fault.at, faults.carry_out, self._stage, fault)

    async def _come_to_rest(self) -> None:
        began = time.monotonic()
        self._tell("all faults are over")
        # Before others are asked for: their bells would wake a daemon that has forgotten these.
        await self._expect(self._no_kills, 5, "each kill that was accepted is carried out")
        to_kill = {task.task_id for task in self._plan.tasks if task.kill_after is not None}
        for task_id in to_kill.intersection(await self._live()):
            await self.work.kill(task_id)
        await self._expect(self._is_at_rest, 9, "each task has ended")
        self.rest = time.monotonic() - began
        await self._checker.check_quiet()
        for task_id in self.work.submitted:
            if self._checker.events.ended(task_id) is None:
                self._stage.breaks.append(Break(9, f"{task_id} was accepted and has no ending"))

    async def _expect(
        self, condition: Callable[[], Awaitable[bool]], promise: int, what: str
    ) -> None:
        try:
            await wait_until(condition, REST, what)
        except AssertionError as error:
            live = await self._live()
            self._stage.breaks.append(
                Break(promise, f"{error}; live: {live}", next(iter(live), ""))
            )

    async def _live(self) -> list[str]:
        return list(await self._stage.client.read(lambda reads: reads.live_tasks()))

    async def _no_kills(self) -> bool:
        with self._stage.server.client() as client:
            return not client.exists(self._stage.client.keys.kills)

    async def _is_at_rest(self) -> bool:
        return not await self._live()

    def _is_broken(self) -> bool:
        return bool(self._stage.breaks or self._checker.breaks)

    async def _watch(self, scope: anyio.CancelScope) -> None:
        """Tell how it goes, and end it all as soon as a promise is seen to be broken."""
        began = told = anyio.current_time()
        while not self._is_broken():
            await anyio.sleep(LOOK)
            self._stage.look()
            now = anyio.current_time()
            if now - told >= TELL:
                told = now
                self._tell(
                    f"{now - began:4.0f} s  {self._stage.counts.total()} faults, "
                    f"{self._checker.events.ended_count} of {len(self.work.submitted)} tasks "
                    f"ended, {len(self.work.asked)} kills"
                )
        scope.cancel()


async def _at(when: float, do: Callable[..., Any], *arguments: object) -> None:
    await anyio.sleep_until(when)
    await do(*arguments)


def _leaks(stage: Stage) -> list[Break]:
    with stage.server.client() as client:
        return [Break(9, leak) for leak in find_leaks(client, PREFIX)]


def _with_logs(stage: Stage, breaks: tuple[Break, ...]) -> list[Break]:
    first, *more = breaks
    logged = stage.log_of(first.task_id)[-EVIDENCE:]
    return [replace(first, evidence=(*first.evidence, *logged)), *more]


async def _events(stage: Stage) -> list[Event]:
    async with Redis.from_url(stage.server.url, decode_responses=True) as client:
        entries: Any = await client.xrange(stage.client.keys.events_log)
    found = (Event.read(event_id, fields["event"]) for event_id, fields in entries)
    return [event for event in found if event is not None]
