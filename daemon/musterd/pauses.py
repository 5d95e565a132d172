"""What a daemon claims nothing of for now: of any kind, or of some kinds.

Kept in memory alone, so a restart forgets it. It knows nothing of agents: those that run, run on.
"""

import math
import time
from collections.abc import Callable, Collection

import structlog

from musterd.bell import Bell
from musterd.errors import NotOfferedError

log = structlog.get_logger()


class Pauses:
    """The pauses of one daemon.

    Args:
        kinds: those that it offers; no other can be paused here.
        bell: rung when something may be claimed again.
        clock: seconds since some moment.
    """

    def __init__(
        self, kinds: Collection[str], bell: Bell, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.everything = False
        self._offered = kinds
        self._bell = bell
        self._clock = clock
        self._kinds: dict[str, float] = {}

    def offer(self, kinds: Collection[str]) -> None:
        """From now on these can be paused; a pause of one that is gone is forgotten."""
        self._offered = kinds
        self._kinds = {kind: until for kind, until in self._kinds.items() if kind in kinds}

    @property
    def kinds(self) -> list[str]:
        """The kinds that are paused by name, sorted."""
        return sorted(self._kinds)

    def holds(self, kind: str) -> bool:
        """Whether nothing of this kind may be claimed."""
        return self.everything or kind in self._kinds

    def pause_for(self, kind: str, seconds: float) -> None:
        """Pause one kind for so long; a pause without an end stays one."""
        self._kinds[kind] = max(self._kinds.get(kind, 0.0), self._clock() + seconds)

    def expire(self) -> None:
        """End the pauses whose time is over."""
        now = self._clock()
        for kind in [kind for kind, until in self._kinds.items() if until <= now]:
            del self._kinds[kind]
            log.info("kind resumed", kind=kind)

    def pause(self, kind: str | None = None) -> None:
        """Claim nothing, or nothing of one kind, until told to resume.

        Raises:
            NotOfferedError: this daemon does not offer the kind.
        """
        if kind is None:
            self.everything = True
            log.info("paused, nothing is claimed until resume")
        else:
            self._check(kind)
            self._kinds[kind] = math.inf
            log.info("kind paused, none of it is claimed until resume", kind=kind)

    def resume(self, kind: str | None = None) -> None:
        """Claim again: one kind, or everything; what is not paused is no error.

        Raises:
            NotOfferedError: this daemon does not offer the kind.
        """
        if kind is None:
            self.everything = False
            self._kinds.clear()
            log.info("resumed")
        else:
            self._check(kind)
            self._kinds.pop(kind, None)
            log.info("kind resumed", kind=kind)
        self._bell.ring()

    def _check(self, kind: str) -> None:
        if kind not in self._offered:
            raise NotOfferedError(kind, self._offered)
