"""`musterd events`: what has happened, and what happens."""

import contextlib
import re
from collections import deque
from typing import TYPE_CHECKING

import click

from musterd.cli.call import call
from musterd.cli.command import EXITS, ManualCommand, json_option
from musterd.cli.options import kind_option
from musterd.cli.output import print_json, warn
from musterd.display import STYLES, one_line, why
from musterd.errors import UnreachableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from musterd.client import Client
    from musterd.records import Event

_START = "0-0"
_PAUSE = 0.5
"""Seconds between two looks for a server that is away."""

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
    cls=ManualCommand,
    exits=EXITS | {1: "events after PLACE may have been trimmed away", 130: "ended by Ctrl-C"},
    examples="""
        musterd events                                  all that are kept
        musterd events --count 12                       the last 12
        musterd events --kind check --follow            those to come, of a kind
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
    show_default="all that are kept",
    help="Only those after this place, the `place` of an event in --json; 0 for all.",
)
@click.option(
    "--count",
    "-n",
    type=click.IntRange(min=1),
    metavar="N",
    show_default="no end",
    help="Only the last N; with --since or --follow the first N.",
)
@kind_option("Only those of tasks and agents of this kind.")
@json_option("one event a line, as in the contract, with its `place` in the log")
def events(*, follow: bool, since: str | None, count: int | None, kind: str, as_json: bool) -> None:
    """Print events, the oldest first.

    Without --since: all that are kept, or with --follow only those to come. If events after PLACE
    may have been trimmed away, this says so and which is the first one left.
    --follow waits where the server is away, and goes on where it was.
    """

    async def work(client: "Client") -> None:
        left = count
        async with contextlib.aclosing(_find(client, since, count, kind, follow=follow)) as found:
            async for event in found:
                _print(event, as_json=as_json)
                left = left and left - 1
                if left == 0:
                    return

    call(work)


async def _find(
    client: "Client", since: str | None, count: int | None, kind: str, *, follow: bool
) -> "AsyncGenerator[Event]":
    if count and not (since or follow):
        for event in await _last(client, count, kind):
            yield event
        return
    found = _follow(client, since) if follow else client.events(since or _START, follow=False)
    async with contextlib.aclosing(found):
        async for event in found:
            if kind in {"", event.fields.get("kind")}:
                yield event


async def _last(client: "Client", count: int, kind: str) -> "Iterable[Event]":
    if not kind:
        return await client.latest_events(count)
    last: deque[Event] = deque(maxlen=count)  # how far back they begin cannot be known
    async with contextlib.aclosing(_find(client, _START, None, kind, follow=False)) as found:
        async for event in found:
            last.append(event)
    return last


async def _follow(client: "Client", since: str | None) -> "AsyncGenerator[Event]":
    """The events after a place, or those to come, over faults of the server that pass."""
    newest = await client.latest_events(1)  # also: a server that never answered is an error
    place = since or (newest[-1].place if newest else _START)
    while True:
        try:
            async with contextlib.aclosing(client.events(place)) as found:
                async for event in found:
                    place = event.place
                    yield event
        except UnreachableError as error:
            warn(f"Valkey at {error.where} does not answer: {error.problem}; waiting for it")
            await _answered(client)
            warn(f"Valkey at {error.where} answers again; going on")


async def _answered(client: "Client") -> None:
    import anyio  # noqa: PLC0415 - `--help` does without it

    while True:
        try:
            await client.latest_events(1)
        except UnreachableError:
            await anyio.sleep(_PAUSE)
        else:
            return


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
