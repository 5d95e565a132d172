"""The agent kinds that this daemon offers, gathered from TOML files and import paths."""

import dataclasses
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from musterd import functions, kind_files
from musterd.errors import KindError
from musterd.functions import AgentFunction, Options
from musterd.jsons import Json
from musterd.kind_files import CommandKind
from musterd.runtimes.base import REJECTED, Runtime
from musterd.runtimes.cgroup import Cgroups
from musterd.runtimes.checked import CheckedRuntime
from musterd.runtimes.coroutine import CoroutineRuntime
from musterd.runtimes.model import find_model
from musterd.runtimes.process import ProcessRuntime
from musterd.schemas import why_unpublished

MakeProcess: TypeAlias = Callable[..., ProcessRuntime]
"""Makes the runtime of a command, where this daemon runs such."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Options):
    """A kind of agent: its options, and what runs one; many may run in it at once.

    Attributes:
        runtime: runs an agent, after it has checked the context.
        schema: published: the JSON Schema that contexts must meet.
        unpublished: why there is none, though contexts are checked.
    """

    runtime: Runtime
    schema: dict[str, Json] | None = None
    unpublished: str | None = None

    def offer(self, max_messages: int) -> dict[str, Json]:
        """What is published: defaults, how many messages may wait for an agent, the schema."""
        messages: dict[str, Json] = {"messages": max_messages} if self.messages else {}
        schema: dict[str, Json] = {} if self.schema is None else {"schema": self.schema}
        return self.defaults() | messages | schema


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
    process = partial(ProcessRuntime, scratch=scratch, cgroups=cgroups)
    kinds: dict[str, Kind] = {}
    origins: dict[str, str] = {}
    for source in sources:
        for kind in _load(source, process):
            if kind.name in kinds:
                raise KindError(source, f"{kind.name} is defined already, in {origins[kind.name]}")
            kinds[kind.name] = kind
            origins[kind.name] = source
    return kinds


def _load(source: str, process: MakeProcess) -> Iterator[Kind]:
    if source.endswith(".toml"):
        for kind in kind_files.read(source):
            yield _command_kind(kind, process)
        return
    for options, function in functions.find(source):
        yield _function_kind(source, options, function, process)


def _command_kind(kind: CommandKind, process: MakeProcess) -> Kind:
    options, command, folder, environment, schema = kind
    runtime = process(
        command,
        working_directory=folder,
        environment=environment,
        messages=options.messages,
        limits=options.limits(),
    )
    if schema is None:
        return _kind(options, runtime)
    return _kind(options, CheckedRuntime(runtime, schema), lambda: schema.document)


def _function_kind(
    source: str, options: Options, function: AgentFunction, process: MakeProcess
) -> Kind:
    model = find_model(source, function)
    document = None if model is None else model.document
    if inspect.iscoroutinefunction(function):
        return _kind(options, CoroutineRuntime(function, model), document)
    command = (sys.executable, "-u", "-m", "musterd.runtimes.worker", source, options.name)
    runtime = process(command, rejected_code=REJECTED, messages=True, limits=options.limits())
    return _kind(options, runtime, document)


def _kind(
    options: Options, runtime: Runtime, document: Callable[[], dict[str, Json]] | None = None
) -> Kind:
    given = dataclasses.asdict(options)
    if document is None:
        return Kind(**given, runtime=runtime)
    try:
        schema = document()
        why = why_unpublished(schema)
    except Exception as error:  # noqa: BLE001 - a model may hold types, and code, of any kind
        why = str(error).partition("\n")[0]
    if why is not None:
        return Kind(**given, runtime=runtime, unpublished=why)
    return Kind(**given, runtime=runtime, schema=schema)
