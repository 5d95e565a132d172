"""`musterd run`: the daemon."""

import click

from musterd.cli.command import ExampleCommand


@click.command(
    cls=ExampleCommand,
    examples="""
        musterd run --agents agents.toml
        musterd run --agents agents.toml --agents summaries.agents --capacity 50
        musterd run --embedded --agents mypackage.agents:review
        VALKEY_URL=redis://valkey.example:6379 musterd run --node build1
    """,
)
@click.option("--embedded", is_flag=True, help="Start a private Valkey in the state folder.")
@click.option(
    "--agents",
    multiple=True,
    metavar="SOURCE",
    help="Agent kinds: a TOML file, module or module:attribute. May be repeated.",
)
@click.option("--node", metavar="NAME", help="This daemon's name; the host's unless told.")
@click.option("--capacity", metavar="N", help="Agents alive at once on this daemon.")
@click.option("--prefix", metavar="TEXT", help="What every key begins with.")
@click.option("--state-dir", metavar="FOLDER", help="Where the embedded server keeps its data.")
@click.option("--log-level", metavar="LEVEL", help="debug, info, warning or error.")
@click.option("--log-format", metavar="FORMAT", help="auto, json or console.")
def run(*, embedded: bool, agents: tuple[str, ...], **given: str | None) -> None:
    """Run the daemon: claim tasks, start their agents, supervise them.

    It runs in the foreground and logs to standard error. SIGTERM and SIGINT drain: nothing more is
    claimed, and running agents may finish within MUSTERD_DRAIN_TIMEOUT. A second signal stops the
    agents at once. Exit code 0 after a clean stop.

    Each option wins over the setting of the same name in the environment (MUSTERD_NODE, …), which
    wins over .env. The other settings are listed in .env.example.
    """
    import anyio  # noqa: PLC0415 - `--help` does without the whole daemon

    from musterd import logs, service  # noqa: PLC0415 - as above
    from musterd.settings import load  # noqa: PLC0415 - as above

    settings = load(embedded=embedded or None, agents=",".join(agents) or None, **given)
    logs.configure(settings.log_level, settings.log_format)
    anyio.run(service.run, settings)
