"""The agent kinds that this daemon offers, gathered from TOML files and import paths."""

import dataclasses
import inspect
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from musterd import functions, kind_files
from musterd.errors import KindError
from musterd.functions import AgentFunction, Options
from musterd.runtimes.base import REJECTED, Runtime
from musterd.runtimes.cgroup import Cgroups
from musterd.runtimes.coroutine import CoroutineRuntime
from musterd.runtimes.process import ProcessRuntime


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Options):
    """A kind of agent: its options, and what runs one; many may run in it at once."""

    runtime: Runtime


def load_kinds(
    sources: Sequence[str], scratch: Path, cgroups: Cgroups | None = None
) -> dict[str, Kind]:
    """Gather the kinds of all sources, by name.

    Args:
        sources: each a TOML file (its name ends in `.toml`), `module` or `module:attribute`.
        scratch: a folder for the files in which processes leave their results.
        cgroups: makes a control group for each agent that is a process.

    Raises:
        KindError: a source cannot be used, or two of them define the same kind.
    """
    kinds: dict[str, Kind] = {}
    origins: dict[str, str] = {}
    for source in sources:
        for options, runtime in _load(source, scratch, cgroups):
            if options.name in kinds:
                problem = f"{options.name} is defined already, in {origins[options.name]}"
                raise KindError(source, problem)
            kinds[options.name] = Kind(**dataclasses.asdict(options), runtime=runtime)
            origins[options.name] = source
    return kinds


def _load(source: str, scratch: Path, cgroups: Cgroups | None) -> Iterator[tuple[Options, Runtime]]:
    if source.endswith(".toml"):
        for options, command, folder, environment in kind_files.read(source):
            yield (
                options,
                ProcessRuntime(
                    command,
                    scratch,
                    working_directory=folder,
                    environment=environment,
                    cgroups=cgroups,
                ),
            )
        return
    for options, function in functions.find(source):
        yield options, _function_runtime(source, options.name, function, scratch, cgroups)


def _function_runtime(
    source: str, kind: str, function: AgentFunction, scratch: Path, cgroups: Cgroups | None
) -> Runtime:
    if inspect.iscoroutinefunction(function):
        return CoroutineRuntime(function)
    command = (sys.executable, "-u", "-m", "musterd.runtimes.worker", source, kind)
    return ProcessRuntime(command, scratch, rejected_code=REJECTED, cgroups=cgroups)
