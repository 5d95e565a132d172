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

    As SIGTERM does: what still runs after MUSTERD_DRAIN_TIMEOUT is stopped; its task goes back to
    the queue if it has attempts left, and else has failed. This returns when the daemons have
    answered, not when they have ended.
    """
    return _command("drain", "draining", node, as_json=as_json)


def _command(name: str, done: str, node: str | None, *, as_json: bool) -> int:
    async def work(client: "Client") -> int:
        alive = {record.node for record in await client.nodes()}
        if not (node or alive):
            raise MusterdError("no daemon is running")
        replies = await client.command(name, node=node)
        silent = ({node} if node else alive) - {reply["node"] for reply in replies}
        for one in sorted(silent):
            unknown = "no daemon of this name answered; see `musterd ps`"
            warn(f"{one}: {'did not answer' if one in alive else unknown}")
        return 1 if _report(replies, done, as_json=as_json) or silent else 0

    return call(work)


def _report(replies: list[dict[str, Any]], done: str, *, as_json: bool) -> int:
    """Print the replies; how many daemons did not do it."""
    bad = [reply for reply in replies if not reply.get("ok")]
    for reply in replies:
        if as_json:
            print_json(reply)
        elif reply.get("ok"):
            click.echo(f"{reply['node']}: {done}")
    for reply in bad:
        warn(f"{reply['node']}: {one_line(str(reply.get('error', {}).get('message', '')))}")
    return len(bad)
