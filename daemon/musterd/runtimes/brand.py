"""A brand that an agent's processes inherit, and that no ordinary program takes off.

It is a number in the soft limit RLIMIT_RTTIME, which means something to processes with a real-time
priority alone, and is so large that it means nothing to those either. Limits pass through fork,
exec, `setsid` and `env -i`, and any process of the same user may read them: who has lost its
parents, its session and its environment is known by this.
"""

import contextlib
import functools
import hashlib
import itertools
import resource
from collections.abc import Iterator
from typing import Final

_LARGE: Final = 1 << 62
"""Microseconds, 146,000 years: each brand is above this, and no limit that is meant as one."""

_SERIAL_BITS: Final = 24
_LIFE_BITS: Final = 37

_serials: Final = itertools.count()


def new(owner: str) -> int:
    """A brand for one agent of this owner, `{node}/{epoch}`."""
    return life(owner) << _SERIAL_BITS | next(_serials) % (1 << _SERIAL_BITS)


@functools.lru_cache(maxsize=64)  # of a daemon's own agents it is always the same
def life(owner: str) -> int:
    """What all brands of an owner have in common; see `life_of`."""
    digest = hashlib.blake2b(owner.encode(), digest_size=8).digest()
    return (_LARGE >> _SERIAL_BITS) | int.from_bytes(digest) % (1 << _LIFE_BITS)


def life_of(pid: int) -> int | None:
    """The owner's part of a process's brand; None if it has no brand."""
    brand = read(pid)
    return None if brand is None else brand >> _SERIAL_BITS


def read(pid: int) -> int | None:
    """The brand of a process, of a zombie too; None if it has none or may not be looked at."""
    try:
        limit, _ = resource.prlimit(pid, resource.RLIMIT_RTTIME)
    except OSError:
        return None
    return limit if limit >= _LARGE else None


@contextlib.contextmanager
def passed_on(brand: int) -> Iterator[None]:
    """What is forked meanwhile has this brand; where limits may not be set, it has none.

    Brief, and in the thread that forks: the limit is that of the whole process.
    """
    before = resource.getrlimit(resource.RLIMIT_RTTIME)
    try:
        resource.setrlimit(resource.RLIMIT_RTTIME, (brand, before[1]))
    except (OSError, ValueError):  # a hard limit below it
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_RTTIME, before)
