"""Measures a run by its log of events: how fast the killed and the orphaned were found."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.plan import DAEMONS, SERVER
from tests.chaos.stage import GRACE, TTL, Stage, link, place
from tests.checker.contract import milliseconds
from tests.checker.event import Event
from tests.checker.promises import Break

KILL: float = 1.0
"""Calm seconds within which a kill is carried out, beside the grace of the agent."""

RECOVERY: float = TTL + TTL / 3 + 1.0
"""Seconds within which a killed daemon's agents are found, by itself or another one."""


LEASE: float = TTL + TTL / 3 + 0.7
"""Seconds before its end in which a lease was renewed last, or should have been; and found over."""

STOPPED: float = TTL / 3 + GRACE + 1.0
"""Calm seconds within which a superseded owner stops its agent: a beat, and what it may take."""


@dataclass(slots=True)
class Attempt:
    """One attempt, as it was told; times are Unix seconds."""

    node: str
    kind: str
    spawned: float
    ended: float | None = None
    how: str = ""
    """`completed`, `failed` or `killed`."""
    reason: str | None = None


@dataclass(slots=True)
class Verdict:
    """What was measured; seconds."""

    retries: int = 0
    kills: list[float] = field(default_factory=list)
    slowest: str = ""
    """The agent whose kill took the longest."""
    recoveries: list[float] = field(default_factory=list)
    breaks: list[Break] = field(default_factory=list)


def judge(
    stage: Stage, events: Iterable[Event], asked: dict[str, float], notes: Path, slack: float
) -> Verdict:
    """Hold a run that is over to the bounds.

    Args:
        stage: what was the matter when.
        events: all that was told.
        asked: agents whose kill was accepted, and when.
        notes: the file in which bodies noted their ends.
        slack: seconds more for a machine that is busy.
    """
    attempts = _attempts(events)
    verdict = Verdict(sum(not agent_id.endswith(".1") for agent_id in attempts))
    for agent_id, when in asked.items():
        attempt = attempts.get(agent_id)
        if attempt is None or attempt.ended is None:
            verdict.breaks.append(_broken(agent_id, "its kill was accepted, and it has no ending"))
            continue
        number = _number(stage, attempt.node)
        where = (place(SERVER), place(number), link(number))
        took = stage.troubles.calm(when, attempt.ended, where)
        verdict.kills.append(took)
        if took >= max(verdict.kills):
            verdict.slowest = f"{agent_id}, a {attempt.kind} on {attempt.node}"
        grace = GRACE if attempt.kind in {"stubborn", "careful"} else 0.0
        if took > KILL + grace + slack:
            suffered = stage.troubles.within(when - 1, attempt.ended, where)
            seconds = f"{took:.2f} calm s of {attempt.ended - when:.2f}"
            verdict.breaks.append(_broken(agent_id, f"its kill took {seconds}; {suffered}"))
    for took, agent_id in _outlived(stage, attempts, notes):
        if took > STOPPED + slack:
            what = f"{agent_id} worked for {took:.2f} calm s after it was settled as lost"
            verdict.breaks.append(Break(4, what, agent_id.rpartition(".")[0]))
    for agent_id in _given_up(stage, attempts, slack):
        what = f"{agent_id} was settled as lost, and nothing was the matter with its daemon"
        verdict.breaks.append(Break(8, what, agent_id.rpartition(".")[0]))
    for took, agent_id in _recoveries(stage, attempts):
        verdict.recoveries.append(took)
        if took > RECOVERY + slack:
            what = f"{agent_id}: its daemon was killed, and it was found after {took:.2f} s"
            verdict.breaks.append(Break(7, what, agent_id.rpartition(".")[0]))
    return verdict


def _attempts(events: Iterable[Event]) -> dict[str, Attempt]:
    attempts: dict[str, Attempt] = {}
    for event in events:
        if event.agent_id is None or not event.type.startswith("agent."):
            continue
        at = milliseconds(event.time) / 1000
        if event.type == "agent.spawned":
            attempts[event.agent_id] = Attempt(event.node or "", event.kind, at)
        elif event.type != "agent.running":
            attempt = attempts[event.agent_id]
            attempt.ended, attempt.how = at, event.type.removeprefix("agent.")
            attempt.reason = event.reason
    return attempts


def _recoveries(stage: Stage, attempts: dict[str, Attempt]) -> Iterator[tuple[float, str]]:
    """How long after its daemon's death, or after the last thing beside it, each was found as lost.

    Who judges must itself have been heard for a while, so whatever else is wrong starts the time
    anew; what was found in spite of it proves nothing about the bound.
    """
    others = {place(SERVER), *map(place, range(DAEMONS)), *map(link, range(DAEMONS))}
    for death in (one for one in stage.troubles.found if one.name == "kill -9"):
        for agent_id, attempt in attempts.items():
            if place(_number(stage, attempt.node)) != death.where or attempt.reason != "lost":
                continue
            if attempt.ended is None or not attempt.spawned < death.start < attempt.ended:
                continue
            beside = stage.troubles.within(death.start, attempt.ended, others - {death.where})
            dead = {one.where for one in beside if one.name == "kill -9"}
            if len(dead) < DAEMONS - 1:  # somebody lives who finds them
                beside = [one for one in beside if one.name != "kill -9"]
            ends = [math.inf if one.end is None else one.end for one in beside]
            took = attempt.ended - max([death.start, *ends])
            if took > 0:
                yield took, agent_id


def _outlived(
    stage: Stage, attempts: dict[str, Attempt], notes: Path
) -> Iterator[tuple[float, str]]:
    """For how many calm seconds each lost agent worked on: its daemon could know of it."""
    for line in notes.read_text(encoding="utf-8").splitlines():
        what, agent_id, _, at = line.split(" ")
        attempt = attempts.get(agent_id)
        if what != "end" or attempt is None or attempt.reason != "lost" or attempt.ended is None:
            continue
        number, end = _number(stage, attempt.node), int(at) / 1e9
        if end > attempt.ended:
            where = (place(SERVER), place(number), link(number))
            yield stage.troubles.calm(attempt.ended, end, where), agent_id


def _given_up(stage: Stage, attempts: dict[str, Attempt], slack: float) -> Iterator[str]:
    """The agents that were told as lost though their daemon could have renewed their leases."""
    for agent_id, attempt in attempts.items():
        if attempt.reason != "lost" or attempt.ended is None:
            continue
        number = _number(stage, attempt.node)
        where = (place(SERVER), place(number), link(number))
        since = attempt.ended - LEASE - slack
        if not stage.troubles.within(since, attempt.ended, where) and not stage.was_held_up(
            attempt.node, since, attempt.ended
        ):
            yield agent_id


def _number(stage: Stage, node: str) -> int:
    return [daemon.node for daemon in stage.daemons].index(node)


def _broken(agent_id: str, what: str) -> Break:
    return Break(5, f"{agent_id}: {what}", agent_id.rpartition(".")[0])
