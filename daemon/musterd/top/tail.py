"""The last lines of one agent's output, read as they come."""

from collections import deque
from typing import Final

from musterd.reads import FROM_FIRST, Reads
from musterd.records import Line

LINES: Final = 200
"""Lines that are shown; the daemon keeps 100 of each agent unless told otherwise."""


class Tail:
    """Reads each line once.

    Args:
        agent_id: whose; nobody's if empty.
    """

    def __init__(self, agent_id: str = "") -> None:
        self.agent_id = agent_id
        self._lines: deque[Line] = deque(maxlen=LINES)

    async def read(self, reads: Reads) -> tuple[Line, ...]:
        """The last lines as of now, the oldest first."""
        after = self._lines[-1].place if self._lines else FROM_FIRST
        found = await reads.newest_lines([self.agent_id], LINES, after)
        self._lines += found.get(self.agent_id, [])
        return tuple(self._lines)
