"""A short run, and the plan that it follows."""

import sys
from pathlib import Path

import pytest

from tests.chaos.plan import ON_ALL, ON_DAEMON, ON_LINK, ON_SERVER, make_plan
from tests.chaos.planted import PLANTS, Plant, plant
from tests.chaos.run import play
from tests.chaos.troubles import Trouble, Troubles
from tests.support.pace import within

FAILED_ONCE = (3, 5, 6, 11, 1, 4, 2)
"""Seeds that have found something: a later attempt that the checker took for an overlap; calls
that waited five seconds on connections whose bytes a black hole had taken, and a subscription that
did; attempts of several daemons that were not restored in their order."""


def test_plan_is_a_function_of_its_seed() -> None:
    """The same seed plans the same, another one something else; a longer run begins as a short."""
    one, again, other = (make_plan(seed, 20, "f") for seed in (7, 7, 8))
    assert one == again
    assert one.faults != other.faults
    assert one.tasks != other.tasks
    assert make_plan(7, 40, "f").tasks[:50] == one.tasks[:50]


def test_plan_knows_every_fault() -> None:
    """A long one has them all."""
    names = {fault.name for fault in make_plan(1, 600, "f").faults}
    assert names == ON_ALL.keys() | ON_DAEMON.keys() | ON_LINK.keys() | ON_SERVER.keys()


def test_calm_is_what_no_trouble_touches() -> None:
    """Troubles overlap, begin before, and last; those of other places do not count."""
    troubles = Troubles([
        Trouble("a", "here", 8, 12),
        Trouble("b", "here", 11, 14),
        Trouble("c", "there", 15, 16),
        Trouble("d", "here", 19),
    ])  # fmt: skip
    assert troubles.calm(10, 20, {"here"}) == 5
    assert troubles.calm(10, 20, {"here", "there"}) == 4
    assert troubles.calm(0, 5, {"here"}) == 5
    assert troubles.calm(25, 30, {"here"}) == 0


@pytest.mark.parametrize("one", PLANTS, ids=lambda one: one.name)
def test_planted_faults_are_where_the_code_is(one: Plant, tmp_path: Path) -> None:
    """The text that each replaces stands there, once; whether chaos finds them takes longer."""
    plant(one, tmp_path)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", FAILED_ONCE[-1:])
async def test_short_run(seed: int, tmp_path: Path) -> None:
    """Every promise holds through some fifty faults; `make chaos` goes on for longer."""
    plan = make_plan(seed, 15, str(tmp_path))
    report = await play(plan, tmp_path, slack=within(1), tell=_tell)
    _tell(str(report))
    assert sum(report.faults.values()) == len(plan.faults)


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
