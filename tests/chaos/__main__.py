"""`python -m tests.chaos SEED SECONDS [SLACK]`: one run; exit code 1 if a promise was broken."""

import sys
import tempfile
from pathlib import Path

import anyio

from tests.chaos.plan import make_plan
from tests.chaos.run import play
from tests.checker.promises import BrokenError


def _main(seed: int, seconds: float, slack: float = 0.5) -> int:
    with tempfile.TemporaryDirectory(prefix="musterd-") as name:
        folder = Path(name, "ledger")
        folder.mkdir()
        plan = make_plan(seed, seconds, name)
        print(f"seed {seed}: {len(plan.tasks)} tasks, {len(plan.faults)} faults in {seconds:g} s")
        try:
            print(anyio.run(_play, plan, folder, slack))
        except BrokenError as error:
            print(error)
            print(f"seed {seed}, {seconds:g} s: a promise was broken")
            return 1
    return 0


async def _play(plan, folder, slack):
    return await play(plan, folder, slack=slack)


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1]), float(sys.argv[2]), *map(float, sys.argv[3:])))
