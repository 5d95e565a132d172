"""What a daemon claims nothing of for now: of any kind, or of some kinds.

Kept in memory alone, so a restart forgets it. It knows nothing of agents: those that run, run on.
"""

from collections.abc import Collection

from musterd.errors import NotOfferedError


class Pauses:
    """The pauses of one daemon.

    Args:
        kinds: those that it offers; no other can be paused here.
    """

    def __init__(self, kinds: Collection[str]) -> None:
        self.everything = False
        self._offered = kinds
        self._kinds: set[str] = set()

    @property
    def kinds(self) -> list[str]:
        """The kinds that are paused by name, sorted."""
        return sorted(self._kinds)

    def holds(self, kind: str) -> bool:
        """Whether nothing of this kind may be claimed."""
        return self.everything or kind in self._kinds

    def pause(self, kind: str | None = None) -> None:
        """Pause one kind, or everything.

        Raises:
            NotOfferedError: this daemon does not offer the kind.
        """
        if kind is None:
            self.everything = True
        else:
            self._check(kind)
            self._kinds.add(kind)

    def resume(self, kind: str | None = None) -> None:
        """End the pause of one kind, or every pause; one that is not paused is no error.

        Raises:
            NotOfferedError: this daemon does not offer the kind.
        """
        if kind is None:
            self.everything = False
            self._kinds.clear()
        else:
            self._check(kind)
            self._kinds.discard(kind)

    def _check(self, kind: str) -> None:
        if kind not in self._offered:
            raise NotOfferedError(kind, self._offered)
