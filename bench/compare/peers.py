"""Who is compared: what each runs in, how it is set up, and what it does not play."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import musterd
from bench import environments

ROOT: Final = Path(__file__).parents[2]
DRIVERS: Final = Path(__file__).parent / "drivers"
OURS: Final = "musterd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One library, set up in one way.

    Attributes:
        name: what it is called on the command line and in tables.
        driver: its file below `drivers/`, without a suffix; also the name of its environment.
        tuning: how it differs from what it ships as.
        settings: environment variables for its driver.
        skips: names of the measures that it does not play, mostly as it has nothing for them.
        endings: a sorted set that holds a member for each job whose ending is written; without one,
            the last body that begins counts as the end of a drain.
    """

    name: str
    driver: str
    tuning: str = "as it ships"
    settings: Mapping[str, str] = field(default_factory=dict)
    skips: frozenset[str] = frozenset()
    endings: str = ""

    @property
    def version(self) -> str:
        """Its library's name and version."""
        if self.driver == OURS:
            return f"{OURS} {musterd.__version__}"
        return environments.version(self.driver)

    def command(self, cache: Path) -> tuple[list[str], dict[str, str]]:
        """The start of its driver's command line, and the environment variables that it needs.

        Raises:
            BuildError: its environment could not be built.
        """
        module = f"bench.compare.drivers.{self.driver}"
        if self.driver == OURS:
            paths = ":".join(str(Path(path).resolve()) for path in sys.path)
            return [sys.executable, "-m", module], {"PYTHONPATH": paths, **self.settings}
        folder = environments.build(self.driver, cache)
        if (script := DRIVERS / f"{self.driver}.cjs").exists():
            modules = str(folder / "node_modules")
            return ["node", str(script)], {"NODE_PATH": modules, **self.settings}
        paths = str(ROOT)
        return [str(folder / "bin/python"), "-m", module], {"PYTHONPATH": paths, **self.settings}


_NO_KILL: Final = frozenset({"kill"})
_THREADS: Final = frozenset({"kill", "memory"})


def _taskiq(broker: str) -> Peer:
    """One of the brokers of taskiq-redis."""
    return Peer(
        name=f"taskiq-{broker}",
        driver="taskiq",
        tuning="uvloop, results kept",
        settings={"COMPARE_BROKER": broker},
        skips=_NO_KILL,
    )


ALL: Final[Mapping[str, Peer]] = {
    peer.name: peer
    for peer in (
        Peer(
            name=OURS,
            driver=OURS,
            tuning="as it ships but its capacity; log at info, in a file",
            endings="orchestrator:tasks:completed",
        ),
        Peer(name="bullmq", driver="bullmq", skips=_NO_KILL, endings="bull:compare:completed"),
        Peer(name="dramatiq", driver="dramatiq", tuning="100 threads", skips=_THREADS),
        Peer(name="saq", driver="saq", tuning="uvloop"),
        Peer(
            name="docket",
            driver="docket",
            tuning="uvloop, looks each 5 ms (250), pool for all its jobs (100)",
        ),
        _taskiq("stream"),
        _taskiq("list"),
        Peer(name="arq", driver="arq", tuning="uvloop, looks each 10 ms (500), aborts allowed"),
        Peer(name="streaq", driver="streaq", tuning="uvloop"),
        Peer(
            name="celery-threads",
            driver="celery",
            tuning="100 threads, results kept, no gossip",
            settings={"COMPARE_POOL": "threads"},
            skips=_THREADS,
        ),
        Peer(
            name="celery-gevent",
            driver="celery",
            tuning="greenlets, results kept, no gossip",
            settings={"COMPARE_POOL": "gevent"},
            skips=frozenset({"drain", "submit", "latency", "commands"}),  # threads are faster
        ),
    )
}
