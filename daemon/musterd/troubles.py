"""Troubles that last: told when they begin and when they are over, not each time they are met.

A key of a wrong type that all tasks share is met by every duty of the daemon, several times a
second. One warning names it. It must never swallow another trouble.
"""

import structlog

from musterd.errors import BrokenRecordError

log = structlog.get_logger()


class Troubles:
    """What the duties of one daemon cannot do at the moment, and why."""

    def __init__(self) -> None:
        self._met: dict[str, str] = {}

    def met(self, event: str, duty: str, error: Exception, **fields: str) -> None:
        """A duty failed; a warning, if nobody has met this trouble before."""
        cause = _cause(error)
        tell = log.debug if cause in self._met.values() else log.warning
        self._met[duty] = cause
        tell(event, error=str(error), **fields)

    def over(self, duty: str) -> None:
        """A duty was done; if it was the last that a trouble held up, that is over."""
        cause = self._met.pop(duty, None)
        if cause is not None and cause not in self._met.values():
            log.info("trouble over", cause=cause)


def _cause(error: Exception) -> str:
    """The key that is broken, where it is one: what each duty says of it differs."""
    if isinstance(error, BrokenRecordError):
        return error.problem.partition(" ")[0] or error.problem
    return str(error)
