"""`python -m tests.chaos SEED SECONDS [SLACK]`: one run; exit code 1 if a promise was broken."""

import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

import anyio

from tests.chaos.plan import make_plan
from tests.chaos.run import play
from tests.checker.promises import BrokenError


def _main(seed: int, seconds: float, slack: float = 0.5) -> int:
    folder = Path(tempfile.mkdtemp(prefix="musterd-chaos-"))
    plan = make_plan(seed, seconds, str(folder))
    _tell(f"seed {seed}: {len(plan.tasks)} tasks, {len(plan.faults)} faults in {seconds:g} s")
    try:
        _tell(anyio.run(partial(play, plan, folder, slack=slack, tell=_tell)))
    except BrokenError as error:
        _tell(error)
        _tell(f"seed {seed}, {seconds:g} s: a promise was broken; the logs are in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def _tell(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1]), float(sys.argv[2]), *map(float, sys.argv[3:])))
