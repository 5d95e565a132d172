"""How often the agents of each kind fail: the restart intensity, after which a kind is paused."""

from collections import deque
from collections.abc import Mapping

from musterd.functions import Options


class Intensity:
    """The last failures of each kind that has a limit.

    Args:
        kinds: by name.
    """

    def __init__(self, kinds: Mapping[str, Options]) -> None:
        self._kinds = kinds
        self._failures = {
            name: deque[float](maxlen=kind.max_failures)
            for name, kind in kinds.items()
            if kind.max_failures is not None
        }

    def exceeded(self, kind: str, now: float) -> bool:
        """Note a failure at `now`, s; whether it is one more than the kind may have in its window.

        The count begins anew after that.
        """
        failures = self._failures.get(kind)
        if failures is None:
            return False
        full = len(failures) == failures.maxlen
        if full and now - failures[0] <= self._kinds[kind].failure_window:
            failures.clear()
            return True
        failures.append(now)
        return False
