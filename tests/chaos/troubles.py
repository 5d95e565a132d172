"""When what was disturbed, so that bounds can be held to the time that was calm."""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class Trouble:
    """One disturbance; times are Unix seconds, as the server's are."""

    name: str
    where: str
    start: float
    end: float | None = None


@dataclass(slots=True)
class Troubles:
    """All of a run, those that last among them."""

    found: list[Trouble] = field(default_factory=list)

    @contextmanager
    def during(self, name: str, where: str) -> Iterator[Trouble]:
        """The block is a disturbance of `where`."""
        trouble = Trouble(name, where, time.time())
        self.found.append(trouble)
        try:
            yield trouble
        finally:
            trouble.end = time.time()

    def within(self, start: float, end: float, where: Collection[str]) -> list[Trouble]:
        """Those of these places that touch the time from `start` to `end`."""
        return [
            one
            for one in self.found
            if one.where in where and one.start < end and (one.end is None or one.end > start)
        ]

    def is_during(self, name: str, when: float) -> bool:
        """Whether a disturbance of this name lasted at that time."""
        return any(
            one.start <= when and (one.end is None or when <= one.end)
            for one in self.found
            if one.name == name
        )

    def calm(self, start: float, end: float, where: Collection[str]) -> float:
        """How many of the seconds from `start` to `end` none of these places was disturbed."""
        left = 0.0
        for one in sorted(self.within(start, end, where), key=lambda one: one.start):
            left += max(0.0, one.start - start)
            start = max(start, end if one.end is None else one.end)
        return left + max(0.0, end - start)
