"""How much of the machine the processes of one agent may take, as it is written and as it is read.

The forms are systemd's, of `MemoryMax=`, `CPUQuota=` and `TasksMax=`. Only a control group applies
them, through the controller that each one names; see `runtimes/cgroup.py`.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

PERIOD: Final = 100_000
"""Microseconds over which the kernel counts processor time."""

LEAST_MEMORY: Final = 1 << 20
MOST_MEMORY: Final = 1 << 50
"""Bytes: with less no program starts; more than any machine has would be a slip."""

MOST_PERCENT: Final = 100_000
MOST_PIDS: Final = 4_194_304
"""Process ids that a kernel gives out at most."""

_UNITS: Final = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def _memory(value: object) -> str:
    found = re.fullmatch(r"(\d{1,16})([KMGT]?)", value) if isinstance(value, str) else None
    size = int(found[1]) << _UNITS[found[2]] if found else 0
    return str(size) if LEAST_MEMORY <= size <= MOST_MEMORY else ""


def _cpu(value: object) -> str:
    found = re.fullmatch(r"(\d{1,6})%", value) if isinstance(value, str) else None
    percent = int(found[1]) if found else 0
    return f"{percent * PERIOD // 100} {PERIOD}" if 1 <= percent <= MOST_PERCENT else ""


def _pids(value: object) -> str:
    fits = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_PIDS
    return str(value) if fits else ""


class Limit(NamedTuple):
    """One limit of a kind.

    Attributes:
        option: what a kind calls it.
        controller: the kernel's controller that applies it.
        file: where it belongs in a control group.
        accepted: which values are, for people.
        write: a value as the kernel reads it; empty if it is not accepted.
    """

    option: str
    controller: str
    file: str
    accepted: str
    write: Callable[[object], str]


LIMITS: Final = (
    Limit(
        "memory_max", "memory", "memory.max", '"512M" say: bytes, or with K, M, G, T; 1M to 1024T',
        _memory,
    ),
    Limit(
        "cpu_max", "cpu", "cpu.max", f'"50%" say, of one processor; 1% to {MOST_PERCENT}%', _cpu
    ),
    Limit("pids_max", "pids", "pids.max", f"a whole number, 1 to {MOST_PIDS}", _pids),
)  # fmt: skip
"""All of them. Whoever wants none of one leaves it out."""
