"""The schemas that daemons publish with their kinds, and what of a submission they refuse.

It is a courtesy to who submits: what it lets pass is checked again when it is claimed.
"""

import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

import anyio

from musterd import jsons
from musterd.errors import RejectedContextError
from musterd.reads import Reads
from musterd.schemas import JsonSchema, SchemaError, aside
from musterd.submission import Submission
from musterd.valkey import FAULTS

FRESH: Final = 2.0
"""Seconds for which a kind's schema is not asked for again."""

Refusals = list[RejectedContextError | None]


class PublishedSchemas:
    """Those of one server and prefix; each is kept for a moment."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._asking = anyio.Lock()
        self._asked: dict[str, float] = {}
        self._schemas: dict[str, JsonSchema] = {}

    async def check(self, submissions: Sequence[Submission]) -> Refusals:
        """For each submission why its context will be rejected; None where nothing speaks against.

        A kind that is not known, or publishes nothing, accepts all; so it is when Valkey fails.
        """
        await self._look({submission.kind for submission in submissions})
        if not any(submission.kind in self._schemas for submission in submissions):
            return [None] * len(submissions)
        return await aside(partial(_check_all, dict(self._schemas)), submissions)

    async def _look(self, kinds: Collection[str]) -> None:
        async with self._asking:
            now = time.monotonic()
            self._asked = {kind: at for kind, at in self._asked.items() if now < at + FRESH}
            unasked = [kind for kind in kinds if kind not in self._asked]
            if not unasked:
                return
            with contextlib.suppress(*FAULTS):  # nobody asks again at once where Valkey is away
                found = await self._reads.schemas(unasked)
                gone = self._schemas.keys() & unasked - found.keys()
                self._schemas = _without(self._schemas, gone)
                if found:
                    self._schemas |= await aside(partial(_read_all, self._schemas), found)
            self._asked |= dict.fromkeys(unasked, time.monotonic())


def _without(schemas: dict[str, JsonSchema], gone: Collection[str]) -> dict[str, JsonSchema]:
    return {kind: schema for kind, schema in schemas.items() if kind not in gone}


def _read_all(
    known: Mapping[str, JsonSchema], found: Mapping[str, dict[str, Any]]
) -> dict[str, JsonSchema]:
    """The schemas that were found; those that are known already are not read again."""
    schemas = {}
    for kind, document in found.items():
        if kind in known and known[kind].document == document:
            continue
        # One that was made nonsense by hand refuses nothing.
        with contextlib.suppress(SchemaError):
            schemas[kind] = JsonSchema(kind, document)
    return schemas


def _check_all(schemas: dict[str, JsonSchema], submissions: Sequence[Submission]) -> Refusals:
    return [_refusal(schemas.get(one.kind), one.context) for one in submissions]


def _refusal(schema: JsonSchema | None, context: jsons.Json) -> RejectedContextError | None:
    if schema is None:
        return None
    try:
        # What arrives, and not what was given: a tuple arrives as a list.
        value = jsons.loads(jsons.dumps(context))
    except jsons.JsonError:
        return None  # malformed, which is told by the submission itself
    return schema.refusal(value)
