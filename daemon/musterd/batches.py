"""How much one call of the script may hold: it keeps the server from everybody else meanwhile."""

from collections.abc import Iterable, Iterator
from typing import Final

from musterd.scripts import Step

STEPS: Final = 128
ARGUMENTS: Final = 4096
CHARACTERS: Final = 1024 * 1024
"""A call of so many steps, or of so much in all, takes the server a few milliseconds."""


class Load:
    """What a call holds.

    Args:
        most: steps that it may hold.
    """

    def __init__(self, most: int = STEPS) -> None:
        self._room = most
        self._arguments = self._characters = 0

    def add(self, step: Step) -> None:
        """One more."""
        self._room -= 1
        self._arguments += len(step)
        self._characters += sum(len(part) for part in step if isinstance(part, str))

    def is_full(self) -> bool:
        """Whether it may hold no more."""
        return self._room <= 0 or self._arguments >= ARGUMENTS or self._characters >= CHARACTERS


def batches(steps: Iterable[Step], most: int = STEPS) -> Iterator[list[Step]]:
    """The steps in their order, as much at once as a call may hold."""
    batch, load = list[Step](), Load(most)
    for step in steps:
        batch.append(step)
        load.add(step)
        if load.is_full():
            yield batch
            batch, load = [], Load(most)
    if batch:
        yield batch
