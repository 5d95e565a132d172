"""What an agent raised, in words for its record."""

from typing import Final

from musterd.runtimes.base import AgentFailed, ContextRejected

MAX_ERROR: Final = 4096
"""Characters of an error that are kept."""


def describe(failure: BaseException) -> str:
    """An agent's own words, or the exception's type and message; a group's are joined."""
    if isinstance(failure, AgentFailed | ContextRejected):
        text = str(failure)
    elif isinstance(failure, BaseExceptionGroup):
        text = "; ".join(describe(part) for part in failure.exceptions)
    else:
        text = f"{type(failure).__name__}: {_message(failure)}".removesuffix(": ")
    text = text.encode("utf-8", "replace").decode()  # no half of a surrogate pair in a record
    return text if len(text) <= MAX_ERROR else text[:MAX_ERROR] + "…"


def _message(failure: BaseException) -> str:
    try:
        return str(failure)
    except Exception:  # noqa: BLE001 - it is the agent's own code
        return "its message cannot be read"
