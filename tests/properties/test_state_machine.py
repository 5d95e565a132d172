"""The steps on a real server against a model of a few lines, in any order that hypothesis finds.

Two daemons, each in one life after the other, and a client: submissions, claims, starts, endings,
kills, renewals and recoveries; doubled, late, by former owners and with wrong tokens.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from musterd.errors import (
    AlreadyTerminalError,
    ExistsError,
    IllegalStepError,
    MusterdError,
    NotFoundError,
    NotOwnerError,
)
from musterd.moves import Ended, Ending, KillOrder, KillTarget, Offer
from musterd.nodes import Nodes
from musterd.store import Store
from musterd.submission import Submission
from tests.support.server import Server
from tests.support.world import Plain, World

KIND: Final = "check"
NODES: Final = ("n1", "n2")
STEPS: Final = 40
LIVE: Final = frozenset({"spawning", "running"})
OVER: Final = frozenset({"completed", "failed"})
NODE_FIELDS: Final[Mapping[str, str | int]] = {
    "host": "h", "pid": 1, "process": "p", "version": "1", "capacity": 9, "agents": 0,
    "state": "active",
}  # fmt: skip


@dataclass
class Task:
    """What must be the case of a task; `place` orders the queue."""

    most: int
    priority: int
    place: int
    status: str = "pending"
    attempt: int = 0


@dataclass
class Agent:
    """What must be the case of an agent."""

    task_id: str
    node: str
    epoch: str
    token: str
    status: str = "running"
    killed: bool = False
    settled: bool = False


@dataclass
class Model:
    """All of it."""

    tasks: dict[str, Task] = field(default_factory=dict)
    agents: dict[str, Agent] = field(default_factory=dict)
    epochs: dict[str, str] = field(default_factory=lambda: dict.fromkeys(NODES, "e1"))
    places: Iterator[int] = field(default_factory=count)

    def due(self) -> list[str]:
        """The tasks that wait, the next one first."""
        waiting = [task_id for task_id, task in self.tasks.items() if task.status == "pending"]
        return sorted(waiting, key=lambda one: (self.tasks[one].priority, self.tasks[one].place))

    def end(self, agent: Agent, status: str, *, final: bool) -> Ended:
        """An agent's ending, and its task's or a retry."""
        task = self.tasks[agent.task_id]
        agent.status = status
        if status == "completed":
            task.status = "completed"
        elif status == "failed" and not final and task.attempt < task.most:
            task.status, task.place = "pending", next(self.places)
        else:
            task.status = "failed"
        return Ended(status, task.status)


class Machine(RuleBasedStateMachine):
    """Each rule does a thing on the server and in the model, and holds their answers together."""

    ids = Bundle("ids")
    claimed = Bundle("claimed")

    def __init__(self, portal: BlockingPortal, server: Server, prefix: str) -> None:
        super().__init__()
        self.portal = portal
        self.redis = Redis.from_url(server.url, decode_responses=True)
        self.world = World(self.redis, prefix)
        self.model = Model()
        self.claims = count(1)
        self.last: dict[tuple[str, str], tuple[int, list[str]]] = {}
        for node in NODES:
            self.do(self.nodes(node).register(node, NODE_FIELDS))

    def store(self, node: str, epoch: str = "") -> Store:
        """As a daemon sends its steps; as a client does without a node."""
        epoch = epoch or self.model.epochs.get(node, "")
        return Store(Plain(self.world, node=node, epoch=epoch))

    def nodes(self, node: str) -> Nodes:
        """As a daemon speaks of itself."""
        return Nodes(Plain(self.world, node=node, epoch=self.model.epochs[node]))

    def do(self, step: Any) -> Any:
        """What a step answers: a value, or the type of the error that refused it."""

        async def run() -> Any:
            try:
                return await step
            except MusterdError as error:
                return type(error)

        return self.portal.call(run)

    @rule(target=ids, number=st.integers(0, 3), most=st.integers(1, 3), priority=st.integers(0, 2))
    def submit(self, number: int, most: int, priority: int) -> str:
        """A new task, or one that is there already."""
        task_id = f"t{number}"
        task = Submission(kind=KIND, task_id=task_id, max_attempts=most, priority=priority)
        is_new = task_id not in self.model.tasks
        assert self.do(self.store("").submit(task)) is is_new
        if is_new:
            self.model.tasks[task_id] = Task(most, priority, next(self.model.places))
        assert self.do(self.store("").submit(replace(task, context=[1]))) is ExistsError
        return task_id

    @rule(target=claimed, node=st.sampled_from(NODES), most=st.integers(1, 3))
    def claim(self, node: str, most: int) -> Any:
        """The first that are due, in their order."""
        epoch, number = self.model.epochs[node], next(self.claims)
        expected = self.model.due()[:most]
        found = self.take(node, epoch, number, most)
        assert [claim.task_id for claim in found] == expected
        for claim in found:
            task = self.model.tasks[claim.task_id]
            task.status, task.attempt = "executing", task.attempt + 1
            assert claim.agent_id == f"{claim.task_id}.{task.attempt}"
            assert (claim.attempt, claim.max_attempts) == (task.attempt, task.most)
            agent = Agent(claim.task_id, node, epoch, claim.token)
            self.model.agents[claim.agent_id] = agent
        self.last[node, epoch] = number, [claim.agent_id for claim in found]
        return multiple(*(claim.agent_id for claim in found))

    @rule(node=st.sampled_from(NODES), most=st.integers(1, 3))
    def claim_again(self, node: str, most: int) -> None:
        """Its answer was lost: the same agents, as long as they live, and no others."""
        epoch = self.model.epochs[node]
        number, taken = self.last.get((node, epoch), (0, []))
        if number:
            found = [claim.agent_id for claim in self.take(node, epoch, number, most)]
            assert found == [one for one in taken if self.model.agents[one].status in LIVE]

    @rule(node=st.sampled_from(NODES))
    def claim_by_a_ghost(self, node: str) -> None:
        """An earlier life, and an earlier claim of this one: nothing is taken."""
        offer = Offer(KIND, 5, 1, None)
        late = self.store(node, "e0").claim(next(self.claims), "late", 5, [offer])
        assert self.do(late) is NotOwnerError
        if self.last.get((node, self.model.epochs[node])):
            assert self.do(self.store(node).claim(0, "late", 5, [offer])) is NotOwnerError

    def take(self, node: str, epoch: str, number: int, most: int) -> Any:
        """The claims of a claim."""
        offer = Offer(KIND, most, 1, None)
        step = self.store(node, epoch).claim(number, f"c{number}", most, [offer])
        return self.do(step).claims

    @rule(agent_id=claimed)
    def start(self, agent_id: str) -> None:
        """By its owner, who asks whether it still may: a kill that came before forbids it."""
        agent = self.model.agents[agent_id]
        found = self.do(self.store(agent.node, agent.epoch).start(agent_id, agent.token))
        if agent.settled:
            assert found is NotOwnerError
        elif agent.status not in LIVE:
            assert found is IllegalStepError
        else:
            assert found is not agent.killed

    @rule(
        agent_id=claimed,
        status=st.sampled_from(sorted(OVER)),
        reason=st.sampled_from(["error", "shutdown", "rejected"]),
    )
    def finish(self, agent_id: str, status: str, reason: Any) -> None:
        """By its owner: the ending, a kill in its place, the same again, or a refusal."""
        agent = self.model.agents[agent_id]
        failed = {"reason": reason, "error": "it broke"} if status == "failed" else {}
        ending = Ending(status, **failed)
        step = self.store(agent.node, agent.epoch).finish(agent_id, agent.token, ending)
        found = self.do(step)
        if agent.settled:
            assert found is NotOwnerError
        elif agent.status not in LIVE:
            is_same = agent.status in {status, "killed"}
            now = Ended(agent.status, self.model.tasks[agent.task_id].status)
            assert found == (now if is_same else IllegalStepError)
        elif agent.killed:
            assert found == self.model.end(agent, "killed", final=True)
        else:
            assert found == self.model.end(agent, status, final=reason == "rejected")

    @rule(agent_id=claimed, node=st.sampled_from(NODES), token=st.sampled_from(["", "wrong"]))
    def steal(self, agent_id: str, node: str, token: str) -> None:
        """Nobody else writes for an agent: not with its token, and not its owner without it."""
        agent = self.model.agents[agent_id]
        stranger = "n2" if agent.node == "n1" else "n1"
        for store, secret in (
            (self.store(node), token),
            (self.store(stranger), agent.token),
            (self.store(agent.node, "e0"), agent.token),
        ):
            ending = Ending("completed")
            assert self.do(store.start(agent_id, secret)) is NotOwnerError
            assert self.do(store.finish(agent_id, secret, ending)) is NotOwnerError

    @rule(task_id=ids)
    def kill_task(self, task_id: str) -> None:
        """At once where it waits, a request where it runs, too late where it has ended."""
        task = self.model.tasks[task_id]
        found = self.do(self.store("").kill(KillTarget("task", task_id), KillOrder()))
        if task.status in OVER:
            assert found is AlreadyTerminalError
        elif task.status == "pending":
            assert found.outcome == task.status.replace("pending", "failed")
            task.status = "failed"
        else:
            assert (found.outcome, found.record_id) == ("requested", f"{task_id}.{task.attempt}")
            self.model.agents[found.record_id].killed = True

    @rule(agent_id=claimed)
    def kill_agent(self, agent_id: str) -> None:
        """The same for one attempt."""
        agent = self.model.agents[agent_id]
        found = self.do(self.store("n1").kill(KillTarget("agent", agent_id), KillOrder()))
        if agent.status in LIVE:
            assert (found.outcome, found.node) == ("requested", agent.node)
            agent.killed = True
        else:
            assert found is AlreadyTerminalError

    @rule(number=st.integers(4, 9))
    def kill_nobody(self, number: int) -> None:
        """There is no such task."""
        target = KillTarget("task", f"t{number}")
        assert self.do(self.store("").kill(target, KillOrder())) is NotFoundError

    @rule(node=st.sampled_from(NODES))
    def renew(self, node: str) -> None:
        """All that ever were: those that are not this life's, or have ended, are lost."""
        epoch = self.model.epochs[node]
        lost = {
            agent_id
            for agent_id, agent in self.model.agents.items()
            if (agent.node, agent.epoch) != (node, epoch) or agent.status not in LIVE
        }
        assert set(self.do(self.store(node).renew(self.model.agents))) == lost

    @rule(node=st.sampled_from(NODES))
    def die(self, node: str) -> None:
        """The next life of a node takes its name over."""
        before = self.model.epochs[node]
        self.model.epochs[node] = f"e{int(before[1:]) + 1}"
        self.do(self.nodes(node).register(node, NODE_FIELDS, dead=before))

    @rule(agent_id=consumes(claimed), by=st.sampled_from(NODES), is_over=st.booleans())
    def settle(self, agent_id: str, by: str, is_over: bool) -> None:  # noqa: FBT001 - drawn
        """The dead owner's by its own next life alone; never one whose owner lives."""
        agent = self.model.agents[agent_id]
        ended = [agent.epoch] if is_over else []
        (found,) = self.do(self.store(by).settle([agent_id], agent.node, ended=ended))
        if agent.status not in LIVE:
            assert isinstance(found, NotFoundError)
            return
        lives = agent.epoch == self.model.epochs[agent.node]
        if by != agent.node or (lives and not is_over):
            assert isinstance(found, NotOwnerError)
            return
        status = "killed" if agent.killed and is_over else "failed"
        expected = self.model.end(agent, status, final=agent.killed)
        agent.settled = True
        assert found == expected

    @invariant()
    def records_are_as_the_model_says(self) -> None:
        """Each status, and each attempt."""
        tasks, agents = self.portal.call(self.statuses)
        assert tasks == {one: (t.status, str(t.attempt)) for one, t in self.model.tasks.items()}
        assert agents == {one: agent.status for one, agent in self.model.agents.items()}

    async def statuses(self) -> tuple[dict[str, tuple[str, str]], dict[str, str]]:
        """What the server has."""
        async with self.redis.pipeline() as pipe:
            for task_id in self.model.tasks:
                pipe.hmget(self.world.keys.task(task_id), "status", "attempt")
            for agent_id in self.model.agents:
                pipe.hget(self.world.keys.agent(agent_id), "status")
            found = await pipe.execute()
        size = len(self.model.tasks)
        tasks = {one: tuple(got) for one, got in zip(self.model.tasks, found, strict=False)}
        return tasks, dict(zip(self.model.agents, found[size:], strict=True))

    def teardown(self) -> None:
        """All that was told and all that is left keeps the promises."""
        self.portal.call(self.world.check)
        self.portal.call(self.redis.flushall)
        self.portal.call(self.redis.aclose)


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    """A loop in a thread: the machine's rules are plain functions."""
    with start_blocking_portal("asyncio") as portal:
        yield portal


def test_steps_in_any_order(server: Server, portal: BlockingPortal) -> None:
    """The server answers what the model answers, and holds what it holds, after every step."""
    prefixes = count()

    def machine() -> Machine:
        return Machine(portal, server, f"machine{next(prefixes)}")

    factory: Any = machine  # its types want a class, its documentation anything that makes one
    examples = settings.default.max_examples // 2 if settings.default else 10
    # Shrinking runs the server for minutes; what fails is printed step by step as it is.
    limits = settings(stateful_step_count=STEPS, max_examples=examples, phases=[Phase.generate])
    run_state_machine_as_test(factory, settings=limits)
