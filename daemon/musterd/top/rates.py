"""How fast work comes and ends, from counts that were taken one after the other. Pure."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from musterd.counts import Counts

WINDOW: Final = 10.0
"""Seconds over which a rate is taken: long enough to be calm, short enough to show a change."""

KEPT: Final = 60
"""Seconds that the history goes back."""


@dataclass(frozen=True, slots=True)
class Rates:
    """A second, over the last WINDOW seconds.

    Attributes:
        queued: tasks put in a queue, submitted or once more; None until two counts are there.
        ended: agents that ended, by status.
        history: agents that ended, one value for each second that was looked at, oldest first.
    """

    queued: float | None
    ended: Mapping[str, float]
    history: tuple[float, ...]


@dataclass(slots=True)
class Meter:
    """Makes rates of counts."""

    _counts: deque[tuple[float, int]] = field(default_factory=deque)
    _history: dict[int, float] = field(default_factory=dict)

    def take(self, counts: Counts) -> Rates:
        """The rates as of these counts, which are newer than those before."""
        ended = {status: number / WINDOW for status, number in counts.ended.items()}
        second = int(counts.now // 1000)
        self._history[second] = sum(ended.values())
        self._history = {at: rate for at, rate in self._history.items() if at > second - KEPT}
        history = tuple(self._history[at] for at in sorted(self._history))
        return Rates(self._queued(counts), ended, history)

    def _queued(self, counts: Counts) -> float | None:
        if self._counts and counts.queued < self._counts[-1][1]:
            self._counts.clear()  # the server has lost its data, or somebody deleted it
        self._counts.append((counts.now, counts.queued))
        while len(self._counts) > 2 and self._counts[1][0] <= counts.now - WINDOW * 1000:  # noqa: PLR2004 - the two ends
            self._counts.popleft()
        began, before = self._counts[0]
        passed = (counts.now - began) / 1000
        return (counts.queued - before) / passed if passed > 0 else None
