"""What our commands have beyond click's: help like a manual's page, `--json`, JSON arguments."""

from collections.abc import Callable, Mapping
from inspect import cleandoc
from typing import Any, Final, TypeVar

import click

from musterd import jsons

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

EXITS: Final = {
    0: "done",
    2: "wrong usage, or a setting or the server refuses",
    5: "Valkey is not reachable",
}
"""The exit codes of every command that asks the server something."""

BROKEN: Final = "somebody has changed its key by hand, and it cannot be read"


class _WithManual(click.Command):
    """A command whose help tells its arguments, exit codes and examples.

    Args:
        arguments: what each argument is, by the name that the usage line gives it.
        exits: what each exit code means.
        examples: one a line, and beside it, after three spaces or more, what it does.
    """

    def __init__(
        self,
        *args: Any,
        arguments: Mapping[str, str] | None = None,
        exits: Mapping[int, str] = EXITS,
        examples: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._arguments = arguments or {}
        self._exits = exits
        self.examples = cleandoc(examples).splitlines()

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The arguments, then what click has."""
        if self._arguments:
            with formatter.section("Arguments"):
                formatter.write_dl(list(self._arguments.items()))
        super().format_options(ctx, formatter)

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The exit codes, and the examples line by line as they were written."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), self._exits[code]) for code in sorted(self._exits)])
        with formatter.section("Examples"):
            for line in self.examples:
                formatter.write(f"{' ' * formatter.current_indent}{line}\n")


class ManualCommand(_WithManual):
    """A command with such a help: `@click.command(cls=ManualCommand, examples=…)`."""


class ManualGroup(_WithManual, click.Group):
    """A group of commands with such a help."""


def read_json(_ctx: click.Context, _param: click.Parameter, value: str | None) -> jsons.Json:
    """The callback of an option that takes a JSON document."""
    if value is None:
        return None
    try:
        document: jsons.Json = jsons.loads(value)
    except jsons.JsonError as error:
        raise click.BadParameter(str(error)) from None
    return document


def json_option(prints: str) -> Callable[[Decorated], Decorated]:
    """The option `--json`, with what it prints."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print {prints}.")
