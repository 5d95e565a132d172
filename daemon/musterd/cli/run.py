"""`musterd run`: the daemon."""

import os
import sys
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from musterd.cli import completers
from musterd.cli.command import ManualCommand
from musterd.cli.options import settings_options
from musterd.errors import MusterdError

if TYPE_CHECKING:
    from collections.abc import Callable

    from musterd.settings import Settings

_LEFT: Final = 3.0
"""Seconds that tasks and threads which agents left behind may take to end after the daemon."""


@click.command(
    cls=ManualCommand,
    exits={
        0: "a clean stop",
        1: "its name or state folder is another's, or endings could not be written",
        2: "wrong usage, settings or kinds; or the server refuses",
    },
    examples="""
        musterd run --agents agents.toml
        musterd run --agents agents.toml --agents summaries --capacity 50
        musterd run --embedded --agents mypackage.agents:review
        VALKEY_URL=redis://valkey.example:6379 musterd run --node build1
    """,
)
@click.option("--embedded", is_flag=True, help="Start a private Valkey in the state folder.")
@settings_options
@click.option(
    "--log-level",
    metavar="LEVEL",
    shell_complete=completers.words("debug", "info", "warning", "error"),
    show_default="info",
    help="debug, info, warning or error.",
)
@click.option(
    "--log-format",
    metavar="FORMAT",
    shell_complete=completers.words("auto", "json", "console"),
    show_default="auto",
    help="auto, json or console.",
)
def run(*, embedded: bool, agents: tuple[str, ...], **given: str | None) -> int:
    """Run the daemon: claim tasks, start and supervise their agents.

    It runs in the foreground and logs to standard error. SIGTERM and SIGINT drain: nothing more is
    claimed, and running agents may finish within MUSTERD_DRAIN_TIMEOUT. A second signal stops the
    agents at once. While Valkey is away it waits for it. SIGHUP reads kinds, capacity and log level
    again; a mistake in them is refused, and logged.

    Each option wins over the setting of the same name in the environment (MUSTERD_NODE, …), which
    wins over .env. The other settings are listed in .env.example.
    """
    from musterd import logs  # noqa: PLC0415 - `--help` does without the whole daemon
    from musterd.settings import load  # noqa: PLC0415 - as above
    from musterd.systemd import INSIST, notify  # noqa: PLC0415 - as above

    read = partial(load, embedded=embedded or None, agents=",".join(agents) or None, **given)
    try:
        settings = read()
        logs.configure(settings.log_level, settings.log_format)
        return _serve(settings, read)
    except MusterdError as error:
        notify("STATUS=" + " ".join(str(error).split()), patience=INSIST)
        raise


def _serve(settings: "Settings", read: "Callable[[], Settings]") -> int:
    """Run the daemon to its end; the exit code."""
    import asyncio  # noqa: PLC0415 - as above
    import faulthandler  # noqa: PLC0415 - as above

    import structlog  # noqa: PLC0415 - as above

    from musterd import garbage, logs, service  # noqa: PLC0415 - as above

    garbage.look_seldom()
    if sys.stderr is not None:
        faulthandler.enable()  # the watchdog's SIGABRT shows where the daemon stands
    code, sentence = 1, ""
    # Not anyio.run: there is no room for a clock before it waits for tasks and threads left behind.
    with asyncio.Runner() as runner:
        try:
            runner.run(service.run(settings, read))
            code = 0
        except MusterdError as error:
            code, sentence = error.exit_code, str(error)
            raise
        except (Exception, SystemExit):  # noqa: BLE001 - a fault, of musterd or of an agent's callback
            structlog.get_logger().exception("the daemon failed")
        finally:
            # A slow journal may take its time, what an agent has left behind may not.
            logs.flush()
            _leave_in_time(code, sentence)
    return code


def _leave_in_time(code: int, sentence: str) -> None:
    """End the process with this exit code, by force if it has not ended in a few seconds."""
    import structlog  # noqa: PLC0415 - as above

    from musterd import logs  # noqa: PLC0415 - as above

    def leave() -> None:
        time.sleep(_LEFT)
        structlog.get_logger().error("left with tasks or threads that do not end", error=sentence)
        logs.flush()
        os._exit(code)

    threading.Thread(target=leave, name="leave in time", daemon=True).start()
