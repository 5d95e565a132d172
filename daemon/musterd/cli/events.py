"""`musterd events`: what has happened, and what happens."""

import contextlib
import re
from typing import TYPE_CHECKING

import click

from musterd.cli.call import call
from musterd.cli.command import ExampleCommand, json_option
from musterd.cli.output import print_json
from musterd.display import STYLES, one_line, why

if TYPE_CHECKING:
    from musterd.client import Client
    from musterd.records import Event

_START = "0-0"
_PLACE = re.compile(r"([0-9]{1,19})(-[0-9]{1,19})?")


def _place(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is None:
        return None
    match = _PLACE.fullmatch(value)
    if match is None:
        raise click.BadParameter(
            f"{value!r} is no place: it is the `place` of an event, such as 1763780400123-0, or 0"
        )
    return value if match[2] else f"{value}-0"


@click.command(
    cls=ExampleCommand,
    examples="""
        musterd events                                  all that are kept
        musterd events --follow                         those to come, until Ctrl-C
        musterd events --follow --json --count 1        wait for the next one
        musterd events --since 1763780400123-0 --json   go on after the last one seen
    """,
)
@click.option("--follow", "-f", is_flag=True, help="Go on with those to come, until Ctrl-C.")
@click.option(
    "--since",
    metavar="PLACE",
    callback=_place,
    help="Only those after this place, the `place` of an event in --json; 0 for all.",
)
@click.option("--count", "-n", type=click.IntRange(min=1), metavar="N", help="End after so many.")
@json_option("one event a line, as in the contract, with its `place` in the log")
def events(*, follow: bool, since: str | None, count: int | None, as_json: bool) -> None:
    """Print events, the oldest first.

    Without --since: all that are kept, or with --follow only those to come. If the events after
    PLACE were trimmed away, this says so and which is the first one left, with exit code 1.
    """
    place = since or (None if follow else _START)

    async def work(client: "Client") -> None:
        left = count
        async with contextlib.aclosing(client.events(place, follow=follow)) as found:
            async for event in found:
                _print(event, as_json=as_json)
                left = left and left - 1
                if left == 0:
                    return

    call(work)


def _print(event: "Event", *, as_json: bool) -> None:
    if as_json:
        print_json({"place": event.place, **event.fields})
    else:
        click.echo(_line(event))


def _line(event: "Event") -> str:
    told = {name: one_line(str(value)) for name, value in event.fields.items()}
    kind_of_event = click.style(f"{one_line(event.type):15}", fg=_style(event.type))
    subject = told.get("agentId") or told.get("taskId", "")
    cause = why(told.get("reason"), told.get("error"))
    parts = (told.get("timestamp", ""), kind_of_event, subject, told.get("kind", ""), cause)
    return "  ".join(parts).rstrip()


def _style(event_type: str) -> str | None:
    return STYLES.get(event_type.rpartition(".")[2])
