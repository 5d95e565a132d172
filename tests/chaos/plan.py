"""What is submitted, killed and broken in a run, when, and for how long: a pure function of a seed.

How the run goes is not: processes and a network are at work. But the same seed asks the same of
them, and finds what it has found again, mostly at the first try.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from musterd.jsons import Json

DAEMONS: Final = 3
SERVER: Final = -1
"""The target of a fault that is the server's."""

TASKS_A_SECOND: Final = 5.0

ON_DAEMON: Final = {"kill -9": (0.0, 2.5), "freeze": (0.1, 3.0), "drain": (0.0, 1.0),
                    "second signal": (0.0, 1.0)}  # fmt: skip
ON_LINK: Final = {"cut": (0.0, 0.0), "refuse": (0.1, 2.0), "stall": (0.1, 2.5),
                  "swallow": (0.1, 2.0), "half-close": (0.0, 0.0), "delay": (0.3, 2.0),
                  "cut in a reply": (0.2, 1.0), "cut in a request": (0.2, 1.0)}  # fmt: skip
ON_ALL: Final = {"set back": (0.2, 1.0)}
"""What is the server's, and nothing else may be the matter with anybody: it loses the writes of
its last so many seconds, which only those can say again who live and hear of it."""

ON_SERVER: Final = {"pause": (0.1, 1.5), "restart": (0.0, 0.0), "kill": (0.0, 1.0),
                    "readonly": (0.1, 1.0), "no memory": (0.1, 1.0), "no disk": (0.0, 0.5),
                    "busy": (0.1, 1.0), "no connections": (0.1, 1.0),
                    "disconnect": (0.0, 0.0), "overflow": (0.1, 0.5)}  # fmt: skip
"""Each fault, and from how many to how many seconds it lasts."""

FINALE: Final = 3.5
"""Seconds after the other faults at which the last ones begin, when all is calm: one daemon drains
beside others that could take too much of its work; it is back, and those die."""

LAST_TASKS: Final = 12

UNTIL_KILLED: Final = ("hold", "family", "stubborn", "worker", "careful")
"""Kinds that end only when they are stopped."""

KINDS: Final = {"echo": 6, "brief": 8, "flaky": 3, "greet": 3, "crash": 2, "hold": 4, "family": 3,
                "stubborn": 1, "worker": 1, "careful": 1}  # fmt: skip
"""Each kind of `tests/agents`, and its share of the tasks."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, `at` so many seconds, on a daemon, its link, or the server."""

    at: float
    name: str
    target: int
    lasts: float


@dataclass(frozen=True, slots=True)
class Task:
    """One task.

    Attributes:
        at: seconds after the begin when it is submitted.
        task_id: its id.
        kind: one of `KINDS`.
        context: what it is given.
        attempts: how many it has.
        kill_after: seconds after its submission until it is to be killed; None if it is not.
        by_message: the kill comes on the control channel, not from a client.
    """

    at: float
    task_id: str
    kind: str
    context: Json
    attempts: int
    kill_after: float | None
    by_message: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """All of a run."""

    seed: int
    seconds: float
    faults: tuple[Fault, ...]
    tasks: tuple[Task, ...]


def make_plan(seed: int, seconds: float, folder: str) -> Plan:
    """The plan of a seed; `folder` is for what the tasks' commands leave."""
    faults = list(_timeline(seed, seconds, SERVER, ON_SERVER, 1.5))
    faults += _timeline(seed, seconds, SERVER, ON_ALL, 10.0)
    faults += _finale(seed, seconds)
    for daemon in range(DAEMONS):
        faults += _timeline(seed, seconds, daemon, ON_LINK, 2.0)
        faults += _timeline(seed, seconds, daemon, ON_DAEMON, 5.0)
    faults.sort(key=lambda fault: fault.at)
    tasks = (*_tasks(seed, seconds, folder), *_last_tasks(seed, seconds))
    return Plan(seed, seconds, tuple(faults), tasks)


def _finale(seed: int, seconds: float) -> Iterator[Fault]:
    at = seconds + FINALE
    yield Fault(at, "drain", seed % DAEMONS, 0.0)
    for daemon in range(1, DAEMONS):
        yield Fault(at + 5.5, "kill -9", (seed + daemon) % DAEMONS, 4.0)


def _last_tasks(seed: int, seconds: float) -> Iterator[Task]:
    """What runs through the finale; one by one, so that not all go to one daemon."""
    for number in range(LAST_TASKS):
        before = (LAST_TASKS - number) * 0.2
        at, kill_after = seconds + FINALE - before, before + 13.0
        yield Task(at, f"c{seed}-last{number}", "hold", None, 50, kill_after, by_message=False)


def _timeline(
    seed: int, seconds: float, target: int, names: dict[str, tuple[float, float]], gap: float
) -> Iterator[Fault]:
    """Faults of one thing, one after the other, with `gap` seconds between them on average."""
    random = Random(f"{seed} {target} {sorted(names)}")  # noqa: S311, it must be repeatable
    at = random.uniform(0.2, gap)
    while at < seconds:
        name = random.choice(sorted(names))
        lasts = round(random.uniform(*names[name]), 3)
        yield Fault(round(at, 3), name, target, lasts)
        at += lasts + random.expovariate(1 / gap)


def _tasks(seed: int, seconds: float, folder: str) -> Iterator[Task]:
    random = Random(f"{seed} tasks")  # noqa: S311, it must be repeatable
    at, number = 0.0, 0
    while at < seconds:
        number += 1
        (kind,) = random.choices(list(KINDS), list(KINDS.values()))
        endless = kind in UNTIL_KILLED
        context: Json = {"family": folder, "stubborn": folder}.get(kind)
        if kind in {"brief", "careful"}:
            context = round(random.uniform(0.02, 0.3 if kind == "careful" else 2.0), 3)
        yield Task(
            at=round(at, 3),
            task_id=f"c{seed}-{number}",
            kind=kind,
            context=context,
            attempts=50 if endless else random.choice((1, 3, 6)),
            kill_after=round(random.uniform(0.0, 4.0), 3)
            if endless or random.random() < 0.15
            else None,
            by_message=random.random() < 0.3,
        )
        at += random.expovariate(TASKS_A_SECOND)
