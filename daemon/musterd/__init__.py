"""musterd: systemd for agents, with Valkey as its state plane.

    from musterd import Client, agent

The names here are loaded when they are first used, so that a command line starts fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from musterd.client import Client
    from musterd.errors import MusterdError
    from musterd.functions import agent
    from musterd.runtimes.base import Context, ContextRejected
    from musterd.submission import Submission

_HOMES = {
    "Client": "musterd.client",
    "Context": "musterd.runtimes.base",
    "ContextRejected": "musterd.runtimes.base",
    "MusterdError": "musterd.errors",
    "Submission": "musterd.submission",
    "agent": "musterd.functions",
}

__all__ = [
    "Client",
    "Context",
    "ContextRejected",
    "MusterdError",
    "Submission",
    "__version__",
    "agent",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
