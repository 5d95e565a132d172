"""`musterd show`: one task with its attempts, or one agent."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from musterd.cli.call import call
from musterd.cli.command import ExampleCommand, json_option
from musterd.cli.output import STATUS, print_json, print_table
from musterd.display import STYLES, age_since, lines, seconds_between, why
from musterd.errors import NotFoundError
from musterd.records import AgentRecord, TaskRecord

if TYPE_CHECKING:
    from musterd.client import Client
    from musterd.jsons import Json

_SHOWN_ATTEMPTS = 20
_WIDTH = 12


@click.command(
    cls=ExampleCommand,
    examples="""
        musterd show 4f0c1b            a task and its attempts
        musterd show 4f0c1b.2          the second attempt
        musterd show 4f0c1b --json | jq .result
    """,
)
@click.argument("record_id", metavar="ID")
@json_option('one document: the record, and a task\'s attempts as "agents"')
def show(*, record_id: str, as_json: bool) -> None:
    """Show all that is known of a task or an agent.

    Of a task also its attempts, the last 20. Exit code 3 if there is no such record.
    """
    record, agents = call(lambda client: _look(client, record_id))
    if as_json:
        attempts: list[Json] = [agent.as_json() for agent in agents]
        of_task: dict[str, Json] = {"agents": attempts} if isinstance(record, TaskRecord) else {}
        return print_json(record.as_json() | of_task)
    for name, value in _told(record):
        _print_field(name, value)
    if agents:
        click.echo()
        print_table(("ATTEMPT", STATUS, "NODE", "TOOK", "WHY"), [_row(agent) for agent in agents])
    return None


async def _look(
    client: "Client", record_id: str
) -> tuple[TaskRecord | AgentRecord, list[AgentRecord]]:
    record = await client.get(record_id)
    agents = []
    if isinstance(record, TaskRecord):
        first = max(1, record.attempt - _SHOWN_ATTEMPTS + 1)
        for attempt in range(first, record.attempt + 1):
            try:
                agent = await client.get(f"{record.task_id}.{attempt}")
            except NotFoundError:  # an attempt's record may go before its task's
                continue
            assert isinstance(agent, AgentRecord)  # noqa: S101 - the id is an agent's
            agents.append(agent)
    return record, agents


def _told(record: TaskRecord | AgentRecord) -> Iterator[tuple[str, str]]:
    """What is told, by the contract's names, so that one finds it again in JSON and in Valkey."""
    for name, value in record.as_json().items():
        if name.endswith("At"):
            yield name, f"{value}  ({age_since(str(value))} ago)"
        elif name == "status":
            yield name, click.style(str(value), fg=STYLES.get(str(value)))
        elif name in {"context", "metadata", "result"}:
            yield name, json.dumps(value, indent=2, ensure_ascii=False)
        else:
            yield name, str(value)


def _print_field(name: str, value: str) -> None:
    first, *more = [value] if name == "status" else lines(value)
    click.echo(f"{name:{_WIDTH}}  {first}")
    for line in more:
        click.echo(f"{'':{_WIDTH}}  {line}")


def _row(agent: AgentRecord) -> tuple[str, ...]:
    took = seconds_between(agent.started_at, agent.completed_at)
    return (
        agent.agent_id,
        agent.status,
        agent.node or "",
        "" if took is None else f"{took:.3f}s",
        why(agent.reason, agent.error),
    )
