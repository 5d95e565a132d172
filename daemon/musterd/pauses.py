"""What a daemon claims nothing of for now: of any kind, or of some kinds.

Kept in memory alone, so a restart forgets it. It knows nothing of agents: those that run, run on.
"""

import math
import time
from collections.abc import Callable, Collection

from musterd.errors import NotOfferedError


class Pauses:
    """The pauses of one daemon.

    Args:
        kinds: those that it offers; no other can be paused here.
        clock: seconds since some moment.
    """

    def __init__(self, kinds: Collection[str], clock: Callable[[], float] = time.monotonic) -> None:
        self.everything = False
        self._offered = kinds
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

    def expired(self) -> list[str]:
        """End the pauses whose time is over; the kinds."""
        now = self._clock()
        over = [kind for kind, until in self._kinds.items() if until <= now]
        for kind in over:
            del self._kinds[kind]
        return over

    def pause(self, kind: str | None = None) -> None:
        """Pause one kind, or everything.

        Raises:
            NotOfferedError: this daemon does not offer the kind.
        """
        if kind is None:
            self.everything = True
        else:
            self._check(kind)
            self._kinds[kind] = math.inf

    def resume(self, kind: str | None = None) -> None:
        """End the pause of one kind, or every pause; one that is not paused is no error.

        Raises:
            NotOfferedError: this daemon does not offer the kind.
        """
        if kind is None:
            self.everything = False
            self._kinds.clear()
        else:
            self._check(kind)
            self._kinds.pop(kind, None)

    def _check(self, kind: str) -> None:
        if kind not in self._offered:
            raise NotOfferedError(kind, self._offered)
