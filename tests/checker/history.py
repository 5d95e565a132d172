"""Writes histories by hand, right ones by its methods and wrong ones by what a test adds or drops.

Every method is one script of the contract: its events and its commands, at one time. Nothing
reaches the server before `write`.
"""

import json
import time
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis

from musterd.keys import Keys
from tests.checker.contract import AGENT_ENDED

_DAY = 86_400_000


class History:
    """Of one prefix, with one daemon.

    Attributes:
        now: the time of the next script, Unix ms; each takes one more.
        events: what will be told, in order; tests may change it before `write`.
    """

    def __init__(self, prefix: str, node: str = "n1") -> None:
        self.keys = Keys(prefix)
        self.node = node
        self.now = time.time_ns() // 1_000_000 - 60_000
        self.events: list[dict[str, Any]] = []
        self._commands: list[tuple[Any, ...]] = []
        self._attempts: dict[str, int] = {}
        self._statuses: dict[str, str] = {}
        daemon = {
            "node": node,
            "epoch": "e1",
            "host": "h",
            "pid": 1,
            "version": "1",
            "state": "active",
        }
        more = {"startedAt": self.iso(), "capacity": 10, "agents": 0}
        self._hash(self.keys.node(node), daemon | more)
        self._do("PEXPIRE", self.keys.node(node), _DAY)
        self._do("ZADD", self.keys.nodes, self.now, node)

    def iso(self) -> str:
        """The time of the next script, as the contract writes it."""
        moment = datetime.fromtimestamp(self.now // 1000, UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{self.now % 1000:03d}Z"

    def submit(self, task_id: str, *, max_attempts: int = 2) -> None:
        """A new task, in its queue."""
        self.now += 1
        self._attempts[task_id] = 0
        record = {"taskId": task_id, "kind": "k", "attempt": 0, "maxAttempts": max_attempts}
        self._hash(self.keys.task(task_id), record | {"createdAt": self.iso(), "priority": 0})
        self._enqueue(task_id)

    def spawn(self, task_id: str) -> str:
        """Claim it; returns the agent's id."""
        self.now += 1
        self._attempts[task_id] += 1
        agent_id = self._agent_id(task_id)
        record = {"agentId": agent_id, "taskId": task_id, "kind": "k", "node": self.node}
        more = {"epoch": "e1", "token": "x", "attempt": self._attempts[task_id]}
        self._hash(self.keys.agent(agent_id), record | more | {"createdAt": self.iso()})
        changed = {"agentId": agent_id, "attempt": self._attempts[task_id]}
        self._hash(self.keys.task(task_id), changed)
        self._do("ZREM", self.keys.queue("k"), task_id)
        self._do("SADD", self.keys.owned(self.node), agent_id)
        self._do("SET", self.keys.heartbeat(agent_id), f"{self.node}/e1", "PX", _DAY)
        self._move(task_id, "spawning", "assigned")
        self.tell("agent.spawned", task_id)
        self.tell("task.assigned", task_id)
        return agent_id

    def run(self, task_id: str) -> None:
        """Its agent runs."""
        self.now += 1
        self._hash(self.keys.agent(self._agent_id(task_id)), {"startedAt": self.iso()})
        self._move(task_id, "running", "executing")
        self.tell("agent.running", task_id)
        self.tell("task.executing", task_id)

    def complete(self, task_id: str) -> None:
        """It ends well."""
        self._end(task_id, "completed", "completed", {"result": 1})

    def fail(self, task_id: str, reason: str = "error", *, final: bool = False) -> None:
        """The attempt fails; the task is pending again unless it is final."""
        outcome = {"reason": reason, "error": "it broke"}
        if final:
            self._end(task_id, "failed", "failed", outcome)
            return
        self._end(task_id, "failed", "pending", outcome)
        self._enqueue(task_id)

    def kill(self, task_id: str) -> None:
        """A running agent is killed."""
        self._end(task_id, "killed", "failed", {"reason": "killed"})

    def kill_waiting(self, task_id: str) -> None:
        """A task that waits is killed."""
        self.now += 1
        self._do("ZREM", self.keys.queue("k"), task_id)
        self._hash(self.keys.task(task_id), {"reason": "killed"})
        self._move_task(task_id, "failed")
        self.tell("task.failed", task_id, node=None, reason="killed", final=True)

    def ask_kill(self, agent_id: str) -> None:
        """Record a kill and do not carry it out."""
        self._do("HSET", self.keys.kills, agent_id, json.dumps({"at": self.iso(), "by": "me"}))

    def whole(self, task_id: str) -> None:
        """A task from its submission to its good end, by way of one retry."""
        self.submit(task_id)
        self.spawn(task_id)
        self.run(task_id)
        self.fail(task_id)
        self.spawn(task_id)
        self.run(task_id)
        self.complete(task_id)

    def tell(self, what: str, task_id: str, **fields: Any) -> None:
        """Add an event as the contract words it; `fields` change it, None drops a field."""
        attempt = self._attempts.get(task_id, 0)
        event: dict[str, Any] = {"type": what, "taskId": task_id, "kind": "k", "attempt": attempt}
        if attempt:
            event |= {"agentId": f"{task_id}.{attempt}", "node": self.node}
        event |= {"timestamp": self.iso()} | fields
        self.events.append({name: value for name, value in event.items() if value is not None})

    def drop(self, what: str, task_id: str, nth: int = 0) -> None:
        """Take the nth event of this type and task out."""
        found = [e for e in self.events if (e["type"], e["taskId"]) == (what, task_id)]
        self.events.remove(found[nth])

    async def write(self, redis: Redis) -> None:
        """Bring it to the server, the events after what was written before."""
        async with redis.pipeline() as pipe:
            for command in self._commands:
                pipe.execute_command(*command)
            for event in self.events:
                pipe.xadd(self.keys.events_log, {"event": json.dumps(event)})
            await pipe.execute()
        self._commands.clear()
        self.events.clear()

    def _end(self, task_id: str, agent: str, task: str, outcome: dict[str, Any]) -> None:
        self.now += 1
        agent_id = self._agent_id(task_id)
        self._hash(self.keys.agent(agent_id), outcome | {"completedAt": self.iso()})
        self._move(task_id, agent, task)
        self._do("SREM", self.keys.owned(self.node), agent_id)
        self._do("DEL", self.keys.heartbeat(agent_id))
        self._do("HDEL", self.keys.kills, agent_id)
        self.tell(f"agent.{agent}", task_id, **outcome)
        if task == "completed":
            self.tell("task.completed", task_id, **outcome)
        else:
            self.tell("task.failed", task_id, **outcome, final=task == "failed")
        if task != "pending":
            self._hash(self.keys.task(task_id), outcome)

    def _enqueue(self, task_id: str) -> None:
        self._do("ZADD", self.keys.queue("k"), self.now, task_id)
        self._move_task(task_id, "pending")
        self.tell("task.pending", task_id)

    def _move(self, task_id: str, agent: str, task: str) -> None:
        agent_id = self._agent_id(task_id)
        self._shift(self.keys.agent(agent_id), self.keys.agents, agent_id, agent)
        if agent in AGENT_ENDED:
            self._do("PEXPIRE", self.keys.agent(agent_id), _DAY)
        self._move_task(task_id, task)

    def _move_task(self, task_id: str, status: str) -> None:
        self._shift(self.keys.task(task_id), self.keys.tasks, task_id, status)
        if status in {"completed", "failed"}:
            self._do("PEXPIRE", self.keys.task(task_id), _DAY)

    def _shift(self, key: str, index: Any, record_id: str, status: str) -> None:
        self._do("ZREM", index(self._statuses.get(record_id, "none")), record_id)
        self._do("ZADD", index(status), self.now, record_id)
        self._hash(key, {"status": status, "updatedAt": self.iso()})
        self._statuses[record_id] = status

    def _agent_id(self, task_id: str) -> str:
        return f"{task_id}.{self._attempts[task_id]}"

    def _hash(self, key: str, fields: dict[str, Any]) -> None:
        self._do("HSET", key, *(part for pair in fields.items() for part in pair))

    def _do(self, *command: Any) -> None:
        self._commands.append(command)
