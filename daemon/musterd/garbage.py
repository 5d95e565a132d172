"""When Python looks for garbage: hardly ever in a short command, as usual in a daemon."""

import gc
from typing import Final

_USUAL: Final = gc.get_threshold()

_RARELY: Final = 100_000
"""Objects that are made before it looks: more than a short command makes."""


def look_rarely() -> None:
    """For who mostly imports, which makes no garbage: looking took a tenth of a command's time."""
    gc.set_threshold(_RARELY)


def look_as_usual() -> None:
    """For who lives long: what an agent's failure leaves, whole contexts with it, is garbage soon.

    What has been imported by now is not looked at again.
    """
    gc.freeze()
    gc.set_threshold(*_USUAL)


def look_no_more() -> None:
    """For who is about to exit: Python would look at all that is there once more."""
    gc.freeze()
