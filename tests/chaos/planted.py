"""Breaks promises on purpose, each in a copy of the package, and sees whether chaos finds it.

`python -m tests.chaos.planted [NAME…]`: exit code 1 if one was not found. Each gets several seeds.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import musterd

SECONDS: Final = 60
SEEDS: Final = range(1, 6)
LIMIT: Final = 180
"""Seconds after which a run has hung, which nobody is told."""


@dataclass(frozen=True, slots=True)
class Plant:
    """One fault in the package.

    Attributes:
        name: what it is called here.
        promise: the one it breaks.
        file: where, below the package.
        text: what stands there.
        instead: what is put in its place.
    """

    name: str
    promise: int
    file: str
    text: str
    instead: str


PLANTS: Final = (
    # Not seen, as something else keeps the promise: without the owner's check alone the table of
    # states refuses the same steps; without `check_owner_dead` only the silent are settled all the
    # same; what a claim that is not idempotent takes twice, the audit adopts. A lease that anybody
    # may renew keeps a superseded body for less than the ledger allows: the tests of waking see it.
    Plant(
        "ending written by anybody", 4, "lua/finish.lua",
        "  local agent = read_owned(id, token)\n",
        "  local agent = read_agent(id)\n  agent.status = 'running'\n",
    ),
    Plant(
        "event told twice", 3, "lua/ending.lua",
        "  settled = settled + 1\n",
        "  tell('task.' .. status, about(task, task.agent, node), outcome(ending) .. final)\n",
    ),
    Plant(
        "kills not read again", 5, "control.py",
        "                self._supervisor.crew.kill(agent_id, *request)\n        except Resp",
        "                pass\n        except Resp",
    ),
    Plant(
        "replay forgotten", 9, "committer.py",
        "                    await self._say_all_again(steps)\n",
        "                    await self._say_all_again([])\n",
    ),
    Plant(
        "dead daemons not looked for", 7, "recovery.py",
        "            for node in dead:\n                await self._settle(node)\n",
        "            pass\n",
    ),
    Plant(
        "orphan settled twice", 3, "lua/recover.lua",
        "  local is_over = ended(AGENT_STEPS, agent.status)\n"
        "  if is_over or agent.node ~= node then return strike_off(id, node, is_over) end\n",
        "  if ended(AGENT_STEPS, agent.status) then agent.status = 'running' end\n",
    ),
    Plant(
        "ending not idempotent", 3, "lua/finish.lua",
        "  if ended(AGENT_STEPS, agent.status) then\n",
        "  if ended(AGENT_STEPS, agent.status) then agent.status = 'running' end\n"
        "  if false then\n",
    ),
    Plant(
        "superseded owner not told", 4, "heartbeat.py",
        "            self._supervisor.crew.lose(agent_id)\n",
        "            pass\n",
    ),
    Plant(
        "retry after a kill", 5, "lua/ending.lua",
        "  if status == 'failed' and not FINAL_REASONS[reason] and task.attempt",
        "  if status ~= 'completed' and task.attempt",
    ),
    Plant(
        "killed told before the end", 6, "runtimes/process.py",
        "                ending.outcome = await self.group.end(context)\n",
        "                ending.outcome = Outcome(-15, 0.0)\n",
    ),
    Plant(
        "leftovers not ended", 6, "recovery.py",
        "        ended = await end_leftovers(",
        "        ended = 0 if True else await end_leftovers(",
    ),
    Plant(
        "leases given up on a drain", 8, "leaving.py",
        "        self._heartbeat.hurry()\n        self._stopping.asked.set()\n",
        "        self._heartbeat._interval = 3600.0\n        self._stopping.asked.set()\n",
    ),
)  # fmt: skip


def plant(one: Plant, folder: Path) -> None:
    """Copy the package into a folder, with this fault in it."""
    package = folder / "musterd"
    shutil.copytree(Path(musterd.__file__).parent, package, ignore=shutil.ignore_patterns("*.pyc"))
    path = package / one.file
    text = path.read_text(encoding="utf-8")
    assert text.count(one.text) == 1, (
        f"{one.name}: {one.file} holds it {text.count(one.text)} times"
    )
    path.write_text(text.replace(one.text, one.instead), encoding="utf-8")


def find(one: Plant, seed: int) -> str:
    """Let chaos look for it; the break that it has found, empty if none."""
    with tempfile.TemporaryDirectory(prefix="musterd-") as name:
        plant(one, Path(name))
        run = subprocess.run(
            [sys.executable, "-m", "tests.chaos", str(seed), str(SECONDS), "1"],
            env=os.environ | {"PYTHONPATH": name, "TMPDIR": name},
            stdout=subprocess.PIPE,
            text=True,
            timeout=LIMIT,
            check=False,
        )
        lines = run.stdout.splitlines()
    found = [n for n, line in enumerate(lines) if line.startswith("promise ")]
    return " ".join(line.strip()[:200] for line in lines[found[0] : found[0] + 2]) if found else ""


def _main(names: list[str]) -> int:
    missed = 0
    for one in PLANTS:
        if names and one.name not in names:
            continue
        found = next((f"seed {seed}: {what}" for seed in SEEDS if (what := find(one, seed))), "")
        missed += not found
        sys.stdout.write(f"{one.name}: {found or 'NOT FOUND'}\n")
        sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
