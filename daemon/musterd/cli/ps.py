"""`musterd ps`: the tasks and agents that there are."""

import itertools
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from musterd.cli.call import call
from musterd.cli.command import ExampleCommand, json_option
from musterd.cli.output import STATUS, print_json, print_table, warn
from musterd.cli.standing import Standing, look_around
from musterd.display import age_since, why
from musterd.jsons import Json
from musterd.records import AgentRecord, NodeRecord, TaskRecord
from musterd.states import AGENT_LIVE, TASK_LIVE, AgentState, TaskState

if TYPE_CHECKING:
    from musterd.client import Client

_STATUSES = list(dict.fromkeys(state.value for state in (*TaskState, *AgentState)))
_LIVE = TASK_LIVE | AGENT_LIVE
_TITLES = ("ID", "KIND", STATUS, "TRY", "NODE", "AGE", "WHY")
_LIMIT = 1000


@dataclass(frozen=True)
class _View:
    tasks: list[TaskRecord]
    agents: list[AgentRecord]
    standing: Standing

    def as_json(self) -> dict[str, Json]:
        return {
            "nodes": [node.as_json() for node in self.standing.nodes],
            "tasks": [task.as_json() for task in self.tasks],
            "agents": [agent.as_json() for agent in self.agents],
            "notes": dict(self._notes()),
        }

    def _notes(self) -> Iterator[tuple[str, str]]:
        for task in self.tasks:
            if note := self.standing.note(task):
                yield task.task_id, note
        for agent in self.agents:
            if note := self.standing.note(agent):
                yield agent.agent_id, note


@click.command(
    cls=ExampleCommand,
    examples="""
        musterd ps                          what waits and what runs
        musterd ps --all                    also what has ended
        musterd ps --status failed          what failed, and why
        musterd ps --json | jq '.tasks[] | select(.kind == "check") | .taskId'
    """,
)
@click.option(
    "--status",
    type=click.Choice(_STATUSES),
    metavar="STATUS",
    help=f"Only those of this state: {', '.join(_STATUSES)}.",
)
@click.option("--all", "-a", "everything", is_flag=True, help="Also those that have ended.")
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(min=1),
    metavar="N",
    help="At most so many tasks and agents of each state, the last changed ones; "
    f"{_LIMIT} unless given.",
)
@json_option('one document, {"nodes": […], "tasks": […], "agents": […], "notes": {ID: WHY}}')
def ps(*, status: str | None, everything: bool, limit: int | None, as_json: bool) -> None:
    """List tasks and agents: those that live, unless told otherwise.

    An agent, one attempt at a task, stands below its task; its id is the task's with the number of
    the attempt. AGE counts from when it was submitted or spawned. WHY is why it ended badly, what
    it waits for, or that its daemon is gone.
    """
    if status and everything:
        raise click.UsageError("give --status or --all, not both")
    wanted = {status} if status else set(_STATUSES) if everything else _LIVE
    view, more = call(lambda client: _look(client, wanted, limit or _LIMIT))
    if more and limit is None:
        warn(f"at most {_LIMIT} of each state are shown; see --limit")
    if as_json:
        return print_json(view.as_json())
    print_table(_TITLES, list(_rows(view)))
    if sys.stdout.isatty():
        click.echo(f"\n{_daemons(view.standing.nodes)}")
    return None


async def _look(client: "Client", wanted: Collection[str], limit: int) -> tuple[_View, bool]:
    """What there is, and whether there may be more of a state than `limit`."""
    # In the order of a life, so that what moves on meanwhile is seen twice rather than never.
    tasks: dict[str, TaskRecord] = {}
    agents: dict[str, AgentRecord] = {}
    more = False
    for status in (status for status in _STATUSES if status in wanted):
        some_tasks = await client.tasks(status, limit) if status in set(TaskState) else []
        some_agents = await client.agents(status, limit) if status in set(AgentState) else []
        tasks |= {task.task_id: task for task in some_tasks if task.status in wanted}
        agents |= {agent.agent_id: agent for agent in some_agents if agent.status in wanted}
        more = more or max(len(some_tasks), len(some_agents)) >= limit
    # The daemons last: one that has just started is there, and its agents are not called lost.
    standing = await look_around(client, list(tasks.values()))
    return _View(list(tasks.values()), list(agents.values()), standing), more


def _rows(view: _View) -> Iterator[tuple[str, ...]]:
    agents_of = defaultdict(list)
    for agent in view.agents:
        agents_of[agent.task_id].append(agent)
    for task in view.tasks:
        yield _task_row(task, view.standing)
        for agent in agents_of.pop(task.task_id, []):
            yield _agent_row(agent, view.standing)
    for agent in itertools.chain.from_iterable(agents_of.values()):
        yield _agent_row(agent, view.standing)


def _task_row(task: TaskRecord, standing: Standing) -> tuple[str, ...]:
    tries = f"{task.attempt}/{task.max_attempts}" if task.max_attempts else str(task.attempt)
    cause = standing.note(task) or why(task.reason, task.error)
    return task.task_id, task.kind, task.status, tries, "", age_since(task.created_at), cause


def _agent_row(agent: AgentRecord, standing: Standing) -> tuple[str, ...]:
    cause = standing.note(agent) or why(agent.reason, agent.error)
    age = age_since(agent.created_at)
    node = agent.node or ""
    return agent.agent_id, agent.kind, agent.status, str(agent.attempt), node, age, cause


def _daemons(nodes: list[NodeRecord]) -> str:
    if not nodes:
        return "No daemon is running."
    told = (f"{node.node} {node.state}, {node.agents} of {node.capacity} agents" for node in nodes)
    return f"{'Daemon' if len(nodes) == 1 else 'Daemons'}: {'; '.join(told)}"
