"""What a shell offers. Kinds, daemons and ids are the server's: at once, or nothing at all.

A server that is away, slow or not ours is no error here: nobody has asked for anything yet.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import CompletionItem

from musterd.cli.call import call
from musterd.errors import MusterdError

if TYPE_CHECKING:
    from musterd.client import Client

_LIMIT: Final = 0.3
"""Seconds that the server may take."""

_MOST: Final = 100
"""Ids that are offered; of more of them no person can choose."""


def files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files and folders, as the shell knows them."""
    return [CompletionItem(incomplete, type="file")]


def folders(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Folders, as the shell knows them."""
    return [CompletionItem(incomplete, type="dir")]


def words(*choices: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """Some words."""
    return lambda _ctx, _param, incomplete: [it for it in choices if it.startswith(incomplete)]


def kinds(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The kinds that daemons have offered."""
    return _beginning(incomplete, lambda client: client.read(lambda reads: reads.offers()))


def nodes(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The daemons that are alive."""

    async def names(client: "Client") -> list[str]:
        return [record.node for record in await client.nodes()]

    return _beginning(incomplete, names)


def live_ids(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """The tasks that have not ended; once a dot was typed, the agents too."""

    async def find(client: "Client") -> list[str]:
        tasks = await client.search(lambda search: search.task_ids(incomplete, _MOST, live=True))
        if "." not in incomplete:
            return tasks.ids
        agents = await client.search(lambda search: search.live_agent_ids(incomplete, _MOST))
        return tasks.ids + agents.ids

    return _beginning(incomplete, find)[:_MOST]


def _beginning(incomplete: str, look: Callable[["Client"], Awaitable[Iterable[str]]]) -> list[str]:
    """What was found that begins with what was typed, sorted."""
    import anyio  # noqa: PLC0415 - `--help` does without

    async def in_time(client: "Client") -> Iterable[str]:
        with anyio.move_on_after(_LIMIT):
            return await look(client)
        return ()

    try:
        return sorted(text for text in call(in_time) if text.startswith(incomplete))
    except (MusterdError, click.Abort):
        return []
