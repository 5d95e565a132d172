"""`musterd pause`, `resume` and `drain`: commands to daemons that are alive."""

from typing import TYPE_CHECKING, Any

import click

from musterd.cli.call import call
from musterd.cli.command import ExampleCommand, json_option
from musterd.cli.output import print_json, warn
from musterd.display import one_line
from musterd.errors import MusterdError

if TYPE_CHECKING:
    from musterd.client import Client

_node_option = click.option("--node", metavar="NAME", help="Only this daemon; all of them if not.")
_json_option = json_option("one reply a line, as the daemons gave them")


@click.command(
    cls=ExampleCommand,
    examples="""
        musterd pause                  every daemon
        musterd pause --node build1    one of them
    """,
)
@_node_option
@_json_option
def pause(*, node: str | None, as_json: bool) -> int:
    """Stop claiming new tasks; running agents go on.

    It lasts until `musterd resume` or the daemon's next start. Exit code 1 if a daemon did not
    answer.
    """
    return _command("pause", "paused", node, as_json=as_json)


@click.command(
    cls=ExampleCommand,
    examples="""
        musterd resume                  every daemon
        musterd resume --node build1    one of them
    """,
)
@_node_option
@_json_option
def resume(*, node: str | None, as_json: bool) -> int:
    """Claim tasks again, after `musterd pause`.

    Exit code 1 if a daemon did not answer.
    """
    return _command("resume", "active", node, as_json=as_json)


@click.command(
    cls=ExampleCommand,
    examples="""
        musterd drain --node build1    before the machine is updated
        musterd drain                  every daemon
    """,
)
@_node_option
@_json_option
def drain(*, node: str | None, as_json: bool) -> int:
    """Claim nothing more, let running agents finish, and end the daemon.

    As SIGTERM does: what still runs after MUSTERD_DRAIN_TIMEOUT is stopped and goes back to the
    queue. This returns when the daemons have answered, not when they have ended.
    """
    return _command("drain", "draining", node, as_json=as_json)


def _command(name: str, done: str, node: str | None, *, as_json: bool) -> int:
    async def work(client: "Client") -> int:
        asked = [node] if node else [record.node for record in await client.nodes()]
        if not asked:
            raise MusterdError("no daemon is running")
        replies = await client.command(name, node=node)
        return _report(replies, set(asked), done, as_json=as_json)

    return call(work)


def _report(replies: list[dict[str, Any]], asked: set[str], done: str, *, as_json: bool) -> int:
    """Print the replies and tell of those that are missing; the exit code."""
    good = [reply for reply in replies if reply.get("ok")]
    for reply in replies:
        if as_json:
            print_json(reply)
        elif reply.get("ok"):
            click.echo(f"{reply['node']}: {done}")
    for reply in (reply for reply in replies if not reply.get("ok")):
        warn(f"{reply['node']}: {one_line(str(reply.get('error', {}).get('message', '')))}")
    silent = sorted(asked - {reply["node"] for reply in replies})
    for name in silent:
        warn(f"{name}: no daemon of this name answered; see `musterd ps`")
    return 1 if silent or len(good) < len(replies) else 0
