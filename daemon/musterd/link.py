"""Whether Valkey answers: said once when it stops, once more when it is back."""

import time
from collections.abc import Callable

import structlog

log = structlog.get_logger()


class Link:
    """What the daemon knows of its way to the server; told the fate of each call."""

    def __init__(self, server: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._clock = clock
        self._up = True
        self._since = clock()

    @property
    def up(self) -> bool:
        """Whether the last call was answered."""
        return self._up

    def unbroken(self) -> float:
        """For how many seconds each call has been answered; 0.0 while there is no answer."""
        return self._clock() - self._since if self._up else 0.0

    def failed(self, error: Exception) -> None:
        """A call was not answered, or not served."""
        if self._up:
            self._up, self._since = False, self._clock()
            log.warning("valkey lost", server=self._server, error=_describe(error))

    def answered(self) -> None:
        """A call was answered."""
        if not self._up:
            outage = self._clock() - self._since
            self._up, self._since = True, self._clock()
            log.info("valkey back", server=self._server, outage=round(outage, 3))


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
