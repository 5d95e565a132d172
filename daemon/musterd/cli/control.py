"""`musterd pause`, `resume` and `drain`: commands to daemons that are alive."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import click

from musterd.cli.call import call
from musterd.cli.command import EXITS, ManualCommand, json_option
from musterd.cli.options import kind_option, node_option
from musterd.cli.output import print_json, warn
from musterd.display import one_line
from musterd.errors import MusterdError, UnknownKindError

if TYPE_CHECKING:
    from musterd.client import Client

_node_option = node_option("Only this daemon.", default=None)
_kind_option = kind_option("Only tasks of this kind, on the daemons that offer it.", default=None)
_json_option = json_option("one reply a line, as the daemons gave them")
_EXITS = EXITS | {1: "no daemon is running, or one has refused or not answered"}
_EXITS_OF_KIND = _EXITS | {2: f"{EXITS[2]}; or no daemon that was asked offers the kind"}


@click.command(
    cls=ManualCommand,
    exits=_EXITS_OF_KIND,
    examples="""
        musterd pause                  every daemon
        musterd pause --node build1    one of them
        musterd pause --kind check     one kind, wherever it is offered
    """,
)
@_kind_option
@_node_option
@_json_option
def pause(*, kind: str | None, node: str | None, as_json: bool) -> int:
    """Stop claiming new tasks; running agents go on.

    It lasts until `musterd resume` or the daemon's next start. Tasks can be submitted meanwhile,
    and wait. Each daemon is paused by itself, and one that starts later is not.
    """
    return call(lambda client: _tell(client, "pause", node, kind, as_json=as_json))


@click.command(
    cls=ManualCommand,
    exits=_EXITS_OF_KIND,
    examples="""
        musterd resume                  every daemon
        musterd resume --node build1    one of them
        musterd resume --kind check     one kind that was paused by its name
    """,
)
@_kind_option
@_node_option
@_json_option
def resume(*, kind: str | None, node: str | None, as_json: bool) -> int:
    """Claim tasks again, after `musterd pause`.

    Without --kind every pause ends, also those of single kinds. With it only that one does: while
    all of a daemon is paused, it still claims nothing.
    """
    return call(lambda client: _tell(client, "resume", node, kind, as_json=as_json))


@click.command(
    cls=ManualCommand,
    exits=_EXITS,
    examples="""
        musterd drain --node build1    before the machine is updated
        musterd drain                  every daemon
    """,
)
@_node_option
@_json_option
def drain(*, node: str | None, as_json: bool) -> int:
    """Let running agents finish, and end the daemon.

    As SIGTERM does: nothing more is claimed, and what still runs after MUSTERD_DRAIN_TIMEOUT is
    stopped; its task goes back to the queue if it has attempts left, and else has failed. This
    returns when the daemons have answered, not when they have ended.
    """
    return call(lambda client: _tell(client, "drain", node, None, as_json=as_json))


async def _tell(
    client: "Client", name: str, node: str | None, kind: str | None, *, as_json: bool
) -> int:
    """Send a command and print what came of it; the exit code."""
    alive = {record.node for record in await client.nodes()}
    if not (node or alive):
        raise MusterdError("no daemon is running")
    replies = await client.command(name, node=node, kind=kind)
    silent = ({node} if node else alive) - {reply["node"] for reply in replies}
    _warn_of(silent, alive)
    refused = _print(replies, kind, as_json=as_json)
    strangers = [reply for reply in refused if _code(reply) == UnknownKindError.code]
    if strangers and len(strangers) < len(replies):  # one that offers the kind has done it
        refused = [reply for reply in refused if reply not in strangers]
    for reply in refused:
        warn(f"{reply['node']}: {one_line(str(reply.get('error', {}).get('message', '')))}")
    if refused and refused == strangers:
        return UnknownKindError.exit_code
    return 1 if refused or silent else 0


def _warn_of(silent: Collection[str], alive: Collection[str]) -> None:
    for one in sorted(silent):
        unknown = "no daemon of this name answered; see `musterd ps`"
        warn(f"{one}: {'did not answer' if one in alive else unknown}")


def _print(
    replies: list[dict[str, Any]], kind: str | None, *, as_json: bool
) -> list[dict[str, Any]]:
    """Print the replies; those that refuse."""
    for reply in replies:
        if as_json:
            print_json(reply)
        elif reply.get("ok"):
            click.echo(f"{reply['node']}: {_outcome(reply['result'], kind)}")
    return [reply for reply in replies if not reply.get("ok")]


def _outcome(result: dict[str, Any], kind: str | None) -> str:
    state = str(result.get("state"))
    if kind is None:
        return state
    if kind in result.get("pausedKinds", ()):
        return f"{kind} paused"
    return f"{kind} resumed" + ("" if state == "active" else f", but the daemon is {state}")


def _code(reply: dict[str, Any]) -> str:
    return str(reply.get("error", {}).get("code", ""))
