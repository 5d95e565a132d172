"""What the jobs have told, read from the file that they write to."""

from collections.abc import Collection
from pathlib import Path


class Told:
    """The file, and when what stands in it happened.

    Attributes:
        path: the file; it is made.
        times: by event, of the monotonic clock; as far as the file was read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.times: dict[str, float] = {}
        self._place = 0
        path.touch()

    def has(self, events: Collection[str]) -> bool:
        """Whether all of these were told by now."""
        with self.path.open("rb") as file:
            file.seek(self._place)
            *lines, _unfinished = file.read().split(b"\n")
        for line in lines:
            self._place += len(line) + 1
            at, event = line.decode().split(" ", 1)
            self.times[event] = float(at)
        return self.times.keys() >= set(events)
