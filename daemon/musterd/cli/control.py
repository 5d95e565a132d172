"""`musterd pause`, `resume` and `drain`: commands to daemons that are alive."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import click

from musterd.cli.call import call
from musterd.cli.command import EXITS, ManualCommand, json_option
from musterd.cli.options import check_wait, kind_option, node_option, wait_timeout_option
from musterd.cli.output import print_json, warn
from musterd.display import one_line
from musterd.errors import MusterdError, UnknownKindError, UnreachableError

if TYPE_CHECKING:
    from musterd.client import Client

_node_option = node_option("Only this daemon.", default=None)
_kind_option = kind_option("Only tasks of this kind, on the daemons that offer it.", default=None)
_json_option = json_option("one reply a line, as the daemons gave them")
_LOOK_EVERY = 0.1
"""Seconds between two looks at daemons that are to end."""

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
    exits=_EXITS | {1: f"{_EXITS[1]}; or has not ended in time, with --wait"},
    examples="""
        musterd drain --node build1 --wait    before the machine is updated
        musterd drain                         every daemon
    """,
)
@_node_option
@click.option("--wait", is_flag=True, help="Return when those that answered have ended.")
@wait_timeout_option
@_json_option
def drain(*, node: str | None, wait: bool, wait_timeout: float | None, as_json: bool) -> int:
    """Let running agents finish, and end the daemon.

    As SIGTERM does: nothing more is claimed, and what still runs after MUSTERD_DRAIN_TIMEOUT is
    stopped; its task goes back to the queue if it has attempts left, and else has failed. Without
    --wait this returns when the daemons have answered, not when they have ended.
    """
    check_wait(wait_timeout, wait=wait)

    async def work(client: "Client") -> int:
        before = {one.node: one.epoch for one in await client.nodes()}
        code, obeying = await _order(client, "drain", node, None, as_json=as_json)
        if wait:  # one that has not heard of it may never end
            epochs = {name: before[name] for name in obeying & before.keys()}
            await _ended(client, epochs, wait_timeout)
        return code

    return call(work)


async def _ended(client: "Client", epochs: Mapping[str, str], limit: float | None) -> None:
    """Return when none of these daemons is alive; another life of one is not it.

    Raises:
        MusterdError: one is alive after `limit` seconds.
    """
    import anyio  # noqa: PLC0415 - `--help` does without

    alive = set(epochs)
    with anyio.move_on_after(limit):
        while alive := await still_alive(client, epochs):  # noqa: ASYNC110 - no event comes
            await anyio.sleep(_LOOK_EVERY)
    if alive:
        names = ", ".join(map(one_line, sorted(alive)))
        raise MusterdError(f"not ended after {limit:g} s: {names}; see `musterd ps`")


async def still_alive(client: "Client", epochs: Mapping[str, str]) -> set[str]:
    """Which of these daemons are: none where the server was the daemon's own, and is gone.

    Raises:
        UnreachableError: a server that is none of a daemon's is away.
    """
    try:
        nodes = await client.nodes()
    except UnreachableError:
        if client.server == client.settings.server_name:
            raise
        return set()
    return {one.node for one in nodes if epochs.get(one.node) == one.epoch}


async def _tell(
    client: "Client", name: str, node: str | None, kind: str | None, *, as_json: bool
) -> int:
    """Send a command and print what came of it; the exit code."""
    return (await _order(client, name, node, kind, as_json=as_json))[0]


async def _order(
    client: "Client", name: str, node: str | None, kind: str | None, *, as_json: bool
) -> tuple[int, set[str]]:
    """As `_tell`; the exit code, and the daemons that have said that they obey."""
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
    obeying = {reply["node"] for reply in replies if reply.get("ok")}
    if refused and refused == strangers:
        return UnknownKindError.exit_code, obeying
    return (1 if refused or silent else 0), obeying


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
