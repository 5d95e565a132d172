"""Who sends steps, and what their refusals mean: the same for every step."""

from collections.abc import Sequence
from typing import Protocol

from musterd.errors import (
    BrokenRecordError,
    IllegalStepError,
    MusterdError,
    NotFoundError,
    NotOwnerError,
)
from musterd.scripts import Reply, Step


class Steps(Protocol):
    """What sends steps: a daemon's committer, or a client's own calls."""

    async def commit(self, step: Step) -> Reply:
        """Send one step."""
        ...

    async def commit_all(self, steps: Sequence[Step]) -> list[Reply]:
        """Send many; the answers come in their order."""
        ...


def accept(record_id: str, reply: Reply) -> Reply:
    """The reply, if it is not a refusal.

    Raises:
        NotFoundError, NotOwnerError, IllegalStepError, BrokenRecordError: see `refusal`.
    """
    if reply[0] != "ok":
        raise refusal(record_id, reply)
    return reply


def refusal(record_id: str, reply: Reply) -> MusterdError:
    """What a refusal means for the record; nothing was written."""
    match reply:
        case ["not_found"]:
            return NotFoundError(record_id)
        case ["not_owner" | "stale" | "alive"]:
            return NotOwnerError(record_id)
        case ["illegal", source, target]:
            return IllegalStepError(record_id, source, target)
        case _:
            return BrokenRecordError(record_id, " ".join(str(part) for part in reply[1:]))
