"""What our commands have beyond click's: examples below their help, `--json`, JSON arguments."""

from collections.abc import Callable
from inspect import cleandoc
from typing import Any, TypeVar

import click

from musterd import jsons

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class _Examples(click.Command):
    def __init__(self, *args: Any, examples: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._examples = cleandoc(examples).splitlines()

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, line by line as they were written."""
        with formatter.section("Examples"):
            for line in self._examples:
                formatter.write(f"{' ' * formatter.current_indent}{line}\n")


class ExampleCommand(_Examples):
    """A command with examples: `@click.command(cls=ExampleCommand, examples=…)`."""


class ExampleGroup(_Examples, click.Group):
    """A group of commands with examples."""


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
