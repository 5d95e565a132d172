"""How states, durations and foreign text look to a person. Pure; it prints nothing.

What an agent or a submitter wrote is never shown as it came: it could carry escape sequences.
"""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

STYLES: Final[Mapping[str, str]] = {
    "pending": "yellow",
    "assigned": "cyan",
    "spawning": "cyan",
    "executing": "blue",
    "running": "blue",
    "completed": "green",
    "failed": "red",
    "killed": "magenta",
}
"""The colour of each state of a task and of an agent."""

_CONTROLS: Final = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029], " ")
_CONTROLS_BUT_NEWLINE: Final = {code: " " for code in _CONTROLS if code != ord("\n")}
_CONTROLS_BUT_TAB: Final = {code: " " for code in _CONTROLS if code != ord("\t")}
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def one_line(text: str) -> str:
    """Text on one line, safe to show on a terminal."""
    return " ".join(text.translate(_CONTROLS).split())


def visible(text: str) -> str:
    """A line as it was written, safe to show on a terminal."""
    return text.translate(_CONTROLS_BUT_TAB)


def lines(text: str) -> list[str]:
    """The lines of a text, each safe to show on a terminal."""
    return text.translate(_CONTROLS_BUT_NEWLINE).strip().split("\n")


def progress(fraction: float | None, note: str | None) -> str:
    """How far something is, on one line: `40 % cloned`; rounded down, so that 100 % is all."""
    # Not floor alone: 0.29 * 100 is 28.999999999999996.
    percent = None if fraction is None else math.floor(round(max(0, min(1, fraction)) * 100, 6))
    told = "" if percent is None else f"{percent} %"
    return " ".join(part for part in (told, one_line(note or "")) if part)


def why(reason: str | None, error: str | None) -> str:
    """Why something ended badly, on one line: `timeout`, or `error: exit code 3`; else empty."""
    return ": ".join(part for part in (one_line(reason or ""), shorten(error or "")) if part)


def shorten(error: str) -> str:
    """An error on one line; of a long one how it begins and its last line, which tells most."""
    first, *more = lines(error)
    return one_line(f"{first.partition(': ')[0]}: … {more[-1]}" if more else first)


def age(seconds: float) -> str:
    """A duration in at most six characters: `12s`, `3m12s`, `5h07m`, `3d4h`."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02}s"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02}m"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR}h"


def age_since(time: str | None, now: datetime | None = None) -> str:
    """How long ago an ISO 8601 time was; empty for one that is absent or nonsense."""
    began = parse_time(time)
    return "" if began is None else age(((now or datetime.now(UTC)) - began).total_seconds())


def seconds_between(begin: str | None, end: str | None) -> float | None:
    """Seconds from one ISO 8601 time to a later one; None if either is absent or nonsense."""
    began, ended = parse_time(begin), parse_time(end)
    return None if began is None or ended is None else (ended - began).total_seconds()


def parse_time(text: str | None) -> datetime | None:
    """A record's time; None where it is absent or was made nonsense by hand."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
