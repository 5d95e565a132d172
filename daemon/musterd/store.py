"""Every operation on tasks and agents, typed: one method a step of the scripts.

A method returns what the step answered, or raises the error that names what refused it.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from musterd import jsons
from musterd.answers import Steps, accept, refusal
from musterd.errors import (
    AlreadyTerminalError,
    ExistsError,
    MusterdError,
    UnknownKindError,
)
from musterd.moves import (
    Claim,
    Claimed,
    Ended,
    Ending,
    KillOrder,
    KillOutcome,
    KillTarget,
    Offer,
)
from musterd.scripts import Reply, Step
from musterd.submission import Submission, optional_seconds, seconds_text

RENEWALS: Final = 500
"""Heartbeats renewed in one step: it takes the server about a millisecond."""

PAGE: Final = 256
"""Orphans, or entries to trim, handled by one step."""


class Store:
    """The operations, each a step that is handed to `steps`.

    Args:
        steps: what sends them.
        max_context: bytes of a submitted task's context.
        max_metadata: and of its metadata.
    """

    def __init__(
        self,
        steps: Steps,
        *,
        max_context: int = jsons.MAX_BYTES,
        max_metadata: int = jsons.MAX_BYTES,
    ) -> None:
        self._steps = steps
        self._sizes = (max_context, max_metadata)
        self._commit = steps.commit

    async def submit(self, submission: Submission) -> bool:
        """Make a task. False if it was there already, with the same kind and context.

        Raises:
            ExistsError: it was there with another kind or context.
            UnknownKindError: some daemon has offered kinds, and this is not among them.
        """
        return _read_submitted(submission, await self._commit(submission.step(*self._sizes)))

    async def submit_all(self, submissions: Sequence[Submission]) -> list[bool | MusterdError]:
        """Make many tasks; for each what `submit` returns or raises."""
        replies = await self._steps.commit_all(
            [submission.step(*self._sizes) for submission in submissions]
        )
        answers: list[bool | MusterdError] = []
        for submission, reply in zip(submissions, replies, strict=True):
            try:
                answers.append(_read_submitted(submission, reply))
            except MusterdError as error:
                answers.append(error)
        return answers

    async def claim(self, number: int, stem: str, count: int, offers: Sequence[Offer]) -> Claimed:
        """Take up to `count` due tasks, whose agents start. The same number answers the same.

        Raises:
            NotOwnerError: this epoch is not registered, or has made a later claim.
        """
        wanted: list[str | int] = []
        for offer in offers:
            wanted += (offer.kind, offer.room, offer.max_attempts, optional_seconds(offer.timeout))
        reply = await self._commit(("claim", number, stem, count, *wanted))
        if reply[0] != "ok":
            raise refusal(f"claim {number}", reply)
        _, due, broken, claims = reply
        return Claimed([Claim.read(item) for item in claims], _ms(due), broken)

    async def start(self, agent_id: str, token: str) -> bool:
        """The agent runs, or still may. False if a kill was recorded before: end it.

        Raises:
            NotOwnerError, NotFoundError, IllegalStepError, BrokenRecordError: nothing was written.
        """
        reply = await self._commit(("start", agent_id, token))
        if reply[0] not in {"ok", "kill"}:
            raise refusal(agent_id, reply)
        return bool(reply[0] == "ok")

    async def finish(
        self, agent_id: str, token: str, ending: Ending, cpu_seconds: float | None = None
    ) -> Ended:
        """Write an agent's one ending, and what processor time it has taken, where that is known.

        Raises:
            NotOwnerError, NotFoundError, IllegalStepError, BrokenRecordError: nothing was written.
        """
        step = (
            "finish",
            agent_id,
            token,
            ending.status,
            ending.reason or "",
            ending.error or "",
            ending.result or "",
            int(ending.retry_delay * 1000),
            "" if cpu_seconds is None else f"{cpu_seconds:.3f}",
        )
        reply = await self._commit(step)
        if reply[0] != "ok":
            raise refusal(agent_id, reply)
        return Ended(agent=reply[1], task=reply[2])

    async def tell_paused(self, agent_id: str, token: str, seconds: float) -> None:
        """Tell that the agent's kind is paused on this daemon, because this one too has failed.

        Raises:
            NotOwnerError, NotFoundError, BrokenRecordError: nothing was told.
        """
        step = ("paused", agent_id, token, seconds_text(seconds))
        accept(agent_id, await self._commit(step))

    async def kill(self, target: KillTarget, order: KillOrder) -> KillOutcome:
        """Ask for the end of an agent or a task, durably.

        Raises:
            NotFoundError: there is no such record.
            AlreadyTerminalError: it had ended before the request came.
        """
        reply = await self._commit(_kill_step(target, order))
        if reply[0] == "ended":
            raise AlreadyTerminalError(target.record_id, reply[1])
        if reply[0] != "ok":
            raise refusal(target.record_id, reply)
        return KillOutcome(*reply[1:])

    async def kill_tasks(
        self, task_ids: Sequence[str], kind: str, order: KillOrder
    ) -> list[KillOutcome]:
        """Ask for the end of those of the tasks that live, and are of a kind where one is given.

        Returns:
            An outcome for each one that is asked to stop, or has ended while it waited.
        """
        targets = [KillTarget("task", task_id, kind) for task_id in task_ids]
        replies = await self._steps.commit_all([_kill_step(target, order) for target in targets])
        outcomes = [KillOutcome(*reply[1:]) for reply in replies if reply[0] == "ok"]
        return [outcome for outcome in outcomes if outcome.outcome in {"requested", "failed"}]

    async def renew(self, agent_ids: Iterable[str]) -> list[str]:
        """Renew the heartbeats of agents; the ids of those that are no longer ours."""
        steps: list[Step] = [("renew", *page) for page in _pages(agent_ids, RENEWALS)]
        replies = await self._steps.commit_all(steps)
        return [agent_id for reply in replies for agent_id in accept("heartbeats", reply)[1]]

    async def owned(self, node: str, most: int | None = None) -> list[str]:
        """The agents listed as a node's; at most so many, picked at random."""
        return list(
            accept(node, await self._commit(("owned", node, "" if most is None else most)))[1]
        )

    async def adopt(self, agent_ids: Iterable[str]) -> list[Claim]:
        """Those of our agents that are alive, as their claim would describe them."""
        steps: list[Step] = [("adopt", *page) for page in _pages(agent_ids, PAGE)]
        replies = await self._steps.commit_all(steps)
        return [Claim.read(item) for reply in replies for item in accept("adopt", reply)[1]]

    async def settle(
        self, agent_ids: Sequence[str], node: str, *, ended: Collection[str] = ()
    ) -> list[Ended | MusterdError]:
        """End agents for their dead owner; for each what became of it, or why nothing was written.

        Args:
            agent_ids: the agents.
            node: the node they are listed under.
            ended: epochs of this node of whose agents nothing runs any more, and this is known. Its
                present epoch among them: also agents of this life, which no actor runs.
        """
        epochs = " ".join(ended)
        steps: list[Step] = [("settle", agent_id, node, epochs) for agent_id in agent_ids]
        answers: list[Ended | MusterdError] = []
        for agent_id, reply in zip(agent_ids, await self._steps.commit_all(steps), strict=True):
            try:
                answers.append(Ended(*accept(agent_id, reply)[1:]))
            except MusterdError as error:
                answers.append(error)
        return answers

    async def trim(self) -> int:
        """Let go of some index entries whose records have expired; how many went."""
        return int(accept("trim", await self._commit(("trim", PAGE)))[1])


def _read_submitted(submission: Submission, reply: Reply) -> bool:
    """What a submit step answered: whether it made the task. Raises as `Store.submit`."""
    if reply[0] == "exists":
        raise ExistsError(submission.task_id)
    if reply[0] == "unknown_kind":
        raise UnknownKindError(submission.kind, sorted(reply[1]))
    if reply[0] != "ok":
        raise refusal(submission.task_id, reply)
    return bool(reply[1])


def _pages(agent_ids: Iterable[str], size: int) -> Iterator[list[str]]:
    remaining = iter(agent_ids)
    while page := list(islice(remaining, size)):
        yield page


def _kill_step(target: KillTarget, order: KillOrder) -> Step:
    return (
        "kill",
        target.what,
        target.record_id,
        target.kind,
        order.reason,
        order.by,
        optional_seconds(order.grace),
    )


def _ms(value: int) -> float | None:
    return None if value < 0 else value / 1000
