"""`musterd ps`: the tasks and agents that there are."""

import itertools
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from musterd.cli.call import call
from musterd.cli.command import EXITS, ManualCommand, json_option
from musterd.cli.options import kind_option, node_option
from musterd.cli.output import STATUS, print_json, print_table, warn
from musterd.cli.standing import Standing, look_around
from musterd.display import age_since, one_line, progress, why
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
class _Filter:
    statuses: Collection[str]
    kind: str
    node: str
    limit: int


@dataclass(frozen=True)
class _View:
    tasks: list[TaskRecord]
    agents: list[AgentRecord]
    standing: Standing
    cut: bool

    def as_json(self) -> dict[str, Json]:
        document: dict[str, Json] = {
            "nodes": [node.as_json() for node in self.standing.nodes],
            "tasks": [task.as_json() for task in self.tasks],
            "agents": [agent.as_json() for agent in self.agents],
            "notes": dict(self._notes()),
        }
        return document | ({"cut": True} if self.cut else {})

    def _notes(self) -> Iterator[tuple[str, str]]:
        for task in self.tasks:
            if note := self.standing.note(task):
                yield task.task_id, note
        for agent in self.agents:
            if note := self.standing.note(agent):
                yield agent.agent_id, note


@click.command(
    cls=ManualCommand,
    exits=EXITS,
    examples="""
        musterd ps                                   what waits and what runs
        musterd ps --all --kind check                also what has ended, of a kind
        musterd ps --status failed --node build1     what failed there, and why
        musterd ps --status completed --limit 5      the last five
        musterd ps --json | jq '.tasks[] | select(.kind == "check") | .taskId'
    """,
)
@click.option(
    "--status",
    type=click.Choice(_STATUSES),
    metavar="STATUS",
    show_default="what lives",
    help=f"Only those of this state: {', '.join(_STATUSES)}.",
)
@kind_option("Only those of this kind.")
@node_option("Only agents of this daemon, and tasks whose last attempt is one.")
@click.option("--all", "-a", "everything", is_flag=True, help="Also those that have ended.")
@click.option(
    "--limit",
    "-n",
    type=click.IntRange(min=1),
    metavar="N",
    default=_LIMIT,
    help="At most so many tasks and agents of each state, the last changed ones.",
)
@json_option('one document, {"nodes": […], "tasks": […], "agents": […], "notes": {ID: WHY}}')
def ps(*, status: str | None, everything: bool, as_json: bool, **options: Any) -> None:
    """List tasks and agents; those that live unless told otherwise.

    An agent, one attempt at a task, stands below its task; its id is the task's with the number of
    the attempt. AGE counts from when it was submitted or spawned. WHY is why it ended badly, what
    it waits for, that its daemon is gone, or how far it is.

    Filters combine. If there is more than --limit allows, standard error says so, and --json has
    "cut": true.
    """
    if status and everything:
        raise click.UsageError("give --status or --all, not both")
    wanted = {status} if status else set(_STATUSES) if everything else _LIVE
    chosen = _Filter(wanted, **options)
    view = call(lambda client: _look(client, chosen))
    if view.cut:
        warn(f"there are more: of each state the last {chosen.limit} are shown; see --limit")
    if as_json:
        return print_json(view.as_json())
    print_table(_TITLES, list(_rows(view)))
    if sys.stdout.isatty():
        click.echo(f"\n{_daemons(view.standing.nodes)}")
    return None


async def _look(client: "Client", chosen: _Filter) -> _View:
    # In the order of a life, so that what moves on meanwhile is seen twice rather than never.
    tasks: dict[str, TaskRecord] = {}
    agents: dict[str, AgentRecord] = {}
    cut, wanted, limit = False, chosen.statuses, chosen.limit
    how: dict[str, Any] = {"limit": limit + 1, "kind": chosen.kind, "node": chosen.node}
    for status in (status for status in _STATUSES if status in wanted):
        some_tasks = await client.tasks(status, **how) if status in set(TaskState) else []
        some_agents = await client.agents(status, **how) if status in set(AgentState) else []
        tasks |= {task.task_id: task for task in some_tasks[:limit] if task.status in wanted}
        agents |= {one.agent_id: one for one in some_agents[:limit] if one.status in wanted}
        cut = cut or max(len(some_tasks), len(some_agents)) > limit
    # The daemons last: one that has just started is there, and its agents are not called lost.
    standing = await look_around(client, list(tasks.values()))
    return _View(list(tasks.values()), list(agents.values()), standing, cut)


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
    if agent.status in AGENT_LIVE:
        cause = cause or progress(agent.progress, agent.note)
    age = age_since(agent.created_at)
    node = agent.node or ""
    return agent.agent_id, agent.kind, agent.status, str(agent.attempt), node, age, cause


def _daemons(nodes: list[NodeRecord]) -> str:
    if not nodes:
        return "No daemon is running."
    told = "; ".join(map(_daemon, nodes))
    return f"{'Daemon' if len(nodes) == 1 else 'Daemons'}: {told}"


def _daemon(node: NodeRecord) -> str:
    told = f"{node.node} {node.state}, {node.agents} of {node.capacity} agents"
    paused = ", ".join(node.paused_kinds or ())
    return one_line(f"{told}, paused: {paused}" if paused else told)
