"""`musterd send`: leave a message for a live agent."""

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from musterd.cli import completers
from musterd.cli.call import call
from musterd.cli.command import EXITS, ManualCommand, json_option
from musterd.cli.output import print_json
from musterd.cli.shortened import latest_agent, with_whole_id

if TYPE_CHECKING:
    from musterd.client import Client


def _message(_ctx: click.Context, _param: click.Parameter, value: str) -> Any:
    text = sys.stdin.read() if value == "-" else value
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(
            f"it is not JSON: {error}; text goes in quotes of its own, '\"like this\"'"
        ) from None


@click.command(
    cls=ManualCommand,
    arguments={
        "ID": "An agent's, or a task's for its latest agent; or as much of it as is unambiguous.",
        "JSON": "The message; - reads it from standard input.",
    },
    exits=EXITS
    | {
        1: "it was not kept: too many wait, or agents of this kind take none",
        2: f"{EXITS[2]}; or ID may stand for several",
        3: "there is no such task or agent",
        4: "the agent had ended before",
    },
    examples="""
        musterd send 4f0c1b.1 '{"add": "https://example.com"}'    to an agent
        musterd send 4f0c1b '"stop after this page"'              to a task's latest
    """,
)
@click.argument("record_id", metavar="ID", shell_complete=completers.live_ids)
@click.argument("message", metavar="JSON", callback=_message)
@json_option("one object, the id of the agent")
def send(*, record_id: str, message: Any, as_json: bool) -> None:
    """Leave a message for a live agent.

    It is kept until the agent takes it, or ends; the task's next attempt does not get it. Commands
    take messages where their kind says `messages = true`, Python agents always.
    """

    async def work(client: "Client") -> str:
        async def leave(whole: str) -> str:
            agent_id = await latest_agent(client, whole)
            await client.send(agent_id, message)
            return agent_id

        return await with_whole_id(client, record_id, leave, strict=True)

    agent_id = call(work)
    if as_json:
        print_json({"agentId": agent_id})
    else:
        click.echo(f"{agent_id}: left for it")
