"""What every runtime shares: the context an agent is given, and the ways in which it can fail."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol

from musterd import jsons

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger
    from typing_extensions import TypeVar

    Content = TypeVar("Content", default=Any)  # typing has `default` from Python 3.13 on
else:
    from typing import TypeVar

    Content = TypeVar("Content")

REJECTED: Final = os.EX_DATAERR
"""Exit code of a worker whose function does not accept its context."""


class AgentFailed(Exception):  # noqa: N818, it says what an agent did; it is no fault of musterd's
    """An agent has failed; the message becomes the `error` of its record."""


class ContextRejected(Exception):  # noqa: N818, as above
    """The context is not one that this kind accepts; another attempt would not mend it."""


@dataclass(slots=True, eq=False, kw_only=True)
class Context(Generic[Content]):
    """What an agent is told about the attempt that it is.

    `Context[Page]` in an agent's signature asks for a context of that type; see `model.py`.

    Attributes:
        task_id: the task that is attempted.
        agent_id: this attempt, `{taskId}.{attempt}`.
        attempt: counts from 1.
        kind: the kind of the task.
        context: what the task was submitted with: a JSON value, or what the signature makes of it.
        owner: the daemon that runs it, `{node}/{epoch}`.
        grace: seconds between asking the agent to stop and forcing it. The daemon may change it
            while the agent runs, and while it is being stopped.
    """

    task_id: str
    agent_id: str
    attempt: int
    kind: str
    context: Content
    owner: str
    grace: float = 0.0

    @property
    def log(self) -> "FilteringBoundLogger":
        """A structlog logger; its lines carry the ids of the agent."""
        import structlog  # noqa: PLC0415, a worker that logs nothing starts 0.1 s sooner without

        logger: FilteringBoundLogger = structlog.get_logger()
        return logger


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
    if value is None:
        return None
    try:
        text = jsons.dumps(value)
    except jsons.JsonError as error:
        raise AgentFailed(f"its result is a {type(value).__name__}, {error}") from None
    if len(text) > jsons.MAX_BYTES:
        raise AgentFailed(f"its result is over {jsons.MAX_BYTES} characters of JSON")
    return text
