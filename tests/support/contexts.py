"""Contexts for runtimes that are tested without a daemon."""

import json
from typing import Any

from musterd.jsons import Json
from musterd.runtimes.base import Context, Runtime


def make_context(**fields: Any) -> Context:
    """The first attempt at task `t1` of a daemon `n1/e1`, with these fields instead."""
    defaults: dict[str, Any] = {
        "task_id": "t1",
        "agent_id": "t1.1",
        "attempt": 1,
        "kind": "check",
        "context": None,
        "owner": "n1/e1",
        "grace": 5.0,
    }
    return Context(**(defaults | fields))


async def run_for_value(runtime: Runtime, context: Context) -> Json:
    """Run an agent; its result as a value, None if it has none."""
    text = await runtime.run(context)
    assert text != "null", "no result has one form only"
    value: Json = None if text is None else json.loads(text)
    return value
