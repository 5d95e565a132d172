"""What a process reads: its context, then messages where its kind takes them.

One that never reads delays nothing. A message counts as taken once all of it is in the pipe.
"""

from io import FileIO
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import anyio

from musterd import jsons
from musterd.runtimes.base import Messages

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

_END: Final = b"\n"


class Input:
    """The standard input of a process; written to its pipe, within `async with`.

    Args:
        pipe: the writing end, which does not block; closed as soon as all is written, or nobody
            reads any more.
        context: JSON; a line of its own where messages follow.
        messages: each is written as a line of JSON; None closes the pipe after the context.
    """

    def __init__(self, pipe: FileIO, context: str, messages: Messages | None) -> None:
        self._pipe = pipe
        self._messages = messages
        self._left = memoryview(context.encode() + (_END if messages else b""))
        self._broken = False
        self._following: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        if not self.offer():  # most take all at once, and need no task
            self._following = await anyio.create_task_group().__aenter__()
            self._following.start_soon(self.follow)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        if self._following is None:
            return None
        self._following.cancel_scope.cancel()  # nobody is left to read it
        return await self._following.__aexit__(exc_type, exc, traceback)

    def offer(self) -> bool:
        """Write as much as the pipe takes now; returns whether that was the end of all."""
        self._push()
        if self._left or (self._messages and not self._broken):
            return False
        self._pipe.close()
        return True

    async def follow(self) -> None:
        """Write the rest, as the process reads, and the messages, as they come."""
        await self._push_all()
        if self._messages and not self._broken:
            async for message in self._messages:
                self._left = memoryview(jsons.dumps(message).encode() + _END)
                await self._push_all()
                if self._broken:
                    break
        self._pipe.close()

    async def _push_all(self) -> None:
        self._push()
        while self._left:
            await anyio.wait_writable(self._pipe)
            self._push()

    def _push(self) -> None:
        try:
            while self._left and (size := self._pipe.write(self._left)):
                self._left = self._left[size:]
        except BrokenPipeError:
            self._left, self._broken = memoryview(b""), True
