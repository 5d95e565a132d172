"""How patient a test is: a bound holds on an idle machine, and grows with what else one does.

So it is of use for how soon something happens, and for nothing else. A bound that keeps a slower
way out, or that something must never pass, stays as it is.
"""

import os
from pathlib import Path


def within(seconds: float) -> float:
    """The seconds in which what takes `seconds` at most on an idle machine is done on this one."""
    load = max(os.getloadavg()[0], _runnable())
    return seconds * (1 + load / (os.cpu_count() or 1))


def _runnable() -> int:
    """How many threads could run at this moment: the average lags behind by a minute."""
    return int(Path("/proc/loadavg").read_text().split()[3].partition("/")[0])
