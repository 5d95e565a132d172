"""Settings and kinds as they hold now, and reading them again on SIGHUP.

Kinds, capacity and log level change then; agents run on as they were started. All or nothing: what
cannot be used is refused as a whole, and what held before goes on to hold.
"""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import anyio
import structlog
from anyio.abc import TaskStatus

from musterd import logs
from musterd.errors import MusterdError, SettingError
from musterd.kinds import Kind, load_kinds
from musterd.runtimes import controllers
from musterd.runtimes.cgroup import Cgroups
from musterd.runtimes.controllers import Lack
from musterd.settings import Settings, differing
from musterd.systemd import insist

RELOADED: Final = frozenset({"agents", "capacity", "log_level"})
"""Fields of the settings that a reload changes."""

Apply = Callable[[int], None]
"""Has the kinds offered from now on, with this capacity."""

log = structlog.get_logger()


class Configuration:
    """One daemon's.

    Args:
        settings: what holds now.
        read: reads them again, as at the start.

    Attributes:
        kinds: what is offered, by name.
        refused: why the last reload was refused; empty if it was not.
    """

    def __init__(self, settings: Settings, read: Callable[[], Settings]) -> None:
        self.kinds: dict[str, Kind] = {}
        self.refused = ""
        self._settings = settings
        self._read = read
        self._scratch = settings.state_dir
        self._cgroups: Cgroups | None = None
        self._asked = anyio.Event()

    async def watch_signals(self, *, task_status: TaskStatus[None]) -> None:
        """Hear SIGHUP from the first moment on: unheard, it would end the daemon."""
        try:
            with anyio.open_signal_receiver(signal.SIGHUP) as received:
                task_status.started()
                async for number in received:
                    log.info("signal", name=number.name)
                    self._asked.set()
        finally:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the daemon ends already

    def load(self, scratch: Path) -> None:
        """Load the kinds for the first time; `scratch` as `load_kinds` takes it.

        Raises:
            KindError: as `load_kinds`.
            SettingError: there are more kinds than the settings allow.
        """
        self._scratch = scratch
        self._cgroups = Cgroups.detect()
        if self._cgroups is not None:
            log.info("each command gets a control group", folder=str(self._cgroups.folder))
        self.kinds = self._load(self._settings)

    def _load(self, settings: Settings) -> dict[str, Kind]:
        kinds = load_kinds(settings.agents, self._scratch, self._cgroups)
        if len(kinds) > settings.max_kinds:
            accepted = f"at least {len(kinds)}: MUSTERD_AGENTS names so many kinds"
            raise SettingError("MUSTERD_MAX_KINDS", str(settings.max_kinds), accepted)
        if not kinds:
            log.warning("no kinds offered, nothing is claimed", setting="MUSTERD_AGENTS")
        for kind in kinds.values():
            if kind.unpublished is not None:
                log.warning("schema not published", kind=kind.name, why=kind.unpublished)
            if (lack := self._lack(kind)) is not None:
                log.warning("limits not applied", kind=kind.name, **lack._asdict())
        return kinds

    def _lack(self, kind: Kind) -> Lack | None:
        if self._cgroups is None:
            return controllers.lack(kind.limits())
        return self._cgroups.lack(kind.limits())

    async def run(self, apply: Apply) -> None:
        """Reload each time that it is asked for, until cancelled.

        Args:
            apply: makes what was read hold, if all of it can be used.
        """
        while True:
            await self._asked.wait()
            self._asked = anyio.Event()
            now = time.monotonic_ns() // 1000
            await insist("RELOADING=1", f"MONOTONIC_USEC={now}")
            self._reload(apply)
            await insist("READY=1")

    def _reload(self, apply: Apply) -> None:
        try:
            settings = self._read()
            kinds = self._load(settings)
        except MusterdError as error:
            self.refused = str(error)
            # Without a traceback: the sentence says it all.
            log.error("reload refused, nothing has changed", error=self.refused)  # noqa: TRY400 - so
            return
        except Exception as error:  # modules of others are loaded, and a folder may be gone
            self.refused = f"{type(error).__name__}: {error}"
            log.exception("reload refused, nothing has changed", error=self.refused)
            return
        self.refused, self.kinds = "", kinds
        logs.configure(settings.log_level, self._settings.log_format)
        apply(settings.capacity)
        log.info("reloaded", kinds=sorted(kinds), capacity=settings.capacity)
        if fixed := differing(self._settings, settings) - RELOADED:
            log.warning("settings changed that need a restart", names=sorted(fixed))
