"""What a picture is made of. It needs the standard library alone: who draws has little else."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What a picture shows.

    Attributes:
        title: what is drawn upwards, with its unit.
        along: what is drawn to the right.
        figures: the names of what is drawn for each peer; the second is dashed.
        is_log: whether upwards each step is ten times the one before.
    """

    title: str
    along: str
    figures: tuple[str, ...]
    is_log: bool = False


ALL: Final[Mapping[str, Picture]] = {
    "drain": Picture(
        title="jobs a second, a hundred at once, one worker process",
        along="jobs in the queue when the worker starts",
        figures=("drain",),
    ),
    "kill": Picture(
        title="ms from the request to the cancellation: p50, and p99 dashed",
        along="jobs alive",
        figures=("kill p50", "kill p99"),
        is_log=True,
    ),
    "memory": Picture(
        title="KiB of the worker's memory for a job that sleeps",
        along="jobs alive",
        figures=("memory",),
    ),
}


@dataclass(frozen=True, slots=True)
class Point:
    """What one peer showed once.

    Attributes:
        picture: the name of the one that it is for.
        peer: who.
        amount: of what is drawn to the right.
        found: figures by name.
    """

    picture: str
    peer: str
    amount: int
    found: Mapping[str, float]

    def as_line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def of_line(cls, line: str) -> Self:
        """What `as_line` has made."""
        return cls(**json.loads(line))
