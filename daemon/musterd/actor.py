"""The actor: one attempt at a task, from its claim to its one ending.

It alone moves its record. It starts nothing on a claim that may be over, and tells no ending before
the work has really ended. What it is stopped for is noted before its scope is
cancelled, and decides the ending; the text of an exception never does.
"""

import math
import random
import time
from collections.abc import Callable
from enum import Enum
from typing import Final

import anyio
import structlog
from structlog.contextvars import bind_contextvars, unbind_contextvars
from structlog.typing import FilteringBoundLogger

from musterd import jsons
from musterd.clocks import boottime
from musterd.desk import Desk
from musterd.errors import (
    BrokenRecordError,
    MusterdError,
    NotOwnerError,
    TooLargeError,
    shorten,
)
from musterd.failures import describe
from musterd.jsons import Json
from musterd.kinds import Kind
from musterd.moves import Claim, Ended, Ending
from musterd.runtimes.base import AgentFailed, Context, ContextRejected, OutOfMemory
from musterd.settings import Settings
from musterd.states import AgentState, Reason
from musterd.store import Store

OVERDUE: Final = 1.0
"""Seconds after its grace in which a stopped agent may still be about to end."""

FRESH: Final = 0.25
"""Seconds for which a claim is the word to start; a kill that came since may be overlooked."""

STARTS: Final = 3
"""How often the word to start is asked for again, at most."""

REPAIR_TRIES: Final = 60
REPAIR_PAUSE: Final = 1.0
"""How often, and how many seconds apart, an ending that met a broken key is written again."""

log: FilteringBoundLogger = structlog.get_logger()


class Stop(Enum):
    """What an agent is stopped for."""

    KILL = "kill"
    SHUTDOWN = "shutdown"
    EXPIRED = "expired"
    """It is exclusive, and its lease may run out before it can be renewed."""

    LOST = "lost"
    """Another owner, or none, holds the record: nothing more is written."""


_REASONS: Final = {
    Stop.KILL: Reason.KILLED,
    Stop.SHUTDOWN: Reason.SHUTDOWN,
    Stop.EXPIRED: Reason.LOST,
    Stop.LOST: Reason.LOST,
}
_WORDS: Final = {Stop.EXPIRED: "its lease could not be renewed in time, and it is exclusive"}


class Actor:
    """Runs one claimed agent.

    Attributes:
        claimed_at: when its claim was sent, by `clocks.boottime`; the claim is the word to start,
            while it is fresh.
        log: says when it starts and ends.
        leased_until: when the lease runs out unless it is renewed, by `clocks.boottime`; kept for
            exclusive agents alone, once they run.
        failed: whether it has ended by a fault of its own: an error, its timeout, its memory.

    Args:
        claim: the task, the agent and the token that makes them ours.
        kind: how it runs.
        store: where each step is written.
        desk: where the agent tells and is told.
        settings: its grace, and how large what it leaves may be.
        owner: `{node}/{epoch}`.
        jitter: a number from 0 to 1; spreads retries.
    """

    __slots__ = (
        "_asked",
        "_cause",
        "_desk",
        "_final",
        "_jitter",
        "_kind",
        "_scope",
        "_settings",
        "_store",
        "_why",
        "claim",
        "claimed_at",
        "context",
        "ending",
        "failed",
        "gone",
        "leased_until",
        "log",
        "started",
        "unwritten",
    )

    def __init__(
        self,
        claim: Claim,
        kind: Kind,
        store: Store,
        desk: Desk,
        settings: Settings,
        *,
        owner: str,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.claim = claim
        self.context: Context = Context(
            task_id=claim.task_id,
            agent_id=claim.agent_id,
            attempt=claim.attempt,
            kind=claim.kind,
            context=None,
            owner=owner,
            desk=desk,
            grace=settings.kill_grace,
        )
        self._kind = kind
        self._store = store
        self._desk = desk
        self._settings = settings
        self._jitter = jitter
        self.log = log
        self.claimed_at = -math.inf
        self.leased_until = math.inf
        self.failed = False
        self.started = False
        self.ending = False
        self.gone = False
        self.unwritten = False
        self._asked: float | None = None
        self._cause: Stop | None = None
        self._why = ""
        self._scope: anyio.CancelScope | None = None
        self._final: anyio.CancelScope | None = None

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._cause is not None

    @property
    def lost(self) -> bool:
        """Whether it was told that it belongs to another owner."""
        return self._cause is Stop.LOST

    def is_overdue(self) -> bool:
        """Whether it still runs though its grace is over; true once only."""
        if self._asked is None or time.monotonic() < self._asked + self.context.grace + OVERDUE:
            return False
        self._asked = None
        return not self.ending

    def stop(self, cause: Stop, grace: float | None = None, why: str = "") -> None:
        """Ask the agent to stop; what came first is what it ends for, but a lost one stays lost.

        Args:
            cause: what for.
            grace: seconds before it is forced; while it stops already, only a shorter one counts.
            why: the reason that somebody gave, for the log.
        """
        if grace is not None and (not self.stopping or grace < self.context.grace):
            self.context.grace = grace
        if not self.stopping:
            self._asked = time.monotonic()
        if self._cause is None or cause is Stop.LOST:
            self._cause = cause
        self._why = self._why or why
        if self._scope is not None:
            self._scope.cancel()

    def abandon(self) -> None:
        """Give up the wait for a write: the daemon ends while Valkey is away."""
        if self._final is not None:
            self._final.cancel()

    async def run(self) -> None:
        """Live. Whatever happens is written, or logged where it must not be."""
        # Undone by name: what would restore them would be held for as long as the agent lives.
        bind_contextvars(task_id=self.claim.task_id, agent_id=self.claim.agent_id)
        try:
            await self._live()
        except NotOwnerError as error:
            log.warning("agent superseded", error=str(error))
        except MusterdError as error:
            log.warning("agent not written, it is settled as lost", error=str(error))
        except Exception:
            log.exception("agent lost by a fault of musterd; its task is settled as lost")
        finally:
            self._desk.clear()
            self.gone = True
            unbind_contextvars("task_id", "agent_id")

    async def _live(self) -> None:
        began = time.monotonic()
        ready = boottime() - self.claimed_at < min(FRESH, self._settings.heartbeat_interval)
        if not ready:
            with anyio.CancelScope(shield=True) as self._final:
                ready = await self._start()
            if self._final.cancelled_caught:
                self.unwritten = True
                return
            self._final = None  # half a KiB that an agent would hold for as long as it lives
        self.started = ready
        if not ready:
            self._cause = self._cause or Stop.KILL
        # One that was told to stop by now runs nothing, not even up to its first await.
        ending = self._failed(None) if self.stopping else await self._work()
        if self._cause is Stop.LOST:
            log.warning("agent stopped, it belongs to another owner", **_since(began))
            return
        await self._finish(ending, began)

    async def _start(self) -> bool:
        """Ask for the word to start; one that was long under way may be of a lease that is over.

        A server that is slow with every answer still holds what it said last.
        """
        for _ in range(STARTS):
            asked = boottime()
            ready = await self._store.start(self.claim.agent_id, self.claim.token)
            if boottime() - asked < self._settings.heartbeat_interval:
                break
        return ready

    async def _work(self) -> Ending:
        """Run what the kind says; the ending is decided by how it ended and what it was told."""
        self.log.info("agent started", kind=self.claim.kind, attempt=self.claim.attempt)
        with anyio.move_on_after(self.claim.timeout) as self._scope:
            try:
                self.context.context = _read_context(
                    self.claim.context_json, self._settings.max_context
                )
                self.context.restored = _read_checkpoint(self.claim.checkpoint_json)
                result = self._check_size(await self._kind.runtime.run(self.context))
                # Many a program ends with 0 when it is told to stop, its work undone.
                if result is not None or not (self.stopping or self._scope.cancel_called):
                    return Ending(AgentState.COMPLETED, result=result)
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as error:  # noqa: BLE001 - whatever an agent raises is its ending
                # At once: kept for later, it and this frame would hold each other.
                return self._failed(error)
        return self._failed(None)

    def _check_size(self, result: str | None) -> str | None:
        most = self._settings.max_result
        if result is not None and (size := jsons.size_of(result)) > most:
            raise AgentFailed(str(TooLargeError("result", size, most)))
        return result

    def _failed(self, failure: BaseException | None) -> Ending:
        error = None if failure is None else describe(failure, self._settings.max_error)
        if self._cause is Stop.KILL:
            return Ending(AgentState.KILLED, Reason.KILLED, error)
        if self._cause is not None:
            error = error or _WORDS.get(self._cause)
            return Ending(AgentState.FAILED, _REASONS[self._cause], error)
        if failure is None or (self._scope is not None and self._scope.cancel_called):
            error = error or f"it ran for longer than its timeout of {self.claim.timeout:g} s"
            return self._retry(Reason.TIMEOUT, error)
        if isinstance(failure, ContextRejected):
            return Ending(AgentState.FAILED, Reason.REJECTED, error)
        return self._retry(Reason.OOM if isinstance(failure, OutOfMemory) else Reason.ERROR, error)

    def _retry(self, reason: Reason, error: str | None) -> Ending:
        """A failure after which the next attempt waits: twice as long each time, spread by half."""
        exponent = min(self.claim.attempt - 1, 64)
        longest = min(self._kind.backoff * 2**exponent, self._kind.backoff_max)
        delay = longest * (0.5 + self._jitter() / 2)
        return Ending(AgentState.FAILED, reason, error, retry_delay=delay)

    async def _finish(self, ending: Ending, began: float) -> None:
        self.ending = True
        with anyio.CancelScope(shield=True) as self._final:
            await self._desk.flush()
            ended = await self._write(ending)
        if self._final.cancelled_caught:
            self.unwritten = True
            log.warning("ending not written", status=ending.status)
            return
        reason = Reason.KILLED if ended.agent == AgentState.KILLED else ending.reason
        self.failed = reason in {Reason.ERROR, Reason.TIMEOUT, Reason.OOM}
        self.log.info(
            "agent ended",
            status=str(ended.agent),
            **({"reason": str(reason)} if reason else {}),
            **({"why": shorten(self._why)} if self._why and reason == Reason.KILLED else {}),
            **({"error": ending.error} if ending.error else {}),
            **({"retry_in": round(ending.retry_delay, 3)} if ended.task == "pending" else {}),
            **_since(began),
            **({} if (used := self.context.cpu_seconds) is None else {"cpu": round(used, 3)}),
        )

    async def _write(self, ending: Ending) -> Ended:
        """Write the ending; where a key is broken there is time to repair it."""
        tries_left = REPAIR_TRIES
        who, used = (self.claim.agent_id, self.claim.token), self.context.cpu_seconds
        while True:
            try:
                return await self._store.finish(*who, ending, used)
            except BrokenRecordError as error:
                if tries_left == REPAIR_TRIES:
                    log.warning("ending waits for a repair", error=str(error))
                elif not tries_left:
                    raise
                tries_left -= 1
                await anyio.sleep(REPAIR_PAUSE)


def _read_context(text: str, most: int) -> Json:
    if not text:
        return None
    if (size := jsons.size_of(text)) > most:
        raise ContextRejected(str(TooLargeError("context", size, most)))
    try:
        context: Json = jsons.loads(text)
    except jsons.JsonError as error:
        raise ContextRejected(f"context: {error}") from None
    return context


def _read_checkpoint(text: str) -> Json:
    try:
        checkpoint: Json = jsons.loads(text) if text else None
    except jsons.JsonError as error:  # somebody changed the record by hand
        log.warning("checkpoint not read, the agent begins anew", error=str(error))
        return None
    return checkpoint


def _since(began: float) -> dict[str, float]:
    return {"duration": round(time.monotonic() - began, 3)}
