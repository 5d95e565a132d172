"""When Python looks for garbage: hardly ever in a short command, seldom in a daemon."""

import gc
from typing import Final

_RARELY: Final = 100_000
"""Objects that are made before it looks: more than a short command makes."""


def look_rarely() -> None:
    """For who mostly imports, which makes no garbage: looking took a tenth of a command's time."""
    gc.set_threshold(_RARELY)


_SELDOM: Final = (5_000, 20, 20)
"""The same for a daemon, whose agents leave none of its making; then how many of these looks until
one at what is older, and how many of those until one at everything. With Python's own 700, 10 and
10 they took a third of the time in which 40,000 agents start."""


def look_seldom() -> None:
    """For who lives long. What has been imported by now is not looked at again."""
    gc.freeze()
    gc.set_threshold(*_SELDOM)


def look_no_more() -> None:
    """For who is about to exit: Python would look at all that is there once more."""
    gc.freeze()
