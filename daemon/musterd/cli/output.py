"""How data leaves a command: JSON, or columns for a person. All of it goes to standard output."""

import json
import sys
from collections.abc import Sequence
from typing import Final

import click

from musterd.display import STYLES
from musterd.jsons import Json

STATUS: Final = "STATUS"
"""The title of the column that is coloured by its values."""


def print_json(value: Json) -> None:
    """Print one document on one line, in ASCII: it survives every locale and every terminal."""
    click.echo(json.dumps(value))


def warn(sentence: str) -> None:
    """Tell the person something that is no data."""
    click.echo(f"musterd: {sentence}", err=True)


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns: coloured and fitted to a terminal, in full length anywhere else."""
    if sys.stdout.isatty():
        _print_fitted(titles, rows)
    else:
        _print_plain(titles, rows)


def _print_plain(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [titles, *([cell or "-" for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _print_fitted(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for index, title in enumerate(titles):
        # An id is folded rather than cut: people copy it.
        table.add_column(title, no_wrap=index > 0, overflow="ellipsis" if index else "fold")
    status = titles.index(STATUS)
    for row in rows:
        cells = [Text(cell) for cell in row]
        cells[status].stylize(STYLES.get(row[status], ""))
        table.add_row(*cells)
    Console().print(table)
