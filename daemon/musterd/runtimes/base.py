"""What every runtime shares: the context an agent is given, and the ways in which it can fail."""

import os
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol

from musterd import jsons
from musterd.errors import TooLargeError
from musterd.moves import Answer, Look

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger
    from typing_extensions import TypeVar

    Content = TypeVar("Content", default=Any)  # typing has `default` from Python 3.13 on
else:
    from typing import TypeVar

    Content = TypeVar("Content")

REJECTED: Final = os.EX_DATAERR
"""Exit code of a worker whose function does not accept its context."""


SAVED: Final = ".saved"
"""What follows the name of a checkpoint's file in that of the copy that the server has."""

REFUSED: Final = ".refused"
"""What follows it in that of a file that says why the last one is not kept."""


class AgentFailed(Exception):  # noqa: N818, it says what an agent did; it is no fault of musterd's
    """An agent has failed; the message becomes the `error` of its record."""


class OutOfMemory(AgentFailed):
    """The kernel has ended processes of an agent for want of memory."""


class ContextRejected(Exception):  # noqa: N818, as above
    """The context is not one that this kind accepts; another attempt would not mend it."""


class Messages(Protocol):
    """Messages as they are sent to an agent, without end: JSON values.

    Taken with `async for` by a coroutine, with `for` by a plain function.
    """

    def __aiter__(self) -> AsyncIterator[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Desk(Protocol):
    """Where an agent tells and is told: in the daemon `musterd.desk`, in a worker its files."""

    @property
    def messages(self) -> Messages:
        """The messages that are sent to it."""
        ...

    def progress(self, fraction: float | None, note: str | None) -> None:
        """It is so far."""
        ...

    def output(self, stream: str, line: str) -> None:
        """It has written a line."""
        ...

    def checkpoint(self, value: str) -> Awaitable[None]:
        """Keep a value, JSON."""
        ...

    def checkpoint_soon(self, value: str, answer: Answer) -> None:
        """Keep a value, JSON, and call `answer` then."""
        ...

    def watched(self, look: Look) -> AbstractContextManager[None]:
        """Have `look` called again and again within the block."""
        ...


@dataclass(slots=True, eq=False, kw_only=True)
class Context(Generic[Content]):
    """What an agent is told about the attempt that it is, and where it tells how it goes.

    `Context[Page]` in an agent's signature asks for a context of that type; see `model.py`.

    Attributes:
        task_id: the task that is attempted.
        agent_id: this attempt, `{taskId}.{attempt}`.
        attempt: counts from 1.
        kind: the kind of the task.
        context: what the task was submitted with: a JSON value, or what the signature makes of it.
        restored: the last checkpoint of the task's earlier attempts, None if there is none.
        owner: the daemon that runs it, `{node}/{epoch}`.
        desk: for runtimes; agents use the methods.
        grace: seconds between asking the agent to stop and forcing it. The daemon may change it
            while the agent runs, and while it is being stopped.
        cpu_seconds: set by the runtime at the end: processor time that the agent's processes have
            taken; None where it has none.
    """

    task_id: str
    agent_id: str
    attempt: int
    kind: str
    context: Content
    owner: str
    desk: Desk
    restored: Any = None
    grace: float = 0.0
    cpu_seconds: float | None = None

    @property
    def log(self) -> "FilteringBoundLogger":
        """A structlog logger; its lines carry the agent's ids, and are kept as its output."""
        import structlog  # noqa: PLC0415, a worker that logs nothing starts 0.1 s sooner without

        logger: FilteringBoundLogger = structlog.get_logger()
        return logger

    @property
    def messages(self) -> Messages:
        """The messages that are sent to this agent, each once, without end."""
        return self.desk.messages

    def progress(self, fraction: float | None = None, note: str | None = None) -> None:
        """Tell how far it is. It costs nothing to call often: the last of each second is kept.

        Args:
            fraction: from 0 to 1; as before unless given.
            note: a few words; as before unless given.

        Raises:
            AgentFailed: the fraction is no number from 0 to 1.
        """
        if fraction is not None and not 0 <= fraction <= 1:
            raise AgentFailed(f"its progress is {fraction!r}, no number from 0 to 1")
        self.desk.progress(fraction, note)

    def checkpoint(self, value: Any) -> Awaitable[None]:
        """Keep a JSON value for the task's next attempt: `await ctx.checkpoint(value)`.

        It is durable once awaited; in a plain function, once the call returns.

        Raises:
            AgentFailed: it is no JSON value, or too large.
            MusterdError: it was not kept; another owner has this agent, say.
        """
        return self.desk.checkpoint(encode("checkpoint", value))


class Runtime(Protocol):
    """Runs one attempt. Cancelling the scope around `run` is how it is stopped."""

    async def run(self, context: Context) -> str | None:
        """Run an agent to its end; whatever it started has ended when this returns or raises.

        It may return though its scope was cancelled: the agent has used its grace to finish.

        Returns:
            The agent's result, valid JSON of at most 1 MiB; None if it has none.

        Raises:
            AgentFailed: it failed, with words of its own.
            ContextRejected: it does not accept its context.
        """


def encode_result(value: object) -> str | None:
    """An agent's result as JSON; None for None.

    Raises:
        AgentFailed: it is no JSON value, or larger than 1 MiB.
    """
    return None if value is None else encode("result", value)


def encode(name: str, value: object) -> str:
    """What an agent hands over, as JSON.

    Raises:
        AgentFailed: it is no JSON value, or larger than 1 MiB.
    """
    try:
        text = jsons.dumps(value)
    except jsons.JsonError as error:
        raise AgentFailed(f"its {name} is a {type(value).__name__}, {error}") from None
    if (size := jsons.size_of(text)) > jsons.MAX_BYTES:
        raise AgentFailed(str(TooLargeError(name, size, jsons.MAX_BYTES)))
    return text
