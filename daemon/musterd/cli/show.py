"""`musterd show`: one task with its attempts, or one agent."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from musterd.cli import completers
from musterd.cli.call import call
from musterd.cli.command import BROKEN, EXITS, ManualCommand, json_option
from musterd.cli.output import STATUS, print_json, print_table
from musterd.cli.shortened import with_whole_id
from musterd.cli.standing import Standing, look_around
from musterd.display import STYLES, age_since, lines, seconds_between, why
from musterd.errors import NotFoundError
from musterd.jsons import Json
from musterd.records import AgentRecord, TaskRecord

if TYPE_CHECKING:
    from musterd.client import Client

_SHOWN_ATTEMPTS = 20
_WIDTH = 12


@click.command(
    cls=ManualCommand,
    arguments={"ID": "A task's or an agent's, or as much of it as is unambiguous."},
    exits=EXITS
    | {
        1: BROKEN,
        2: f"{EXITS[2]}; or ID may stand for several",
        3: "there is no such task or agent",
    },
    examples="""
        musterd show 4f0c1b            a task and its attempts
        musterd show 4f0c1b.2          its second attempt
        musterd show 4f0c1b --json | jq .result
    """,
)
@click.argument("record_id", metavar="ID", shell_complete=completers.live_ids)
@json_option(
    'one document: the record, a task\'s attempts as "agents", what holds it up as "notes"'
)
def show(*, record_id: str, as_json: bool) -> None:
    """Show all that is known of a task or an agent.

    Of a task also its attempts, the last 20. `note` says what a pending one waits for, or that the
    daemon of a live one is gone.
    """
    view = call(lambda client: with_whole_id(client, record_id, lambda whole: _look(client, whole)))
    if as_json:
        return print_json(view.as_json())
    for name, value in _told(view.record):
        _print_field(name, value)
    if note := view.standing.note(view.record):
        _print_field("note", note)
    if view.agents:
        click.echo()
        titles = ("ATTEMPT", STATUS, "NODE", "TOOK", "WHY")
        print_table(titles, [_row(agent, view.standing) for agent in view.agents])
    return None


@dataclass(frozen=True)
class _View:
    record: TaskRecord | AgentRecord
    agents: list[AgentRecord]
    standing: Standing

    def as_json(self) -> dict[str, Json]:
        document = self.record.as_json()
        if isinstance(self.record, TaskRecord):
            document["agents"] = [agent.as_json() for agent in self.agents]
        if notes := dict(self._notes()):
            document["notes"] = notes
        return document

    def _notes(self) -> Iterator[tuple[str, Json]]:
        for record in (self.record, *self.agents):
            if note := self.standing.note(record):
                yield record.agent_id if isinstance(record, AgentRecord) else record.task_id, note


async def _look(client: "Client", record_id: str) -> _View:
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
    return _View(record, agents, await look_around(client, [record]))


def _told(record: TaskRecord | AgentRecord) -> Iterator[tuple[str, str]]:
    """What is told, by the contract's names, so that one finds it again in JSON and in Valkey."""
    for name, value in record.as_json().items():
        if name.endswith("At"):
            yield name, f"{value}  ({age_since(str(value))} ago)"
        elif name == "status":
            yield name, click.style(str(value), fg=STYLES.get(str(value)))
        elif name in {"context", "metadata", "checkpoint", "result"}:
            yield name, json.dumps(value, indent=2, ensure_ascii=False)
        else:
            yield name, str(value)


def _print_field(name: str, value: str) -> None:
    first, *more = [value] if name == "status" else lines(value)
    click.echo(f"{name:{_WIDTH}}  {first}")
    for line in more:
        click.echo(f"{'':{_WIDTH}}  {line}")


def _row(agent: AgentRecord, standing: Standing) -> tuple[str, ...]:
    took = seconds_between(agent.started_at, agent.completed_at)
    return (
        agent.agent_id,
        agent.status,
        agent.node or "",
        "" if took is None else f"{took:.3f}s",
        standing.note(agent) or why(agent.reason, agent.error),
    )
