"""One agent's desk: what it tells gathers here until it is written, and its messages arrive here.

The agent waits for nothing of it but at its end. What is held is bounded: of progress the last, of
output the lines that are kept.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import anyio
import structlog

from musterd import ids, jsons
from musterd.errors import MusterdError, NotOwnerError, TooLargeError
from musterd.mailbox import Mailbox
from musterd.moves import Answer, Claim, Lines, Look, Note, Progress

if TYPE_CHECKING:
    from musterd.desks import Desks

PROGRESS_EVERY: Final = 1.0
"""Seconds between two progress reports of an agent; those between them are skipped."""

NOTE: Final = 1000
LINE: Final = 1000
"""Characters that are kept of a progress note, and of a line of output."""

log = structlog.get_logger()


class Desk:
    """Where one agent tells and is told; for a runtime, and behind the methods of `Context`.

    Args:
        desks: all of them.
        claim: whose it is.
    """

    __slots__ = (
        "_agent_id",
        "_answer",
        "_awaited",
        "_checkpoint",
        "_desks",
        "_lines",
        "_mailbox",
        "_numbered",
        "_progress",
        "_progress_due",
        "_token",
        "_warned",
        "_written",
    )

    def __init__(self, desks: "Desks", claim: Claim) -> None:
        self._desks = desks
        self._agent_id = claim.agent_id
        self._token = claim.token
        self._progress: Progress | None = None
        self._progress_due = 0.0
        self._checkpoint: tuple[str, Answer] | None = None
        self._answer: Answer | None = None
        self._lines: deque[tuple[str, str]] | None = None
        self._numbered = 0
        self._mailbox: Mailbox | None = None
        self._written: anyio.Event | None = None
        self._awaited: anyio.Event | None = None
        self._warned = False

    @property
    def messages(self) -> Mailbox:
        """The messages that are sent to it."""
        if self._mailbox is None:
            self._mailbox = self._desks.listen(self._agent_id, self._token)
        return self._mailbox

    def progress(self, fraction: float | None, note: str | None) -> None:
        """It is so far; the last word of each second is written."""
        before = self._progress or Progress(None, None)
        self._progress = Progress(
            before.fraction if fraction is None else fraction,
            before.note if note is None else _writable(note[:NOTE]),
        )
        self._desks.mark(self)

    def output(self, stream: str, line: str) -> None:
        """It has written a line."""
        if not self._desks.lines_kept:
            return
        if self._lines is None:
            self._lines = deque(maxlen=self._desks.lines_kept)
        self._lines.append((stream, _writable(line[:LINE])))
        self._numbered += 1
        self._desks.mark(self)

    async def checkpoint(self, value: str) -> None:
        """Keep a value, JSON; on return the server has it.

        Raises:
            TooLargeError: it is larger than the setting allows.
            MusterdError: it was not kept: the agent belongs to another owner, or its record broke.
        """
        self._check_size(value)
        await self._desks.notes.checkpoint(self._agent_id, self._token, value)

    def checkpoint_soon(self, value: str, answer: Answer) -> None:
        """Keep a value, JSON; `answer` is called once the server has it, or has refused it.

        One that is followed by another before it was written is skipped, and not answered.

        Raises:
            TooLargeError: it is larger than the setting allows.
        """
        self._check_size(value)
        self._checkpoint = (value, answer)
        self._desks.mark(self)

    def _check_size(self, value: str) -> None:
        if (size := jsons.size_of(value)) > self._desks.max_checkpoint:
            raise TooLargeError("checkpoint", size, self._desks.max_checkpoint)

    @contextmanager
    def watched(self, look: Look) -> Iterator[None]:
        """Have `look` called again and again within the block."""
        self._desks.looks.add(look)
        self._desks.rouse()
        try:
            yield
        finally:
            self._desks.looks.discard(look)

    async def flush(self) -> None:
        """Return when all is written that it told before."""
        if self in self._desks.marked or self in self._desks.writing:
            self._progress_due = 0.0
            self._written = anyio.Event()
            self._desks.hurry(self)
            await self._written.wait()

    def clear(self) -> None:
        """Nothing more comes from it, and nobody waits for what is left."""
        self._desks.mailboxes.pop(self._agent_id, None)
        self._desks.marked.pop(self, None)

    def take(self, now: float) -> Note | None:
        """What is to be written now; the rest stays."""
        progress = self._progress if now >= self._progress_due else None
        if progress is not None:
            self._progress, self._progress_due = None, now + PROGRESS_EVERY
        checkpoint, self._answer = self._checkpoint or (None, None)
        self._checkpoint = None
        lines, self._lines = self._lines, None
        output = Lines(self._numbered - len(lines) + 1, lines) if lines else None
        self._awaited = self._written
        if progress is None and checkpoint is None and output is None:
            self._end_flush()
            return None
        return Note(self._agent_id, self._token, progress, checkpoint, output)

    def holds_more(self) -> bool:
        """Whether something is left to be taken."""
        return self._progress is not None or self._checkpoint is not None or bool(self._lines)

    def settle(self, problems: Mapping[str, MusterdError]) -> None:
        """What was taken is written, but for what was refused, by the name of its step."""
        if self._answer is not None:
            self._answer(problems.get("checkpoint"))
        for problem in problems.values():
            self._warn(problem)
        self._end_flush()

    def _warn(self, problem: MusterdError) -> None:
        # Where it is no longer ours, the lease is lost and says so.
        if not self._warned and not isinstance(problem, NotOwnerError):
            self._warned = True
            about = {"task_id": ids.task_id_of(self._agent_id), "agent_id": self._agent_id}
            log.warning("report not written", error=str(problem), **about)

    def _end_flush(self) -> None:
        """A task that an agent left behind may tell more for ever; that is not waited for."""
        if self._awaited is not None:
            self._awaited.set()


def _writable(text: str) -> str:
    """Without halves of surrogate pairs, which UTF-8 does not know."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
