"""The types of those fixtures that are functions."""

from collections.abc import Mapping
from typing import Any, Protocol

from musterd.settings import Settings
from tests.support.daemon import Daemon
from tests.support.server import Server


class StartServer(Protocol):
    """What `own_server` is."""

    def __call__(self, *, tcp: bool = False, config: Mapping[str, str] | None = None) -> Server:
        """Start a server that this test alone uses; the arguments are those of `Server`."""


class StartDaemon(Protocol):
    """What `start_daemon` is."""

    async def __call__(
        self, *, server: Server | None = None, node: str = "", wait: bool = True, **env: str
    ) -> Daemon:
        """Start a daemon on the test's prefix, by default on the shared server; wait for ready."""


class LoadSettings(Protocol):
    """What `settings` is."""

    def __call__(self, **overrides: Any) -> Settings:
        """Settings for the test's server and prefix; `overrides` by field name."""
