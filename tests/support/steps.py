"""What sends steps, for parts that are tested without a server."""

from collections.abc import Sequence

import anyio

from musterd.scripts import Reply, Step


class Unheard:
    """Steps that no server ever answers.

    Attributes:
        handed_in: what was sent.
    """

    def __init__(self) -> None:
        self.handed_in: list[Step] = []

    async def commit(self, step: Step) -> Reply:
        """Wait for ever."""
        return (await self.commit_all([step]))[0]

    async def commit_all(self, steps: Sequence[Step]) -> list[Reply]:
        """Wait for ever."""
        self.handed_in += steps
        await anyio.sleep_forever()
        return []
