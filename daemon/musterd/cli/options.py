"""Options that several commands have."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from musterd.cli import completers

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

wait_timeout_option: Final = click.option(
    "--wait-timeout",
    type=click.FloatRange(min=0),
    metavar="S",
    show_default="no end",
    help="Seconds to wait, with --wait.",
)

_SETTINGS: Final = (
    click.option(
        "--agents",
        multiple=True,
        metavar="SOURCE",
        shell_complete=completers.files,
        show_default="MUSTERD_AGENTS",
        help="Agent kinds: a TOML file, module or module:attribute. May be repeated.",
    ),
    click.option(
        "--node",
        metavar="NAME",
        show_default="MUSTERD_NODE, else the host's",
        help="The daemon's name.",
    ),
    click.option(
        "--capacity",
        metavar="N",
        show_default="MUSTERD_CAPACITY, else 1000",
        help="Agents alive at once on the daemon.",
    ),
    click.option(
        "--prefix",
        metavar="TEXT",
        show_default="MUSTERD_PREFIX, else orchestrator",
        help="What every key begins with.",
    ),
    click.option(
        "--state-dir",
        metavar="FOLDER",
        shell_complete=completers.folders,
        show_default="MUSTERD_STATE_DIR, else ~/.local/state/musterd",
        help="Where the embedded server keeps its data.",
    ),
)


def settings_options(command: Decorated) -> Decorated:
    """The settings of a daemon that its command line may give."""
    for option in reversed(_SETTINGS):
        command = option(command)
    return command


def kind_option(what: str, default: str | None = "") -> Callable[[Decorated], Decorated]:
    """The option `--kind`, with what it narrows; `default` is what stands for every kind."""
    return click.option(
        "--kind",
        default=default,
        metavar="KIND",
        shell_complete=completers.kinds,
        show_default="every kind",
        help=what,
    )


def node_option(what: str, default: str | None = "") -> Callable[[Decorated], Decorated]:
    """The option `--node`, with what it narrows; `default` is what stands for all daemons."""
    return click.option(
        "--node",
        default=default,
        metavar="NAME",
        shell_complete=completers.nodes,
        show_default="all of them",
        help=what,
    )


def check_wait(wait_timeout: float | None, *, wait: bool) -> None:
    """Refuse `--wait-timeout` without `--wait`."""
    if wait_timeout is not None and not wait:
        raise click.UsageError("--wait-timeout is of use with --wait only")
