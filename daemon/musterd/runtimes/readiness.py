"""Who is called when a descriptor can be read: one reader of the event loop for all commands.

A command has three descriptors. The loop's own readers take 25 µs each to add, call and remove; one
more in a set that the loop watches already takes two.
"""

import asyncio
import select
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

Call: TypeAlias = Callable[[], object]
"""What is called: brief. If it raises, the loop says so, and the others have their turn later."""


class Readiness:
    """The descriptors that one event loop watches for commands; see `readiness`."""

    def __init__(self) -> None:
        self._set = select.epoll()
        self._calls: dict[int, tuple[Context, Call]] = {}
        # anyio can wait for a descriptor, but calls nobody: a task for each would cost 50 µs.
        asyncio.get_running_loop().add_reader(self._set.fileno(), self._call)

    def add(self, descriptor: int, call: Call) -> None:
        """Call, in the context of now, whenever it can be read or has ended, until it is removed.

        Raises:
            OSError: the kernel watches no more.
        """
        self._set.register(descriptor, select.EPOLLIN)
        self._calls[descriptor] = (copy_context(), call)

    def remove(self, descriptor: int) -> None:
        """Call no more; one that is not watched is no error. Do so before it is closed."""
        if self._calls.pop(descriptor, None) is not None:
            self._set.unregister(descriptor)

    def _call(self) -> None:
        for descriptor, _ in self._set.poll(0):
            if descriptor in self._calls:  # one of those before it may have removed it
                context, call = self._calls[descriptor]
                context.run(call)


# By hand: `anyio.lowlevel.RunVar` is the same, and takes 4 µs to ask for.
_of_loops: Final = WeakKeyDictionary[asyncio.AbstractEventLoop, Readiness]()


def readiness() -> Readiness:
    """That of the running event loop."""
    loop = asyncio.get_running_loop()
    found = _of_loops.get(loop)
    if found is None:
        found = _of_loops[loop] = Readiness()
    return found
