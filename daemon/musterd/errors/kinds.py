"""A kind is not offered, or does not take what it was given."""

from collections.abc import Collection
from typing import Final

from musterd.errors.root import MusterdError, shorten

_SHOWN_NAMES: Final = 20


class UnknownKindError(MusterdError):
    """Some daemon has offered kinds, and this is not among them."""

    exit_code = 2
    code = "unknown_kind"

    def __init__(self, kind: str, offered: Collection[str] = ()) -> None:
        self.kind = kind
        self.offered = sorted(offered)
        known = f"offered are: {_some(self.offered)}" if offered else "see MUSTERD_AGENTS"
        super().__init__(f"{kind}: no daemon has offered this kind; {known}")


class NotOfferedError(MusterdError):
    """A daemon was told something of a kind that it does not offer itself."""

    exit_code = 2
    code = "unknown_kind"

    def __init__(self, kind: str, offered: Collection[str]) -> None:
        self.kind = kind
        self.offered = sorted(offered)
        known = f"it offers: {_some(self.offered)}" if offered else "it offers none"
        super().__init__(f"{kind}: this daemon does not offer this kind; {known}")


class TooManyKindsError(MusterdError):
    """More kinds would be offered than the setting allows."""

    def __init__(self, count: int, most: int) -> None:
        self.count = count
        self.most = most
        super().__init__(
            f"{count} kinds would be offered, at most {most} are accepted (MUSTERD_MAX_KINDS); "
            "those that nobody offers are forgotten after 30 days"
        )


class RejectedContextError(MusterdError):
    """The context is not one that its kind accepts; nothing was written.

    Attributes:
        kind: the kind whose schema it does not meet.
        field: where, as in `context.pages[2].url`.
        problem: what is wrong there, and what is accepted.
    """

    exit_code = 2
    code = "rejected"

    def __init__(self, kind: str, field: str, problem: str) -> None:
        self.kind = kind
        self.field = shorten(field)
        self.problem = shorten(problem)
        super().__init__(f"{kind}: {self.field}: {self.problem}")


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")
