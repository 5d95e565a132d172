"""`musterd top`: watch agents on a terminal, and kill the one that one looks at."""

import signal
import sys
from typing import TYPE_CHECKING

import click

from musterd.cli.call import call
from musterd.cli.command import EXITS, ManualCommand
from musterd.cli.output import warn

if TYPE_CHECKING:
    from musterd.client import Client

_WRONG_USAGE = 2
_TERMINATED = 128 + signal.SIGTERM


@click.command(
    cls=ManualCommand,
    exits=EXITS | {2: f"{EXITS[2]}; or this is no terminal"},
    examples="""
        musterd top                                           what runs here
        VALKEY_URL=redis://valkey.example:6379 musterd top    and there
    """,
)
def top() -> int:
    """Watch the agents, live.

    Agents with their age, state, progress and last line; queues, rates and daemons. Filter, sort,
    look at one agent's record, events and output, and kill it, after a question. Press ? for the
    keys and q to quit.
    """
    # Textual draws on standard error.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        warn("top needs a terminal; `musterd ps --json` and `musterd events --follow` do not")
        return _WRONG_USAGE
    return call(_watch)


async def _watch(client: "Client") -> int:
    import asyncio  # noqa: PLC0415 - `--help` does without

    from rich.console import Console  # noqa: PLC0415 - as above

    from musterd import logs  # noqa: PLC0415 - as above
    from musterd.top.app import TopApp  # noqa: PLC0415 - as above
    from musterd.top.feed import Feed  # noqa: PLC0415 - as above

    logs.configure("error", "console")  # a warning would tear the screen
    feed = Feed(client)
    await feed.look()  # what cannot be reached at all is told before the screen is taken
    app = TopApp(feed, no_color=Console().no_color)
    # Otherwise a SIGTERM would leave the terminal as the screen has it.
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, lambda: app.exit(return_code=_TERMINATED)
    )
    await app.run_async()
    return app.return_code or 0
