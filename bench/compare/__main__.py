"""`python -m bench.compare`: musterd beside its peers, in turns, on one machine.

Within a round each measure plays every peer, one after the other, so that what the machine does
besides spreads over all of them; who begins changes from round to round.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import anyio
import click

from bench.compare import measures, tables
from bench.compare.circumstances import Circumstances
from bench.compare.figures import Row, show
from bench.compare.measures import SMALL, Sizes
from bench.compare.peers import ALL as PEERS
from bench.compare.peers import Peer
from bench.environments import BuildError
from bench.options import again_option, cache_option, names_option, small_option


@click.command()
@click.option("--rounds", default=3, show_default=True, help="How often each peer plays each.")
@names_option("--peers", PEERS)
@names_option("--only", measures.ALL)
@small_option
@click.option("--fsync", default="everysec", show_default=True, help="The server's appendfsync.")
@cache_option
@again_option
def compare(
    *,
    rounds: int,
    peers: list[str],
    only: list[str],
    small: bool,
    fsync: str,
    cache: Path,
    again: Path | None,
) -> None:
    """Measure each peer on a Valkey of its own and print Markdown tables of what was found."""
    if again is None:
        again = cache / "compare.jsonl"
        sizes = replace(Sizes(fsync=fsync, cache=cache), **(SMALL if small else {}))
        chosen = _install([PEERS[name] for name in peers], cache)
        _measure(chosen, only, rounds, sizes, again)
    head, *lines = again.read_text().splitlines()
    click.echo(tables.render(Circumstances.of_line(head), [Row.of_line(line) for line in lines]))


def _install(chosen: Sequence[Peer], cache: Path) -> list[Peer]:
    """Those that are there, or could be installed."""
    ready = []
    for peer in chosen:
        click.echo(f"{peer.name}: {peer.version}", err=True)
        try:
            peer.command(cache)
            ready.append(peer)
        except BuildError as error:
            click.echo(f"{peer.name} is left out: {error}", err=True)
    return ready


def _measure(
    chosen: Sequence[Peer], only: Sequence[str], rounds: int, sizes: Sizes, kept: Path
) -> None:
    """Play them all; each row is kept as soon as it is there."""
    games = list(_games(chosen, only, rounds))
    began = time.monotonic()
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.open("w", buffering=1) as file:
        print(Circumstances.here(sizes.fsync, sizes.amounts()).as_line(), file=file)
        for number, (turn, name, peer) in enumerate(games):
            minutes = (time.monotonic() - began) / 60
            click.echo(
                f"[{number + 1}/{len(games)}, {minutes:.1f} min] {peer.name}: {name} … ",
                err=True,
                nl=False,
            )
            row = _play(turn, name, peer, sizes)
            said = ", ".join(f"{key} {show(value)}" for key, value in row.found.items())
            click.echo(said or row.fault, err=True)
            print(row.as_line(), file=file)


def _games(
    chosen: Sequence[Peer], only: Sequence[str], rounds: int
) -> Iterator[tuple[int, str, Peer]]:
    for turn in range(rounds):
        first = turn % len(chosen)
        for name in only:
            for peer in [*chosen[first:], *chosen[:first]]:
                if name not in peer.skips:
                    yield turn, name, peer


def _play(turn: int, name: str, peer: Peer, sizes: Sizes) -> Row:
    load = os.getloadavg()[0]
    try:
        found = anyio.run(measures.ALL[name], peer, sizes)
    except Exception as error:  # noqa: BLE001 - one peer's fault must not end the others' run
        return Row(peer.name, turn, load, {}, f"{name}: {error!r}")
    return Row(peer.name, turn, load, found)


if __name__ == "__main__":
    sys.exit(compare())
