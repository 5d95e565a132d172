"""Options that several of these programs have."""

from pathlib import Path

import click

cache_option = click.option(
    "--cache",
    default=".bench",
    envvar="BENCH_CACHE",
    show_default=True,
    show_envvar=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the peers are installed, and what the last run has found is kept.",
)

again_option = click.option(
    "--again",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Measure nothing; show what this file has.",
)
