"""What is found, as rows that can be kept, and what they say together."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, Self, TypeAlias


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that is measured.

    Attributes:
        title: what heads its column.
        more: whether more is better.
    """

    title: str
    more: bool = False


ALL: Final[Mapping[str, Figure]] = {
    "drain": Figure("drain, jobs/s", more=True),
    "bulk submit": Figure("bulk submit, jobs/s", more=True),
    "plain submit": Figure("plain submit, jobs/s", more=True),
    "start p50": Figure("submit to body p50, ms"),
    "start p99": Figure("submit to body p99, ms"),
    "kill p50": Figure("kill p50, ms"),
    "kill p99": Figure("kill p99, ms"),
    "memory": Figure("a sleeping job, KiB"),
    "server CPU": Figure("server's CPU for 10,000 jobs, s"),
    "wire": Figure("commands over the wire, a job"),
    "inside": Figure("commands in scripts, a job"),
}

COUNTED: Final = frozenset({"wire", "inside"})
"""What is a matter of design and not of speed: ratios of it say nothing."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one peer showed in one round.

    Attributes:
        peer: its name.
        turn: the round's number; ratios are within a round.
        load: the machine's load average before it.
        found: figures by name.
        fault: why there are none.
    """

    peer: str
    turn: int
    load: float
    found: Mapping[str, float]
    fault: str = ""

    def as_line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def of_line(cls, line: str) -> Self:
        """What `as_line` has made."""
        return cls(**json.loads(line))


@dataclass(frozen=True, slots=True)
class Spread:
    """Some values of the same thing."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """None if there are none."""
        return cls(statistics.median(values), min(values), max(values)) if values else None

    def __str__(self) -> str:
        if self.least == self.most:
            return show(self.median)
        return f"{show(self.median)} ({show(self.least)} to {show(self.most)})"


Rounds: TypeAlias = Mapping[str, Mapping[str, Mapping[int, float]]]
"""By peer, figure and round."""


def gather(rows: Iterable[Row]) -> Rounds:
    """Rows by what they are about."""
    rounds: dict[str, dict[str, dict[int, float]]] = {}
    for row in rows:
        for name, value in row.found.items():
            rounds.setdefault(row.peer, {}).setdefault(name, {})[row.turn] = value
    return rounds


def ratios(rounds: Rounds, ours: str, peer: str, name: str) -> Spread | None:
    """How many times as good as a peer we are in a figure, within each round that has both."""
    mine = rounds.get(ours, {}).get(name, {})
    theirs = rounds.get(peer, {}).get(name, {})
    both = [(mine[turn], theirs[turn]) for turn in mine.keys() & theirs.keys()]
    quotients = [my / their if ALL[name].more else their / my for my, their in both if my and their]
    return Spread.of(quotients)


def show(value: float) -> str:
    """With three digits that say something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - digits enough
