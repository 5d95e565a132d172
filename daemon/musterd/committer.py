"""Group commit: the steps of many actors in one round trip.

A step is handed in and its answer awaited. Whatever gathers while earlier calls are under way goes
out together with the next one. There is no timer: under light load a step goes alone and at once.

A step belongs to the committer from the moment it is handed in. An actor whose scope is cancelled
stops waiting, but its step is sent all the same, and no connection is left with half a reply in it.
A call without an answer is sent again until it gets one; that is safe because every step looks at
what the server holds first, and one that was applied before answers ok and changes nothing.
"""

import time
from asyncio import Future, get_running_loop  # a third of the cost of an anyio.Event and a slot
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeAlias

import anyio
import structlog
from anyio.abc import TaskGroup

from musterd.batches import Load, batches
from musterd.link import HOLD, Link
from musterd.pulse import Pulse
from musterd.recent import Recent
from musterd.scripts import Reply, Step
from musterd.valkey import FAULTS

Call: TypeAlias = Callable[[Sequence[Step]], Awaitable[list[Reply]]]
"""Sends steps in one round trip: `scripts.call` on some connection."""

Item: TypeAlias = tuple[Step, "Future[Reply]"]
"""A step, and where its answer is awaited."""

LANES: Final = 3
"""Calls under way at once, so that Python and Valkey work at the same time."""

TURNS: Final = 6
"""How often what was refused is said again while lost writes are restored."""

PUT_OFF: Final = 0.25
"""Seconds until a step that the server cannot take at the moment is sent again."""

FIRST_PAUSE: Final = 0.01
LONGEST_PAUSE: Final = 0.2
"""Seconds between two tries of a call that is not answered."""


log = structlog.get_logger()


class Committer:
    """Sends steps for everybody. `run` does the work and returns when it is cancelled.

    Args:
        call: sends them.
        link: told the fate of each call.
        living: the steps that take again what is alive here, for a server that may have lost it.
    """

    def __init__(
        self, call: Call, link: Link, living: Callable[[], Iterable[Step]] = tuple
    ) -> None:
        self._living = living
        self._call = call
        self._link = link
        self._recent = Recent(time.monotonic)
        self._restoring = anyio.Lock()
        self._waiting: deque[Item] = deque()
        self._late: set[Future[Reply]] = set()
        self._idle: list[anyio.Event] = []
        self._rousing = False
        self.pulses = [Pulse(f"committer lane {number}") for number in range(1, LANES + 1)]

    async def commit(self, step: Step) -> Reply:
        """Hand in one step and wait for its answer, for as long as the server needs to give one."""
        answer: Future[Reply] = get_running_loop().create_future()
        self._waiting.append((step, answer))
        self._rouse()
        return await answer

    async def commit_all(self, steps: Sequence[Step]) -> list[Reply]:
        """Hand in many steps at once; the answers in their order."""
        answers: list[Future[Reply]] = [get_running_loop().create_future() for _ in steps]
        self._waiting.extend(zip(steps, answers, strict=True))
        self._rouse()
        return [await answer for answer in answers]

    async def run(self) -> None:
        """Serve until cancelled. Steps that wait at that moment stay unanswered."""
        async with anyio.create_task_group() as tasks:
            for pulse in self.pulses:
                tasks.start_soon(self._lane, tasks, pulse)

    def _rouse(self) -> None:
        if self._idle and not self._rousing:
            self._rousing = True
            self._idle.pop().set()

    async def _lane(self, tasks: TaskGroup, pulse: Pulse) -> None:
        while True:
            while not self._waiting:
                roused = anyio.Event()
                self._idle.append(roused)
                pulse.rest()
                await roused.wait()
                self._rousing = False
            batch = self._take()
            if self._waiting:
                self._rouse()
            later = await self._serve(batch, pulse)
            if later:  # a lane that waited for them would be one less for the others
                tasks.start_soon(self._put_off, later)

    def _take(self) -> list[Item]:
        batch: list[Item] = []
        load = Load()
        while self._waiting and not load.is_full():
            batch.append(self._waiting.popleft())
            load.add(batch[-1][0])
        return batch

    async def _serve(self, batch: list[Item], pulse: Pulse) -> list[Item]:
        """Send a batch and hand out the answers; returns the steps that must wait."""
        replies = await self._ask([step for step, _ in batch], pulse)
        later = []
        for item, reply in zip(batch, replies, strict=True):
            if reply[0] == "later":
                self._note_late(item, reply)
                later.append(item)
                continue
            self._note_answered(item)
            if not item[1].done():
                item[1].set_result(reply)
        return later

    def _note_late(self, item: Item, reply: Reply) -> None:
        self._late.add(item[1])
        self._link.refused(str(reply[1]))

    def _note_answered(self, item: Item) -> None:
        # Others may well be taken meanwhile: renewals need no memory.
        if item[1] in self._late:
            self._late.remove(item[1])
            if not self._late:
                self._link.taken()

    async def _put_off(self, items: list[Item]) -> None:
        await anyio.sleep(PUT_OFF)
        self._waiting.extend(items)
        self._rouse()

    async def _ask(self, steps: list[Step], pulse: Pulse) -> list[Reply]:
        pause = FIRST_PAUSE
        while True:
            pulse.beat()
            try:
                if self._link.changed:
                    await self._restore()
                replies = await self._call(steps)
            except FAULTS as error:
                self._link.failed(error)
                await anyio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                self._link.answered()
                self._recent.note(steps, replies)
                return replies

    async def _restore(self) -> None:
        """Say again to another life of the server what it may have lost, before anything else."""
        async with self._restoring:
            while self._link.changed:
                with self._link.restoring():
                    steps = [*self._recent.steps(), *self._living()]
                    await self._say_all_again(steps)
                    self._recent.said_again()
                log.info("restored what the server may have lost", steps=len(steps))

    async def _say_all_again(self, steps: Sequence[Step]) -> None:
        """Others say theirs meanwhile, and claim what then still looks free to them.

        An attempt that follows on one of another daemon is refused until that one is there again,
        or could be. A kill of a task is said last: it would end one that seems to wait, and whose
        agent runs.
        """
        kills = [step for step in steps if step[:2] == ("kill", "task")]
        left = [step for step in steps if step[:2] != ("kill", "task")]
        for _ in range(TURNS):
            left = [step for batch in batches(left) for step in await self._say_again(batch)]
            await anyio.sleep(HOLD / TURNS)
        last = [(*step, "alone") if step[0] == "reclaim" else step for step in left]
        for batch in batches([*last, *kills]):
            await self._say_again(batch)

    async def _say_again(self, steps: Sequence[Step]) -> list[Step]:
        """The steps that were refused; what must wait joins the others that do."""
        refused = []
        for step, reply in zip(steps, await self._call(steps), strict=True):
            if reply[0] == "later":
                self._waiting.append((step, get_running_loop().create_future()))
            elif reply[0] != "ok":
                refused.append(step)
        return refused
