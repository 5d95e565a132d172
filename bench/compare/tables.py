"""What was found, as Markdown that can be read on a terminal, too."""

from collections.abc import Sequence
from typing import Final

from bench.compare import figures
from bench.compare.circumstances import Circumstances
from bench.compare.figures import COUNTED, Rounds, Row, Spread
from bench.compare.peers import ALL, OURS

_TOPICS: Final = (
    ("drain", "bulk submit", "plain submit"),
    ("start p50", "start p99", "kill p50", "kill p99"),
    ("memory", "server CPU", "wire", "inside"),
)
"""The figures of each table."""


def render(circumstances: Circumstances, rows: Sequence[Row]) -> str:
    """Circumstances, peers, a table a topic of what was found and one of ratios, and faults."""
    rounds = figures.gather(rows)
    peers = [name for name in ALL if name in rounds]
    parts = [_describe(circumstances, rows), _draw(_peer_table(peers))]
    for topic in _TOPICS:
        names = [name for name in topic if any(name in found for found in rounds.values())]
        parts += [_draw(_table(rounds, peers, names))] if names else []
        compared = [name for name in names if name not in COUNTED]
        if compared and rounds.keys() > {OURS}:
            parts += [_draw(_ratio_table(rounds, peers, compared))]
    parts += [f"{row.peer}, round {row.turn + 1}: {row.fault}" for row in rows if row.fault]
    return "\n\n".join(parts)


def _describe(circumstances: Circumstances, rows: Sequence[Row]) -> str:
    loads = Spread.of([row.load for row in rows])
    rounds = len({row.turn for row in rows})
    return (
        f"{circumstances} Rounds: {rounds}; load average {loads}. Median (least to most). "
        f'A row "beside" a peer: how many times as good {OURS} is, within a round.'
    )


def _peer_table(peers: Sequence[str]) -> list[list[str]]:
    return [
        ["peer", "version", "set up"],
        *([name, ALL[name].version, ALL[name].tuning] for name in peers),
    ]


def _table(rounds: Rounds, peers: Sequence[str], names: Sequence[str]) -> list[list[str]]:
    lines = [
        [peer, *(_cell(Spread.of([*rounds[peer].get(name, {}).values()])) for name in names)]
        for peer in peers
    ]
    return [["", *(figures.ALL[name].title for name in names)], *lines]


def _ratio_table(rounds: Rounds, peers: Sequence[str], names: Sequence[str]) -> list[list[str]]:
    lines = [
        [f"beside {peer}", *(_cell(figures.ratios(rounds, OURS, peer, name)) for name in names)]
        for peer in peers
        if peer != OURS
    ]
    return [["", *(figures.ALL[name].title for name in names)], *lines]


def _cell(spread: Spread | None) -> str:
    return str(spread) if spread else ""


def _draw(table: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns are as wide as what is in them."""
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]))]
    head, *body = table
    lines = [head, ["-" * width for width in widths], *body]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in lines
    )
