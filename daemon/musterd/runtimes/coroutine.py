"""Agents that are coroutine functions; they run in the daemon itself.

`sys.exit`, or a KeyboardInterrupt that is raised, fails the agent that did it and no more, also in
the tasks that it starts. What its loop callbacks raise cannot be told apart from the daemon's own.
"""

import asyncio
import math
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import FrameType
from typing import Any, Final

import anyio
import structlog

from musterd.jsons import Json
from musterd.logs import KEEPER
from musterd.runtimes.base import AgentFailed, Context, ContextRejected, Desk, encode_result
from musterd.runtimes.model import Model

_EXITS: Final = (SystemExit, KeyboardInterrupt)
"""asyncio ends the whole loop when a task raises one of these."""

log = structlog.get_logger()


def contain() -> None:
    """Keep the tasks that agents start from ending the loop that runs now; once for each loop."""
    loop = asyncio.get_running_loop()  # anyio knows no task factories
    create = loop.get_task_factory() or _create_task

    def create_contained(
        loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
    ) -> "asyncio.Future[Any]":
        # The tasks that an agent starts inherit who keeps its output.
        if KEEPER.get() is not None and isinstance(coroutine, Coroutine):
            coroutine = _Contained(coroutine)
        return create(loop, coroutine, **options)

    loop.set_task_factory(create_contained)


def _create_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
) -> "asyncio.Future[Any]":
    return asyncio.Task(coroutine, loop=loop, **options)


class _Contained(Coroutine[Any, Any, Any]):
    """A coroutine that fails its agent where it would exit.

    An `async def` around it would do, but for a task that is cancelled before its first step: the
    coroutine inside would never be awaited, and Python would warn of that.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    def send(self, value: Any) -> Any:
        try:
            return self._coroutine.send(value)
        except _EXITS as error:
            raise _failed(error) from error

    def throw(self, *exception: Any) -> Any:
        try:
            return self._coroutine.throw(*exception)
        except _EXITS as error:
            raise _failed(error) from error

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coroutine.__await__()

    def __getattr__(self, name: str) -> Any:
        # anyio and asyncio look at cr_frame, cr_running and others.
        return getattr(self._coroutine, name)


class CoroutineRuntime:
    """Awaits `function(context)`.

    Args:
        function: the agent.
        model: makes of the context what the agent is given; the JSON value itself without one.
    """

    def __init__(
        self, function: Callable[[Context], Awaitable[Json]], model: Model | None = None
    ) -> None:
        self._function = function
        self._model = model

    async def run(self, context: Context) -> str | None:
        """See `Runtime.run`; an exception of the function is passed on as it is."""
        before = KEEPER.set(context.desk)
        try:
            if self._model is not None:  # its validators are the agent's own code
                context.context = self._model.check(context.context)
            return encode_result(await self._function(context))
        except (AgentFailed, ContextRejected):
            raise  # it is told in words
        except _EXITS as error:
            raise _failed(error) from error
        except anyio.get_cancelled_exc_class() as error:
            if _is_cancelled():
                raise
            raise AgentFailed("was cancelled by something that it awaited") from error
        except BaseException as error:
            KEEPER.set(None)  # the line in our log is none of the agent's
            _tell(context.desk, error)
            raise
        finally:
            KEEPER.reset(before)


def context_of(frame: FrameType) -> Context | None:
    """The agent whose `CoroutineRuntime.run` this frame is; None if it is another one."""
    if frame.f_code is not CoroutineRuntime.run.__code__:
        return None
    context = frame.f_locals.get("context")
    return context if isinstance(context, Context) else None


def _tell(desk: Desk, error: BaseException) -> None:
    """Show where it was raised, in the agent's output, as the worker of a plain function does."""
    for line in _trace(error):
        desk.output("stderr", line)
        log.info("output", stream="stderr", line=line)


def _trace(error: BaseException) -> list[str]:
    # Our own frame is of no interest.
    frames = error.__traceback__.tb_next if error.__traceback__ else None
    try:
        told = traceback.TracebackException(type(error), error, frames)
        return "".join(told.format()).splitlines()
    except Exception:  # noqa: BLE001 - an exception's attributes are the agent's own code
        return []


def _failed(error: BaseException) -> AgentFailed:
    return AgentFailed(f"raised {type(error).__name__}: {error}".removesuffix(": "))


def _is_cancelled() -> bool:
    return anyio.current_effective_deadline() == -math.inf
