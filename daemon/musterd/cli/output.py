"""How data leaves a command: JSON, or columns for a person. All of it goes to standard output."""

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

import click

from musterd.display import STYLES
from musterd.jsons import Json

_GAP: Final = "  "
_STEPS: Final = ((16, 9), (6, 6), (4, 4))
"""To which widths the text, and the columns in the middle, shrink step by step."""

STATUS: Final = "STATUS"
"""The title of the column that is coloured by its values."""


def print_json(value: Json) -> None:
    """Print one document on one line, in ASCII: it survives every locale and every terminal."""
    click.echo(json.dumps(value))


def warn(sentence: str) -> None:
    """Tell the person something that is no data."""
    click.echo(f"musterd: {sentence}", err=True)


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns: coloured and fitted to a terminal, in full length anywhere else.

    The first is an id, the last free text. On a terminal the text is cut first, and an id only
    where it is longer than half a line.
    """
    if sys.stdout.isatty():
        _print_fitted(titles, rows)
    else:
        _print_plain(titles, rows)


def _print_plain(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [titles, *([cell or "-" for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo(_GAP.join(cells).rstrip())


def _print_fitted(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.cells import cell_len  # noqa: PLC0415 - only a terminal needs it
    from rich.console import Console  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    console = Console(highlight=False)
    columns = zip(titles, *rows, strict=True)
    natural = [max(map(cell_len, column)) for column in columns]
    status = titles.index(STATUS)
    whole_ids = (len(row[0]) for row in rows if len(row[0]) <= console.width // 2)
    least = max(console.width // 3, *whole_ids, 0)
    widths = fit(natural, console.width, status, least)

    def cells(row: Sequence[str]) -> Iterator[Text]:
        first, *others = map(Text, row)
        if first.cell_len > widths[0]:
            first = Text(cut_middle(first.plain, widths[0]))
        for cell, width in zip((first, *others), widths, strict=True):
            cell.truncate(width, overflow="ellipsis", pad=True)
            yield cell

    lines = [Text(_GAP).join(cells(titles))]
    lines[0].stylize("bold")
    for row in rows:
        shown = list(cells(row))
        shown[status].stylize(STYLES.get(row[status], ""))
        lines.append(Text(_GAP).join(shown))
    for line in lines:
        line.rstrip()
    with console.capture() as capture:
        console.print(Text("\n").join(lines), no_wrap=True, overflow="crop")
    click.echo(capture.get(), nl=False)  # it takes colours away for whom they are not


def fit(natural: Sequence[int], line: int, whole: int, least_ids: int) -> list[int]:
    """Widths of columns with which they fit into a line, as far as they can.

    Args:
        natural: how wide each would be; the first holds ids, the last free text.
        line: how wide the line is.
        whole: the index of a column that keeps its width.
        least_ids: how wide the first must stay.
    """
    widths = list(natural)
    text = [len(widths) - 1]
    middle = [index for index in range(1, len(widths) - 1) if index != whole]
    first, *later = ([(text, cut), (middle, cell)] for cut, cell in _STEPS)
    for columns, least in chain(first, [([0], least_ids)], *map(reversed, later)):
        while (excess := sum(widths) + len(_GAP) * (len(widths) - 1) - line) > 0:
            widest = max(columns, key=widths.__getitem__)
            if widths[widest] <= least:
                break
            # All at once where one column shrinks, else by one: the widest gives way first.
            widths[widest] -= min(excess, widths[widest] - least) if len(columns) == 1 else 1
    return widths


def cut_middle(text: str, width: int) -> str:
    """An id with its beginning and its end, where the number of an attempt is."""
    end = (width - 1) // 2
    return f"{text[: width - 1 - end]}…{text[len(text) - end :]}"
