"""What an agent raised, in words for its record."""

from musterd.runtimes.base import AgentFailed, ContextRejected


def describe(failure: BaseException, most: int) -> str:
    """An agent's own words, or the exception's type and message; of a long one the first bytes."""
    text = _words(failure).encode("utf-8", "replace")  # no half of a surrogate pair in a record
    return text.decode() if len(text) <= most else text[:most].decode(errors="ignore") + "…"


def _words(failure: BaseException) -> str:
    """Those of a group are joined."""
    if isinstance(failure, AgentFailed | ContextRejected):
        return str(failure)
    if isinstance(failure, BaseExceptionGroup):
        return "; ".join(_words(part) for part in failure.exceptions)
    return f"{type(failure).__name__}: {_message(failure)}".removesuffix(": ")


def _message(failure: BaseException) -> str:
    try:
        return str(failure)
    except Exception:  # noqa: BLE001 - it is the agent's own code
        return "its message cannot be read"
