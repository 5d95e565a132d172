"""Runs the checker beside a test: follows the log, and raises the first break when it is over."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import anyio
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.checker import snapshot
from tests.checker.agreement import check_agreement
from tests.checker.event_checker import EventChecker
from tests.checker.ledger import Ledger
from tests.checker.log import Log, RolledBackError
from tests.checker.promises import Break, BrokenError, VoidError
from tests.checker.record_form import check_form
from tests.checker.record_links import check_links, check_quiet

_PAUSE = 0.02
_AWAY = (RedisConnectionError, RedisTimeoutError)
_BUSY = "BUSY "
"""What a server says while it runs somebody's long script."""


class Checker:
    """Follows one prefix; made by `checking`.

    Attributes:
        breaks: found so far.
        events: what the events say.
        rollbacks: how often the server came back without its last events.
    """

    def __init__(
        self,
        redis: Redis,
        prefix: str,
        ledger: Ledger | None = None,
        *,
        records_expire: bool = False,
    ) -> None:
        self.breaks: list[Break] = []
        self.rollbacks = 0
        self.events = EventChecker(records_expire=records_expire)
        self._redis = redis
        self._prefix = prefix
        self._ledger = ledger
        self._log = Log(redis, prefix)
        self._lock = anyio.Lock()
        self._expected: set[str] = set()
        self._is_over = False
        self._told_until = 0

    def forget_kill(self, agent_id: str) -> None:
        """The server may have forgotten that this kill was accepted."""
        self._expected.discard(agent_id)
        self.events.forget_kill(agent_id)

    async def catch_up(self) -> None:
        """Take all events that are in the log by now.

        Raises:
            VoidError: some were trimmed away before they were read.
        """
        async with self._lock:
            begun = time.time_ns()
            while await self._advance():
                begun = time.time_ns()
            self._told_until = begun

    async def check_records(self, *, quiet: bool = False) -> snapshot.Snapshot:
        """Hold all records at one moment to the contract, to each other and to the events.

        Args:
            quiet: nothing is being written; then the server is not held up by a large snapshot.
        """
        async with self._lock:
            taken = await snapshot.take(self._redis, self._prefix, quiet=quiet)
            while await self._advance(taken.last_event):
                pass
            self.events.finish()
            self.events.add(
                *check_agreement(self.events, taken),
                *check_links(taken),
                *check_form(self._prefix, taken),
            )
            for agent_id in taken.kills:
                self.events.expect_killed(agent_id)
            self._collect()
        return taken

    async def check_quiet(self) -> None:
        """As `check_records`, and nothing is live or left over."""
        taken = await self.check_records(quiet=True)
        self.events.add(*check_quiet(taken))
        await self._check_ledger()

    def expect_killed(self, agent_id: str) -> None:
        """A kill of this live agent was accepted: its ending must be that kill."""
        self._expected.add(agent_id)
        self.events.expect_killed(agent_id)
        self._collect()

    def stop(self) -> None:
        """Let `follow` return."""
        self._is_over = True

    async def follow(self) -> None:
        """Take events as they come, over outages of the server, until `stop`."""
        while not self._is_over:
            try:
                with suppress(*_AWAY, VoidError):  # if it lasts, `conclude` meets it again
                    await self.catch_up()
            except ResponseError as error:
                if _BUSY not in str(error):
                    raise
            await anyio.sleep(_PAUSE)

    async def conclude(self) -> None:
        """Take what is left of the log, look at the records once more, and give the verdict.

        Raises:
            BrokenError: a promise is broken; with all events of its task that the log still has.
            VoidError: some were trimmed away before they were read.
        """
        try:
            await self.check_records()
            await self._check_ledger()
        except VoidError:
            if not self.breaks:  # what was found before holds
                raise
        if self.breaks:
            first, *more = self.breaks
            evidence = [text async for text in self._log.of_task(first.task_id)]
            raise BrokenError([replace(first, evidence=tuple(evidence) or first.evidence), *more])

    async def _check_ledger(self) -> None:
        """Judge also the bodies of attempts that live or were lost."""
        await self.catch_up()
        if self._ledger:
            self._ledger.finish(self._told_until)
        self._collect()

    async def _advance(self, last: str = "+") -> int:
        try:
            entries = await self._log.read(last)
        except RolledBackError:
            self._start_over()
            return 1
        if self._ledger:
            self._ledger.refresh()
        for event_id, text in entries:
            event = self.events.feed(event_id, text)
            if self._ledger and event and not self.events.is_broken(event.task_id):
                self._ledger.tell(event)
        self._collect()
        return len(entries)

    def _start_over(self) -> None:
        """The server lost its last writes: what it kept is read again from its start.

        What ran for attempts that it has forgotten is in the ledger for ever, which therefore
        proves nothing any more, unless it knows what is told again.
        """
        self.rollbacks += 1
        self._ledger = self._ledger and self._ledger.start_over()
        self._log = Log(self._redis, self._prefix)
        self.events = EventChecker(records_expire=self.events.records_expire)
        for agent_id in self._expected:
            self.events.expect_killed(agent_id)

    def _collect(self) -> None:
        if self._ledger:
            self.events.add(*self._ledger.breaks)
            self._ledger.breaks.clear()
        self.breaks += self.events.breaks
        self.events.breaks.clear()


@asynccontextmanager
async def checking(
    url: str, prefix: str, ledger: Ledger | Path | None = None, *, records_expire: bool = False
) -> AsyncIterator[Checker]:
    """Check a prefix while the block runs, and its records when it has ended.

    Args:
        url: the server's; a connection of its own is used.
        prefix: of the keys; its log must not have been trimmed yet.
        ledger: what the agents write, if they do.
        records_expire: ended records may be gone already, and their ids be submitted anew.

    Raises:
        BrokenError: after the block, for the first break. If the block raised, its own error goes
            on, with the break as a note.
        VoidError: events were trimmed before they were read.
    """
    if isinstance(ledger, Path):
        ledger = Ledger(ledger)
    failure: Exception | None = None
    async with Redis.from_url(url, decode_responses=True, socket_timeout=60) as redis:
        checker = Checker(redis, prefix, ledger, records_expire=records_expire)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(checker.follow)
            try:
                yield checker
            except Exception as error:  # noqa: BLE001, raised again outside, not in a group
                failure = error
            checker.stop()
        try:
            await checker.conclude()
        except Exception as error:
            if failure is None:
                raise
            failure.add_note(str(error))
    if failure is not None:
        raise failure
