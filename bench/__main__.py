"""`python -m bench [--times N] [--only NAME,…] [--small] [--json]`: musterd alone, as a table.

Each measurement plays as often as it is told to, all of them in turns, so that what the machine
does besides spreads over all.
"""

import json
import statistics
import sys
from collections.abc import Mapping, Sequence

import anyio
import click

from bench.measures import ALL, SMALL, Figures, Sizes


@click.command()
@click.option("--times", default=3, show_default=True, help="How often each is measured.")
@click.option(
    "--only", default="", metavar="NAME,…", help="Of: " + ", ".join(_.__name__ for _ in ALL)
)
@click.option("--small", is_flag=True, help="Much less of everything: whether it works at all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line instead.")
def bench(*, times: int, only: str, small: bool, as_json: bool) -> None:
    """Measure musterd on a server of its own."""
    names = only.split(",") if only else [measure.__name__ for measure in ALL]
    found = anyio.run(_measure, names, times, SMALL if small else Sizes())
    for name, values in found.items():
        median = statistics.median(values)
        if as_json:
            row = {"name": name, "median": median, "least": min(values), "most": max(values)}
            click.echo(json.dumps(row))
        else:
            click.echo(
                f"{name:<48}{_show(median):>12}   {_show(min(values))} to {_show(max(values))}"
            )


async def _measure(names: Sequence[str], times: int, sizes: Sizes) -> Mapping[str, list[float]]:
    found: dict[str, list[float]] = {}
    measures = [measure for measure in ALL if measure.__name__ in names]
    for turn in range(times):
        for number, measure in enumerate(measures):
            done = turn * len(measures) + number
            click.echo(f"[{done + 1}/{times * len(measures)}] {measure.__name__}", err=True)
            figures: Figures = await measure(sizes)
            for name, value in figures.items():
                found.setdefault(name, []).append(value)
    return found


def _show(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - digits enough


if __name__ == "__main__":
    sys.exit(bench())
