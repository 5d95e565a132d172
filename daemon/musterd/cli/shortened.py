"""Ids that are given in part: as much of their beginning as says which task or agent is meant.

Nothing is done to any record here. What is an id as it stands is never taken for a part of another.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, TypeVar

from musterd import ids
from musterd.errors import AmbiguousIdError, MalformedError, NoAgentError, NotFoundError

if TYPE_CHECKING:
    from musterd.client import Client

CANDIDATES: Final = 10
"""Ids that are named where several are meant."""

Value = TypeVar("Value")


async def with_whole_id(
    client: "Client", text: str, work: Callable[[str], Awaitable[Value]], *, strict: bool = False
) -> Value:
    """What `work` makes of the record whose id, or the beginning of whose id, is `text`.

    Args:
        client: where.
        text: an id; or a part of one, `4f0c` of a task's, `4f0c.2` of its second attempt's.
        work: given the whole id. It raises NotFoundError where there is no such record; only then
            is `text` looked at as a part.
        strict: for what cannot be taken back: `job-1` is then no part of `job-12`, which is the
            id of another one in a row.

    Raises:
        AmbiguousIdError: several may be meant; nothing was done to any.
        MalformedError: it is empty, as a variable of a shell may be.
        NotFoundError: none is.
    """
    if not text:
        raise MalformedError("ID is empty; give a task's id or an agent's, or how it begins")
    try:
        return await work(text)
    except NotFoundError:
        whole = await _complete(client, text)
        if whole is None or (strict and _is_next_in_row(text, whole)):
            raise
    return await work(whole)


async def latest_agent(client: "Client", record_id: str) -> str:
    """The agent of this id, or the latest one of the task of this id.

    Raises:
        NotFoundError: there is no such record.
        NoAgentError: the task has had no agent yet.
    """
    from musterd.records import TaskRecord  # noqa: PLC0415 - `--help` does without it

    record = await client.get(record_id)
    if not isinstance(record, TaskRecord):
        return record_id
    if record.agent_id is None:
        raise NoAgentError(record_id, record.status)
    return record.agent_id


async def _complete(client: "Client", text: str) -> str | None:
    """The one id that begins so; None if there is none."""
    stem = _task_part(text)
    is_attempt = stem != text
    if not ids.is_name(text) or (is_attempt and await _exists(client, stem)):
        return None
    found = await client.search(lambda search: search.task_ids(stem, CANDIDATES))
    candidates = [task_id for task_id in found.ids if task_id.startswith(text)]
    if is_attempt:
        attempts = [task_id + text.removeprefix(stem) for task_id in found.ids]
        candidates += [agent_id for agent_id in attempts if await _exists(client, agent_id)]
    if len(candidates) > 1 or not found.complete:
        raise AmbiguousIdError(text, candidates[:CANDIDATES], more=not found.complete)
    return candidates[0] if candidates else None


async def _exists(client: "Client", record_id: str) -> bool:
    try:
        await client.get(record_id)
    except NotFoundError:
        return False
    return True


def _is_next_in_row(text: str, whole: str) -> bool:
    """Whether a number goes on where a part ends; in a random id that means nothing."""
    task_id, part = _task_part(whole), _task_part(text)
    goes_on = part[-1:].isdigit() and task_id[len(part) :][:1].isdigit()
    return goes_on and not ids.is_random(task_id)


def _task_part(record_id: str) -> str:
    return ids.task_id_of(record_id) if ids.is_agent_id(record_id) else record_id
