"""`musterd logs`: what an agent has written, and what it writes."""

from typing import TYPE_CHECKING, Final

import click

from musterd.cli import completers
from musterd.cli.call import call
from musterd.cli.command import BROKEN, EXITS, ManualCommand, json_option
from musterd.cli.output import print_json, warn
from musterd.cli.shortened import latest_agent, with_whole_id
from musterd.display import visible
from musterd.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from musterd.client import Client
    from musterd.records import Line

    _Show = Callable[[Sequence[Line]], None]

_FIRST: Final = "0-0"
_PAUSE: Final = 0.2
"""Seconds between two looks for more."""


@click.command(
    cls=ManualCommand,
    arguments={
        "ID": "An agent's, or a task's for its latest agent; or as much of it as is unambiguous."
    },
    exits=EXITS
    | {
        1: BROKEN,
        2: f"{EXITS[2]}; or ID may stand for several",
        3: "there is no such task or agent",
        130: "ended by Ctrl-C",
    },
    examples="""
        musterd logs 4f0c1b.1                what is kept of an agent's output
        musterd logs 4f0c1b --follow         of a task's latest, until that ends
        musterd logs 4f0c1b.2 --times -n 5   the last five lines, with their times
    """,
)
@click.argument("record_id", metavar="ID", shell_complete=completers.live_ids)
@click.option("--follow", "-f", is_flag=True, help="Go on until the agent has ended.")
@click.option(
    "--count",
    "-n",
    type=click.IntRange(min=0),
    metavar="N",
    show_default="all that are kept",
    help="Begin with the last N lines.",
)
@click.option("--times", "-t", is_flag=True, help="Each line with its time and stream.")
@json_option("one line of output a line: `place`, `at`, `stream`, `line`")
def logs(*, record_id: str, follow: bool, count: int | None, times: bool, as_json: bool) -> None:
    """Print what an agent wrote, the oldest line first.

    The last lines of each agent are kept with its record, as many as MUSTERD_OUTPUT_LINES says on
    its daemon: what a command wrote to standard output and error, what a Python agent logged, and
    the traceback of its failure. The daemon's own log has all of them.
    """

    def show(lines: "Sequence[Line]") -> None:
        for line in lines:
            if as_json:
                print_json(line.as_json())
            else:
                click.echo(_text(line, times=times))

    async def work(client: "Client") -> None:
        agent_id = await with_whole_id(client, record_id, lambda whole: latest_agent(client, whole))
        lines = await client.output(agent_id)
        show(lines[max(0, len(lines) - count) :] if count is not None else lines)
        if follow:
            await _follow(client, agent_id, lines[-1].place if lines else _FIRST, show)

    call(work)


async def _follow(
    client: "Client", agent_id: str, place: str, show: "Callable[[Sequence[Line]], None]"
) -> None:
    import anyio  # noqa: PLC0415 - `--help` does without it

    ended = False
    while not ended:
        # In this order: what it wrote before its end is there once the end is.
        ended = await _has_ended(client, agent_id)
        lines = await client.output(agent_id, place)
        if lines:
            _tell_gap(place, lines[0].place)
            show(lines)
            place = lines[-1].place
        elif not ended:
            await anyio.sleep(_PAUSE)


async def _has_ended(client: "Client", agent_id: str) -> bool:
    from musterd.states import AGENT_LIVE  # noqa: PLC0415 - `--help` does without it

    try:
        return (await client.get(agent_id)).status not in AGENT_LIVE
    except NotFoundError:  # trimmed meanwhile
        return True


def _tell_gap(before: str, after: str) -> None:
    missed = _number(after) - _number(before) - 1
    if missed > 0:
        warn(f"{missed} lines came faster than they could be read, and are not kept")


def _number(place: str) -> int:
    number = place.partition("-")[0]
    return int(number) if number.isdecimal() else 0


def _text(line: "Line", *, times: bool) -> str:
    text = visible(line.line)
    return f"{line.at}  {line.stream:6}  {text}" if times else text
