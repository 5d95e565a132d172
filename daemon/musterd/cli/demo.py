"""`musterd demo`: see it at work."""

import click

from musterd.cli.command import ManualCommand


@click.command(
    cls=ManualCommand,
    exits={0: "each agent ended as it should", 1: "one did not, or something is missing"},
    examples="""
        musterd demo              live, on a terminal
        musterd demo | cat        plain lines
    """,
)
def demo() -> int:
    """Show agents of several kinds at real work.

    A daemon and a Valkey of its own run them, in a temporary folder that is gone afterwards;
    settings, servers and daemons of yours are not touched. It takes about ten seconds and needs
    git.
    """
    import anyio  # noqa: PLC0415 - `--help` does without

    from musterd.demo import play  # noqa: PLC0415 - as above

    return anyio.run(play.run)
