"""Messages on their way to an agent: each is handed over once, in the order in which they came."""

from collections import deque
from collections.abc import Iterator
from typing import Any, NoReturn, Self

import anyio
import structlog

from musterd import jsons
from musterd.errors import MusterdError
from musterd.moves import Message
from musterd.notes import Notes

log = structlog.get_logger()


class Mailbox:
    """One agent's messages: `async for message in mailbox`, without end.

    A message counts as taken once the next one is asked for; then it is not handed out again.

    Args:
        notes: where they are fetched.
        agent_id: whose they are.
        token: of its owner.
    """

    __slots__ = (
        "_agent_id", "_bell", "_failed", "_fetched", "_notes", "_taken", "_token", "_turn",
    )  # fmt: skip

    def __init__(self, notes: Notes, agent_id: str, token: str) -> None:
        self._notes = notes
        self._agent_id = agent_id
        self._token = token
        self._taken = ""
        self._fetched: deque[Message] = deque()
        self._bell = anyio.Event()
        self._turn = anyio.Lock()
        self._failed = False

    def ring(self) -> None:
        """There may be more."""
        self._bell.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while True:
            message = await self._next()
            try:
                return jsons.loads(message.text)
            except jsons.JsonError as error:  # somebody wrote to the stream by hand
                log.warning("message skipped", place=message.place, error=str(error))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> NoReturn:
        raise TypeError("messages come as they are sent: take them with `async for`")

    async def _next(self) -> Message:
        async with self._turn:  # an agent may wait in many tasks; each message is for one of them
            while not self._fetched:
                self._bell = anyio.Event()
                self._fetched.extend(await self._fetch())
                if not self._fetched:
                    await self._bell.wait()
            message = self._fetched.popleft()
            self._taken = message.place
            return message

    async def _fetch(self) -> list[Message]:
        try:
            messages = await self._notes.receive(self._agent_id, self._token, self._taken)
        except MusterdError as error:  # where it is no longer ours, the lease is lost and says so
            if not self._failed:
                log.warning("messages not read", error=str(error))
            self._failed = True
            return []
        self._failed = False
        return messages
