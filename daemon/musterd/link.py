"""Whether the server serves us, and since when: said once when it stops, once when it is back.

A connection that broke and was at once replaced is no outage. Whoever meets a fault of a connection
leaves the word to the link, so that an outage is told once and not by all whom it touches.

It may also have been away unnoticed, between two calls. Who settles the agents of others must know:
all leases and records that ran out meanwhile look as if their owners were dead.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import structlog

from musterd.bell import Bell

HOLD: Final = 0.3
"""Seconds in which each daemon has met a server that came back, and restored what is its own."""

OUTAGE: Final = 0.1
"""Seconds for which nothing is answered before it is told: a few tries on new connections."""

CALM: Final = 1.0
"""Seconds without a refusal after which steps go on: a full server takes one now and then."""

_restoring = ContextVar("_restoring", default=False)

log = structlog.get_logger()


class Link:
    """What the daemon knows of its way to the server; told the fate of each call.

    Attributes:
        server: its name for people.
        run_id: the life of it that was met last.
        changed: whether that life may lack what an earlier one had taken.
        back: rung when an outage is over, or may be: a step should be asked of the server.

    Args:
        server: its name.
        clock: seconds since some moment.
        borne: seconds of outages, one or many, that the leases of those who are alive survive.
    """

    def __init__(
        self, server: str, clock: Callable[[], float] = time.monotonic, borne: float = 0.0
    ) -> None:
        self.server = server
        self._clock = clock
        self._borne = self._left = borne
        self._up = True
        self._told = False
        self._lost = self._since = clock()
        self.run_id = ""
        self.changed = False
        self.back = Bell()
        self._waiting_since: float | None = None
        self._taken: float | None = None

    @property
    def up(self) -> bool:
        """Whether the last call was answered."""
        return self._up

    @property
    def serving(self) -> bool:
        """Whether calls are answered, and no step waits until the server takes it."""
        return self._up and (self._waiting_since is None or self._taken is not None)

    def unbroken(self) -> float:
        """For how many seconds the same server has taken each step; 0.0 while it does not."""
        return self._clock() - self._since if self.serving else 0.0

    def failed(self, error: Exception, after: float = 0.0) -> None:
        """A call was not answered, or not served, `after` so many seconds."""
        if self._up:
            self._up, self._lost = False, self._clock() - after
        if not self._told and self._clock() - self._lost >= OUTAGE:
            self._told = True
            log.warning("valkey lost", server=self.server, error=_describe(error))

    def answered(self) -> None:
        """A call was answered."""
        if self._taken is not None and self._clock() - self._taken >= CALM:
            self._go_on(self._taken)
        if not self._up:
            outage = self._clock() - self._lost
            self._up = True
            # A server that is often slow for a moment must not put recovery off for ever.
            self._left -= outage
            if self._left <= 0.0:
                self.interrupted()
            if self._told:
                self._told = False
                log.info("valkey back", server=self.server, outage=round(outage, 3))
            self.back.ring()

    def ask(self) -> None:
        """Have a step asked of the server: only its answer ends an outage, or shows one."""
        self.back.ring()

    def interrupted(self) -> None:
        """The server was away for longer than leases bear, or may have been; count anew."""
        self._since, self._left = self._clock(), self._borne

    def seen(self, run_id: str) -> None:
        """This life of the server has answered: another one than before has lost time.

        Perhaps it has lost its last writes, too: it counts as `changed` until they are restored.
        """
        if run_id != self.run_id:
            self.changed = self.run_id != ""
            self.run_id = run_id
            self.interrupted()

    def admits(self, run_id: str) -> bool:
        """Whether steps may go to this life of the server: not before what it lost is restored."""
        self.seen(run_id)
        return not self.changed or _restoring.get()

    @contextmanager
    def restoring(self) -> Iterator[None]:
        """What this task does in the block goes to a changed server; after it, all does."""
        run_id, before = self.run_id, _restoring.set(True)
        try:
            yield
            self.changed = self.run_id != run_id
        finally:
            _restoring.reset(before)

    def refused(self, why: str) -> None:
        """The server answers, but takes a step only later: it has no memory, say."""
        self._taken = None
        if self._waiting_since is None:
            self._waiting_since = self._clock()
            log.warning("steps wait", server=self.server, why=why)

    def taken(self) -> None:
        """The server has taken every step that had to wait; that is told if none follows soon."""
        if self._waiting_since is not None:
            self._taken = self._clock()
            self.interrupted()

    def _go_on(self, taken: float) -> None:
        waited = taken - (self._waiting_since or taken)
        self._waiting_since = self._taken = None
        log.info("steps go on", server=self.server, waited=round(waited, 3))


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
