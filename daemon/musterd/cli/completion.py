"""`musterd completion`: the script by which a shell completes our commands."""

import click
from click.shell_completion import get_completion_class

from musterd.cli.command import ManualCommand

_SHELLS = ("bash", "zsh", "fish")


@click.command(
    cls=ManualCommand,
    arguments={"SHELL": f"One of {', '.join(_SHELLS)}."},
    exits={0: "done", 2: "wrong usage"},
    examples="""
        eval "$(musterd completion bash)"      in ~/.bashrc
        eval "$(musterd completion zsh)"       in ~/.zshrc, after compinit
        musterd completion fish | source       in ~/.config/fish/config.fish
    """,
)
@click.argument("shell", type=click.Choice(_SHELLS), metavar="SHELL")
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes our commands in a shell.

    Completed are commands, options and states; and from the server, if it answers within 0.3 s,
    kinds, daemons, and the ids of what is alive. Bash must be 4.4 or newer.
    """
    script = get_completion_class(shell)
    assert script is not None  # noqa: S101 - click has these three
    root = ctx.find_root()
    click.echo(script(root.command, {}, "musterd", "_MUSTERD_COMPLETE").source())
