"""Contexts for runtimes that are tested without a daemon."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import anyio

from musterd.jsons import Json
from musterd.moves import Answer, Look
from musterd.runtimes.base import Context, Runtime


class PaperDesk:
    """A desk that notes what it is told, and hands out the messages that it is given."""

    def __init__(self, *messages: Json) -> None:
        self.told: list[tuple[float | None, str | None]] = []
        self.lines: list[tuple[str, str]] = []
        self.checkpoints: list[Json] = []
        self.looks: set[Look] = set()
        self.messages = PaperMessages(messages)

    def progress(self, fraction: float | None, note: str | None) -> None:
        """Note it."""
        self.told.append((fraction, note))

    def output(self, stream: str, line: str) -> None:
        """Note it."""
        self.lines.append((stream, line))

    async def checkpoint(self, value: str) -> None:
        """Note it."""
        self.checkpoints.append(json.loads(value))

    def checkpoint_soon(self, value: str, answer: Answer) -> None:
        """Note it; it is kept at once."""
        self.checkpoints.append(json.loads(value))
        answer(None)

    @contextmanager
    def watched(self, look: Look) -> Iterator[None]:
        """Only the test looks, if it likes to."""
        self.looks.add(look)
        yield
        self.looks.discard(look)

    def look(self) -> None:
        """Look at what commands have left by now."""
        for look in self.looks:
            look()


class PaperMessages:
    """The messages of a test; after the last one nothing comes any more."""

    def __init__(self, messages: tuple[Json, ...]) -> None:
        self._messages = messages

    async def __aiter__(self) -> AsyncIterator[Any]:
        for message in self._messages:
            yield message
        await anyio.sleep_forever()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._messages)


def make_context(**fields: Any) -> Context:
    """The first attempt at task `t1` of a daemon `n1/e1`, with these fields instead."""
    defaults: dict[str, Any] = {
        "task_id": "t1",
        "agent_id": "t1.1",
        "attempt": 1,
        "kind": "check",
        "context": None,
        "owner": "n1/e1",
        "desk": PaperDesk(),
        "grace": 5.0,
    }
    return Context(**(defaults | fields))


async def run_for_value(runtime: Runtime, context: Context) -> Json:
    """Run an agent; its result as a value, None if it has none."""
    text = await runtime.run(context)
    assert text != "null", "no result has one form only"
    value: Json = None if text is None else json.loads(text)
    return value
