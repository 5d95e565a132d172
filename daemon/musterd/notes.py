"""What an agent tells and is told while it runs: typed, one method a step of the scripts."""

from collections.abc import Sequence
from typing import Final

from musterd import jsons
from musterd.answers import Steps, accept, refusal
from musterd.errors import (
    AlreadyTerminalError,
    DeafError,
    MailboxFullError,
    MalformedError,
    MusterdError,
)
from musterd.jsons import Json
from musterd.moves import Message, Note
from musterd.scripts import Reply, Step

MAX_MESSAGE: Final = 64 * 1024
"""Bytes of a message."""

PAGE: Final = 100
"""Messages fetched at once."""


class Notes:
    """The operations, each a step that is handed to `steps`.

    Args:
        steps: what sends them.
        lines_kept: of an agent's output, the last of them.
    """

    def __init__(self, steps: Steps, lines_kept: int = 0) -> None:
        self._steps = steps
        self._lines_kept = lines_kept

    async def write(self, notes: Sequence[Note]) -> list[dict[str, MusterdError]]:
        """Write what agents tell; for each what was refused of it, by the name of the step."""
        of_each = [self._steps_of(note) for note in notes]
        replies = iter(await self._steps.commit_all([step for part in of_each for step in part]))
        return [
            _problems(note.agent_id, part, [next(replies) for _ in part])
            for note, part in zip(notes, of_each, strict=True)
        ]

    async def checkpoint(self, agent_id: str, token: str, value: str) -> None:
        """Keep a value, JSON, for the task's next attempt.

        Raises:
            NotOwnerError, NotFoundError, IllegalStepError, BrokenRecordError: nothing was written.
        """
        accept(agent_id, await self._steps.commit(("checkpoint", agent_id, token, value)))

    async def send(self, agent_id: str, message_id: str, message: Json) -> None:
        """Leave a message for a live agent; the same id again is the same message.

        Raises:
            MalformedError: the message is no JSON value, or larger than 64 KiB.
            NotFoundError: there is no such agent.
            AlreadyTerminalError: it has ended.
            DeafError: its kind takes no messages.
            MailboxFullError: as many as its kind allows wait for it.
        """
        text = _message_text(message)
        reply = await self._steps.commit(("send", agent_id, message_id, text))
        match reply:
            case ["ended", status]:
                raise AlreadyTerminalError(agent_id, status)
            case ["deaf", kind]:
                raise DeafError(agent_id, kind)
            case ["full", most]:
                raise MailboxFullError(agent_id, int(most))
        accept(agent_id, reply)

    async def receive(self, agent_id: str, token: str, taken: str) -> list[Message]:
        """The messages after the place of the last one that was taken, the oldest first.

        Raises:
            NotOwnerError, NotFoundError, BrokenRecordError: nothing was written.
        """
        reply = await self._steps.commit(("receive", agent_id, token, taken, PAGE))
        flat = accept(agent_id, reply)[1]
        return [Message(*pair) for pair in zip(flat[::2], flat[1::2], strict=True)]

    def _steps_of(self, note: Note) -> list[Step]:
        steps: list[Step] = []
        who = (note.agent_id, note.token)
        if note.progress is not None:
            fraction, text = note.progress.fraction, note.progress.note or ""
            steps.append(("progress", *who, fraction_text(fraction), text))
        if note.checkpoint is not None:
            steps.append(("checkpoint", *who, note.checkpoint))
        if note.output is not None:
            flat = [part for pair in note.output.lines for part in pair]
            steps.append(("output", *who, self._lines_kept, note.output.first, *flat))
        return steps


def fraction_text(fraction: float | None) -> str:
    """A fraction as JSON and records have it: `0.4`, `1`; empty for None."""
    return "" if fraction is None else f"{fraction:.4g}"


def _message_text(message: Json) -> str:
    try:
        text = jsons.dumps(message)
    except jsons.JsonError as error:
        raise MalformedError(f"message: {error}") from None
    if (size := jsons.size_of(text)) > MAX_MESSAGE:
        raise MalformedError(f"message: {size} bytes of JSON, at most {MAX_MESSAGE} are accepted")
    return text


def _problems(
    agent_id: str, steps: Sequence[Step], replies: Sequence[Reply]
) -> dict[str, MusterdError]:
    answered = zip(steps, replies, strict=True)
    return {str(step[0]): refusal(agent_id, reply) for step, reply in answered if reply[0] != "ok"}
