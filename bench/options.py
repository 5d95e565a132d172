"""Options that several of these programs have."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

small_option = click.option(
    "--small", is_flag=True, help="Much less of everything: whether it works at all."
)

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


def names_option(flag: str, known: Collection[str]) -> Callable[[Decorated], Decorated]:
    """An option that takes some of these names, which commas separate; all of them unless given."""

    def names(_context: click.Context, _option: click.Parameter, given: str) -> list[str]:
        names = given.split(",") if given else list(known)
        if unknown := sorted(set(names) - set(known)):
            raise click.BadParameter(f"{unknown[0]!r} is none of: {', '.join(known)}")
        return names

    return click.option(
        flag, default="", metavar="NAME,…", callback=names, help="Of: " + ", ".join(known)
    )
