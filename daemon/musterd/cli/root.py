"""The command `musterd` itself. A subcommand's file is imported when it is asked for."""

import sys
from importlib import import_module
from typing import Final

import click

from musterd import __version__
from musterd.cli.command import ManualGroup

_HOMES: Final = {
    "run": "musterd.cli.run",
    "submit": "musterd.cli.submit",
    "kill": "musterd.cli.kill",
    "ps": "musterd.cli.ps",
    "top": "musterd.cli.top",
    "show": "musterd.cli.show",
    "logs": "musterd.cli.logs",
    "send": "musterd.cli.send",
    "events": "musterd.cli.events",
    "pause": "musterd.cli.control",
    "resume": "musterd.cli.control",
    "drain": "musterd.cli.control",
    "doctor": "musterd.cli.doctor",
    "demo": "musterd.cli.demo",
    "completion": "musterd.cli.completion",
}


class _LazyGroup(ManualGroup):
    def list_commands(self, _ctx: click.Context) -> list[str]:
        """In the order in which one meets them."""
        return list(_HOMES)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        """The command that the file of this name defines."""
        if name not in _HOMES:
            return None
        command: click.Command = getattr(import_module(_HOMES[name]), name)
        return command


@click.group(
    cls=_LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 90,
        "show_default": True,
    },
    exits={
        0: "done",
        1: "failed",
        2: "wrong usage or settings",
        3: "not found",
        4: "had ended already",
        5: "Valkey is not reachable",
        130: "interrupted, by Ctrl-C",
    },
    examples="""
        musterd demo                                      see it at work
        musterd run --embedded --agents agents.toml       the daemon
        musterd submit check --context '{"path": "."}'    a task for it
        musterd ps                                        what is alive
        musterd kill 4f0c1b                               stop a task
    """,
)
@click.version_option(__version__, prog_name="musterd", message="%(prog)s %(version)s")
@click.pass_context
def musterd(ctx: click.Context) -> None:
    """Supervise agents, with Valkey as the state plane.

    Settings come from the environment and from .env: VALKEY_URL says where the server is,
    MUSTERD_PREFIX what its keys begin with. Where no server is named, the embedded one of this
    user is used if it runs.

    Colours are for terminals, and not where NO_COLOR is set or TERM is `dumb`. What is data goes
    to standard output, everything else to standard error.
    """
    if sys.stdout.isatty():
        from musterd.environment import color_allowed  # noqa: PLC0415 - `--help` does without

        ctx.color = None if color_allowed() else False  # click asks the commands' context for it
