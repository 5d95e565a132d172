"""`python -m bench [--times N] [--only NAME,…] [--small] [--json]`: musterd alone, as a table.

Each measurement plays as often as it is told to, all of them in turns, so that what the machine
does besides spreads over all.
"""

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import anyio
import click

from bench.compare.figures import Spread
from bench.compare.measures import SMALL, Sizes
from bench.measures import ALL
from bench.options import names_option, small_option


@click.command()
@click.option("--times", default=3, show_default=True, help="How often each is measured.")
@names_option("--only", ALL)
@small_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line instead.")
def bench(*, times: int, only: list[str], small: bool, as_json: bool) -> None:
    """Measure musterd on a server of its own."""
    found = anyio.run(_measure, only, times, replace(Sizes(), **(SMALL if small else {})))
    for name, values in found.items():
        spread = Spread(statistics.median(values), min(values), max(values))
        click.echo(
            json.dumps({"name": name, **asdict(spread)}) if as_json else f"{name:<40}{spread}"
        )


async def _measure(names: Sequence[str], times: int, sizes: Sizes) -> Mapping[str, list[float]]:
    found: dict[str, list[float]] = {}
    for turn in range(times):
        for number, measure in enumerate(names):
            done = turn * len(names) + number
            click.echo(f"[{done + 1}/{times * len(names)}] {measure}", err=True)
            for name, value in (await ALL[measure](sizes)).items():
                found.setdefault(name, []).append(value)
    return found


if __name__ == "__main__":
    sys.exit(bench())
