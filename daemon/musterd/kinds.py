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
from musterd.jsons import Json
from musterd.runtimes.base import REJECTED, Runtime
from musterd.runtimes.coroutine import CoroutineRuntime
from musterd.runtimes.process import ProcessRuntime


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Options):
    """A kind of agent: its options, and what runs one; many may run in it at once."""

    runtime: Runtime

    def offer(self, max_messages: int) -> dict[str, Json]:
        """What is published about it: its defaults, and how many messages may wait for an agent."""
        return self.defaults() | ({"messages": max_messages} if self.messages else {})


def load_kinds(sources: Sequence[str], scratch: Path) -> dict[str, Kind]:
    """Gather the kinds of all sources, by name.

    Args:
        sources: each a TOML file (its name ends in `.toml`), `module` or `module:attribute`.
        scratch: a folder for the files in which processes leave their results.

    Raises:
        KindError: a source cannot be used, or two of them define the same kind.
    """
    kinds: dict[str, Kind] = {}
    origins: dict[str, str] = {}
    for source in sources:
        for options, runtime in _load(source, scratch):
            if options.name in kinds:
                problem = f"{options.name} is defined already, in {origins[options.name]}"
                raise KindError(source, problem)
            kinds[options.name] = Kind(**dataclasses.asdict(options), runtime=runtime)
            origins[options.name] = source
    return kinds


def _load(source: str, scratch: Path) -> Iterator[tuple[Options, Runtime]]:
    if source.endswith(".toml"):
        for options, command, folder, environment in kind_files.read(source):
            yield (
                options,
                ProcessRuntime(
                    command,
                    scratch,
                    working_directory=folder,
                    environment=environment,
                    messages=options.messages,
                ),
            )
        return
    for options, function in functions.find(source):
        yield options, _function_runtime(source, options.name, function, scratch)


def _function_runtime(source: str, kind: str, function: AgentFunction, scratch: Path) -> Runtime:
    if inspect.iscoroutinefunction(function):
        return CoroutineRuntime(function)
    command = (sys.executable, "-u", "-m", "musterd.runtimes.worker", source, kind)
    return ProcessRuntime(command, scratch, rejected_code=REJECTED, messages=True)
