"""Contexts for runtimes that are tested without a daemon."""

from typing import Any

from musterd.runtimes.base import Context


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
