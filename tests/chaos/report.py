"""What a run that kept every promise has shown."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.chaos.plan import Plan
from tests.chaos.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Report:
    """The counts and the worst figures of a run.

    Attributes:
        plan: what was done.
        faults: how many of each happened.
        verdict: what was measured.
        rest: seconds from the last fault until nothing was live.
    """

    plan: Plan
    faults: Mapping[str, int]
    verdict: Verdict
    rest: float

    def __str__(self) -> str:
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        verdict = self.verdict
        worst = max(verdict.recoveries, default=0.0)
        slowest = f"{max(verdict.kills, default=0.0):.2f} s ({verdict.slowest})"
        lines = (
            f"seed {self.plan.seed}, {self.plan.seconds:g} s: every promise held",
            f"faults      {sum(self.faults.values())}: {kinds}",
            f"tasks       {len(self.plan.tasks)}, retries {verdict.retries}",
            f"kills       {len(verdict.kills)}, worst {slowest}",
            f"recoveries  {len(verdict.recoveries)}, worst {worst:.2f} s",
            f"at rest     {self.rest:.2f} s after the last fault",
        )
        return "\n".join(lines)
