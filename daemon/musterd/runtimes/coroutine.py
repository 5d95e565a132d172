"""Agents that are coroutine functions; they run in the daemon itself."""

import math
from collections.abc import Awaitable, Callable

import anyio

from musterd.jsons import Json
from musterd.runtimes.base import AgentFailed, Context, encode_result


class CoroutineRuntime:
    """Awaits `function(context)`."""

    def __init__(self, function: Callable[[Context], Awaitable[Json]]) -> None:
        self._function = function

    async def run(self, context: Context) -> Json:
        """See `Runtime.run`; an exception of the function is passed on as it is."""
        try:
            result = await self._function(context)
        except (SystemExit, KeyboardInterrupt) as error:
            # Either one would end the daemon.
            raise AgentFailed(f"raised {type(error).__name__}: {error}") from error
        except anyio.get_cancelled_exc_class() as error:
            if _is_cancelled():
                raise
            raise AgentFailed("was cancelled by something that it awaited") from error
        encode_result(result)
        return result


def _is_cancelled() -> bool:
    return anyio.current_effective_deadline() == -math.inf
