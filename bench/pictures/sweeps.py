"""What is measured for the pictures: one measure, some peers, and a size that grows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from bench.compare.measures import ALL, Sizes
from bench.compare.peers import ALL as PEERS
from bench.pictures.points import Point


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What is measured for one picture; the measure has the picture's name.

    Attributes:
        size: the field of `Sizes` that grows.
        least: from where on.
        most: how far, for each peer.
    """

    size: str
    least: int
    most: Mapping[str, int]


_FAR: Final = {
    "musterd": 100_000, "bullmq": 100_000, "saq": 10_000, "docket": 10_000, "arq": 10_000,
}  # fmt: skip

SWEEPS: Final[Mapping[str, Sweep]] = {
    "drain": Sweep(size="jobs", least=100, most=_FAR),
    "kill": Sweep(
        size="alive",
        least=100,
        most={"musterd": 100_000, "docket": 10_000, "arq": 10_000},
    ),
    "memory": Sweep(size="sleepers", least=1_000, most=_FAR),
}

AMOUNTS: Final = (100, 500, 1_000, 5_000, 10_000, 50_000, 100_000)


@dataclass(frozen=True, slots=True)
class Game:
    """A peer with one size of a sweep."""

    picture: str
    peer: str
    amount: int

    async def play(self, sizes: Sizes) -> Point:
        """What it shows."""
        amount: dict[str, Any] = {SWEEPS[self.picture].size: self.amount}
        found = await ALL[self.picture](PEERS[self.peer], replace(sizes, **amount))
        return Point(self.picture, self.peer, self.amount, found)


def games(rounds: int, pictures: Sequence[str], most: int) -> Iterator[Game]:
    """All of them, each peer of a size after the other, as often as there are rounds."""
    for _ in range(rounds):
        for picture in pictures:
            sweep = SWEEPS[picture]
            for amount in AMOUNTS:
                for peer, limit in sweep.most.items():
                    if sweep.least <= amount <= min(limit, most):
                        yield Game(picture, peer, amount)
