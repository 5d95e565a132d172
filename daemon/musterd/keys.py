"""Every key and channel, in one place. Nothing else formats a key, in Python or in Lua."""

import re
from dataclasses import dataclass
from functools import cached_property

# Lua name -> what follows the prefix. A name that ends in a colon takes an id.
_PARTS = {
    "TASK": "task:",
    "AGENT": "agent:",
    "HEARTBEAT": "heartbeat:",
    "NODE": "node:",
    "OWNED": "owned:",
    "EPOCHS": "epochs:",
    "OUTPUT": "output:",
    "MESSAGES": "messages:",
    "QUEUE": "queue:",
    "TASKS": "tasks:",
    "AGENTS": "agents:",
    "SCHEDULED": "scheduled",
    "SEQUENCE": "sequence",
    "KINDS": "kinds",
    "KILLS": "kills",
    "NODES": "nodes",
    "LOG": "events:log",
    "EVENTS": "events",
    "WAKE": "wake",
    "KILL_BELL": "kills:",
    "MAIL_BELL": "mail:",
}


@dataclass(frozen=True)
class Keys:
    """The keys below one prefix, for example `Keys("orchestrator")`."""

    prefix: str

    def _key(self, part: str, name: str = "") -> str:
        return f"{self.prefix}:{_PARTS[part]}{name}"

    def task(self, task_id: str) -> str:
        """A task's record: hash."""
        return self._key("TASK", task_id)

    def agent(self, agent_id: str) -> str:
        """An agent's record: hash."""
        return self._key("AGENT", agent_id)

    def heartbeat(self, agent_id: str) -> str:
        """Exists while the agent is alive: string with a TTL, `{node}/{epoch}`."""
        return self._key("HEARTBEAT", agent_id)

    def node(self, node: str) -> str:
        """A daemon's own heartbeat: hash with a TTL."""
        return self._key("NODE", node)

    def owned(self, node: str) -> str:
        """Ids of the live agents a node answers for: set."""
        return self._key("OWNED", node)

    def epochs(self, node: str) -> str:
        """The lives of a node, by when each began, ms: sorted set with a TTL."""
        return self._key("EPOCHS", node)

    def output(self, agent_id: str) -> str:
        """The last lines that an agent wrote: stream, fields `at`, `stream` and `line`."""
        return self._key("OUTPUT", agent_id)

    def messages(self, agent_id: str) -> str:
        """Messages for a live agent: stream, fields `id` and `message`."""
        return self._key("MESSAGES", agent_id)

    def queue(self, kind: str) -> str:
        """Due tasks of one kind, the next one first: sorted set."""
        return self._key("QUEUE", kind)

    def tasks(self, status: str) -> str:
        """Task ids by time of their last change, ms: sorted set."""
        return self._key("TASKS", status)

    def agents(self, status: str) -> str:
        """Agent ids by time of their last change, ms: sorted set."""
        return self._key("AGENTS", status)

    @cached_property
    def scheduled(self) -> str:
        """Tasks not yet due, by due time, ms: sorted set."""
        return self._key("SCHEDULED")

    @cached_property
    def sequence(self) -> str:
        """Orders the queues: counter. It also routes every script to its server in a cluster."""
        return self._key("SEQUENCE")

    @cached_property
    def kinds(self) -> str:
        """Kind to JSON of its defaults and when it was last offered: hash."""
        return self._key("KINDS")

    @cached_property
    def kills(self) -> str:
        """Agent id to JSON of the kill asked for and not yet carried out: hash."""
        return self._key("KILLS")

    @cached_property
    def nodes(self) -> str:
        """Every node that may own agents, by its last sign of life, ms: sorted set."""
        return self._key("NODES")

    @cached_property
    def events_log(self) -> str:
        """The events, kept: stream, one field `event`."""
        return self._key("LOG")

    @cached_property
    def events(self) -> str:
        """Channel: one JSON event a message."""
        return self._key("EVENTS")

    @cached_property
    def wake(self) -> str:
        """Channel: a kind that has new work."""
        return self._key("WAKE")

    @cached_property
    def control(self) -> str:
        """Channel: commands."""
        return f"{self.prefix}:control"

    @cached_property
    def submit(self) -> str:
        """Channel: `spawn` commands only."""
        return f"{self.prefix}:submit"

    @cached_property
    def reply(self) -> str:
        """What each reply channel begins with."""
        return f"{self.prefix}:reply:"

    def kill_bell(self, node: str) -> str:
        """Channel: ids of a node's agents for which a kill was recorded."""
        return self._key("KILL_BELL", node)

    def mail_bell(self, node: str) -> str:
        """Channel: ids of a node's agents for which a message was sent."""
        return self._key("MAIL_BELL", node)


def lua(body: str) -> str:
    """Lua source that names the keys a script uses, or what each begins with; `P` is the prefix."""
    used = set(re.findall(r"\b[A-Z_]+\b", body))
    return "".join(
        f"local {name} = P..':{part}'\n" for name, part in _PARTS.items() if name in used
    )
