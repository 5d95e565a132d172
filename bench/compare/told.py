"""What the jobs have told, read from the file that they write to."""

from collections.abc import Collection
from pathlib import Path

from tests.support.wait import wait_until


class Told:
    """The file, and when what happened that stands in it.

    Args:
        path: the file; it is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._place = 0
        self._times: dict[str, float] = {}
        path.touch()

    async def time_of(self, event: str, limit: float) -> float:
        """When an event happened, by the monotonic clock; waits for it.

        Raises:
            AssertionError: it was not told within `limit` seconds.
        """
        await wait_until(lambda: self._has([event]), limit, f"{event!r} is told")
        return self._times[event]

    async def times_of(self, events: Collection[str], limit: float) -> dict[str, float]:
        """When each of these happened; see `time_of`."""
        await wait_until(lambda: self._has(events), limit, f"all {len(events)} events are told")
        return {event: self._times[event] for event in events}

    def _has(self, events: Collection[str]) -> bool:
        with self.path.open("rb") as file:
            file.seek(self._place)
            *lines, _unfinished = file.read().split(b"\n")
        for line in lines:
            self._place += len(line) + 1
            at, event = line.decode().split(" ", 1)
            self._times[event] = float(at)
        return self._times.keys() >= set(events)
