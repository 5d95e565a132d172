"""`python -m bench.pictures`: measures what grows, and draws it into docs/pictures/.

Drawing needs matplotlib, which is installed beside the peers and not here.
"""

import os
import subprocess
import sys
from pathlib import Path

import anyio
import click

from bench import environments
from bench.compare.figures import show
from bench.compare.measures import Sizes
from bench.compare.peers import ROOT
from bench.options import again_option, cache_option, names_option
from bench.pictures.points import ALL
from bench.pictures.sweeps import games


@click.command()
@click.option("--rounds", default=1, show_default=True, help="How often each point is measured.")
@names_option("--only", ALL)
@click.option("--most", default=100_000, show_default=True, help="The largest amount.")
@cache_option
@again_option
def pictures(*, rounds: int, only: list[str], most: int, cache: Path, again: Path | None) -> None:
    """Draw what a drain, a kill and a sleeping job take, over how many there are."""
    if again is None:
        again = cache / "pictures.jsonl"
        _measure(rounds, only, most, Sizes(cache=cache), again)
    python = environments.build("pictures", cache) / "bin/python"
    subprocess.run(
        [python, "-m", "bench.pictures.drawing", again.resolve(), ROOT / "docs/pictures"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )


def _measure(rounds: int, only: list[str], most: int, sizes: Sizes, kept: Path) -> None:
    """Play all games; each point is kept as soon as it is there."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    to_play = list(games(rounds, only, most))
    with kept.open("w", buffering=1) as file:
        for number, game in enumerate(to_play):
            place = f"[{number + 1}/{len(to_play)}] {game.picture}, {game.peer}, {game.amount:,}"
            click.echo(f"{place} … ", err=True, nl=False)
            try:
                point = anyio.run(game.play, sizes)
            except Exception as error:  # noqa: BLE001 - the others are drawn without it
                click.echo(repr(error), err=True)
                continue
            said = ", ".join(f"{name} {show(value)}" for name, value in point.found.items())
            click.echo(said, err=True)
            print(point.as_line(), file=file)


if __name__ == "__main__":
    sys.exit(pictures())
