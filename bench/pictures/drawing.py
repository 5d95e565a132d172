"""Draws: `python -m bench.pictures.drawing POINTS FOLDER`, where matplotlib is.

The pictures have no background, and colours that can be told apart on white and on black.
"""

import itertools
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.pictures.points import ALL, Picture, Point

OURS: Final = "musterd"
_OUR_COLOUR: Final = "#e8590c"
_COLOURS: Final = ("#3b82f6", "#8b6cd9", "#1f9d78", "#b08a2e")
_INK: Final = "#7d8590"
_STYLE: Final = {
    "axes.edgecolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "musterd",
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}
_NEAREST: Final = 13
"""Points between two names at the right edge, at least."""

Line: TypeAlias = list[tuple[int, list[float]]]
"""By amount, what was found in each round."""


def colours_of(points: Sequence[Point]) -> Mapping[str, str]:
    """A colour for each peer, the same in all pictures, ours first."""
    peers = sorted({point.peer for point in points}, key=lambda peer: (peer != OURS, peer))
    return dict(zip(peers, itertools.chain([_OUR_COLOUR], itertools.cycle(_COLOURS)), strict=False))


def draw(picture: Picture, points: Sequence[Point], colours: Mapping[str, str]) -> Figure:
    """A picture of these points."""
    figure = Figure(figsize=(7.6, 3.8), layout="constrained")
    axes = figure.add_subplot()
    ends: dict[str, tuple[int, list[float]]] = {}
    there = {point.peer for point in points}
    for peer in reversed([peer for peer in colours if peer in there]):  # ours over the others
        for name, style in zip(picture.figures, ("-", "--"), strict=False):
            line = _line(points, peer, name)
            _draw_line(axes, line, colours[peer], style, 2.4 if peer == OURS else 1.4)
            ends.setdefault(peer, line[-1])
    _frame(axes, picture)
    figure.draw_without_rendering()  # what is where is known from here on
    _name_lines(axes, ends, colours)
    return figure


def _line(points: Sequence[Point], peer: str, name: str) -> Line:
    found: dict[int, list[float]] = {}
    for point in points:
        if point.peer == peer:
            found.setdefault(point.amount, []).append(point.found[name])
    return sorted(found.items())


def _draw_line(axes: Axes, line: Line, colour: str, style: str, width: float) -> None:
    amounts = [amount for amount, _ in line]
    medians = [statistics.median(values) for _, values in line]
    axes.plot(amounts, medians, style, color=colour, linewidth=width, marker="o", markersize=3)
    least, most = [min(values) for _, values in line], [max(values) for _, values in line]
    axes.fill_between(amounts, least, most, color=colour, alpha=0.15, linewidth=0)


def _frame(axes: Axes, picture: Picture) -> None:
    axes.set_title(picture.title, loc="left", fontsize=11)
    axes.set_xlabel(picture.along, color=_INK)
    axes.set_xscale("log")
    if picture.is_log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    else:
        axes.set_ylim(bottom=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:,.10g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.yaxis.grid(visible=True, color=_INK, alpha=0.25, linewidth=0.6)


def _name_lines(
    axes: Axes, ends: Mapping[str, tuple[int, list[float]]], colours: Mapping[str, str]
) -> None:
    """Each peer's name beside the end of its line, pushed up where another one is in its place."""
    places = {
        peer: axes.transData.transform((amount, statistics.median(values)))
        for peer, (amount, values) in ends.items()
    }
    lowest = -float("inf")
    for peer, (_, height) in sorted(places.items(), key=lambda place: place[1][1]):
        lowest = max(height, lowest + _NEAREST)
        amount, values = ends[peer]
        axes.annotate(
            peer,
            (amount, statistics.median(values)),
            xytext=(7, lowest - height - 3),
            textcoords="offset points",
            color=colours[peer],
            fontweight="bold" if peer == OURS else "normal",
        )


def main() -> None:
    """Draw each picture that there are points of."""
    points = [Point.of_line(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    colours = colours_of(points)
    with mpl.rc_context(_STYLE):
        for name, picture in ALL.items():
            if chosen := [point for point in points if point.picture == name]:
                path = Path(sys.argv[2], f"bench-{name}.svg")
                figure = draw(picture, chosen, colours)
                figure.savefig(path, transparent=True, metadata={"Date": None})
                print(path)


if __name__ == "__main__":
    main()
