"""A bell: whoever has news rings it, and one loop comes round for it."""

import anyio


class Bell:
    """Rung by anybody, heard by one. A ring that nobody waits for is kept; several are one."""

    def __init__(self) -> None:
        self._rung = anyio.Event()

    def ring(self) -> None:
        """There is news; it may be rung before the loop begins, and from within it."""
        self._rung.set()

    async def wait(self, limit: float) -> None:
        """Return once it was rung since the last wait, or after `limit` seconds."""
        with anyio.move_on_after(limit):
            await self._rung.wait()
        self._rung = anyio.Event()
