"""What a record alone does not tell: what a pending task waits for, and whose daemon is gone."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from musterd.display import age, one_line, parse_time
from musterd.records import AgentRecord, NodeRecord, TaskRecord
from musterd.states import AGENT_LIVE, TaskState

if TYPE_CHECKING:
    from musterd.client import Client

_SHOWN: Final = 3
"""Daemons that one sentence names."""

_SILENT: Final = 60.0
"""Seconds after which it is told that nobody offers a kind: a daemon does with each renewal."""


@dataclass(frozen=True)
class Standing:
    """What there is around some records.

    Attributes:
        nodes: the daemons that are alive.
        offers: each kind that was offered, and when that was last.
        due: when those of the tasks that are delayed may start, ms since 1970.
    """

    nodes: list[NodeRecord]
    offers: Mapping[str, str]
    due: Mapping[str, float]

    def note(self, record: TaskRecord | AgentRecord) -> str:
        """A sentence about a record where something holds it up, else empty."""
        if isinstance(record, AgentRecord):
            return self._note_agent(record)
        return self._note_task(record) if record.status == TaskState.PENDING else ""

    def _note_agent(self, agent: AgentRecord) -> str:
        is_gone = agent.status in AGENT_LIVE and agent.node not in {one.node for one in self.nodes}
        return "its daemon is gone" if is_gone else ""

    def _note_task(self, task: TaskRecord) -> str:
        return "; ".join(filter(None, (self._delay(task.task_id), self._lack(task.kind))))

    def _delay(self, task_id: str) -> str:
        if task_id not in self.due:
            return ""
        left = self.due[task_id] / 1000 - datetime.now(UTC).timestamp()
        return f"due in {age(left)}" if left > 0 else ""

    def _lack(self, kind: str) -> str:
        """What no daemon does, as far as it can be known."""
        if not self.nodes:
            return "no daemon is running"
        if not self._is_offered(kind):
            return "no daemon offers its kind"
        if (silence := self._silence(kind)) > _SILENT:
            return f"no daemon has offered its kind for {age(silence)}"
        if all(node.state != "active" for node in self.nodes):
            return "every daemon is paused or draining"
        pausing = [one_line(node.node) for node in self.nodes if kind in (node.paused_kinds or ())]
        return f"its kind is paused on {_some(pausing)}" if pausing else ""

    def _silence(self, kind: str) -> float:
        """For how long a kind was not offered, by the last offer of any; seconds."""
        times = filter(None, map(parse_time, self.offers.values()))
        offered, newest = parse_time(self.offers.get(kind)), max(times, default=None)
        return (newest - offered).total_seconds() if newest and offered else 0.0

    def _is_offered(self, kind: str) -> bool:
        # A daemon offers its kinds from its start on: an older offer is none of a live one.
        offered = parse_time(self.offers.get(kind))
        starts = [parse_time(node.started_at) for node in self.nodes]
        known = [start for start in starts if start is not None]
        if offered is None or len(known) < len(starts):
            return kind in self.offers
        return offered >= min(known)


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


async def look_around(client: "Client", records: Collection[TaskRecord | AgentRecord]) -> Standing:
    """What there is around these records, as of now."""
    waiting = [
        record.task_id
        for record in records
        if isinstance(record, TaskRecord) and record.status == TaskState.PENDING
    ]
    nodes = await client.nodes()
    offers = await client.read(lambda reads: reads.offers()) if waiting else {}
    due = await client.read(lambda reads: reads.due_times(waiting))
    return Standing(nodes, offers, due)
