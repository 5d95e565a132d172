"""Agents that are Python functions: the mark that makes one, and finding them by import path.

A worker process imports this for every attempt, so it stays small.
"""

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import PurePath
from types import ModuleType
from typing import Any, Final, TypeAlias, TypeVar

from musterd import ids
from musterd.errors import KindError
from musterd.jsons import Json
from musterd.limits import LIMITS, Limit

AgentFunction: TypeAlias = Callable[..., Any]
Function = TypeVar("Function", bound=AgentFunction)

SHORTEST: Final = 0.001
LONGEST: Final = 10 * 365 * 86_400.0
"""Seconds: of a timeout at least, and of any duration at most. The scripts hold both exactly."""

MOST_ATTEMPTS: Final = 10_000
MOST_AT_ONCE: Final = 1_000_000

_MARK: Final = "__musterd_agent__"
_MACHINERY: Final = {__file__, importlib.__file__}


class OptionError(ValueError):
    """An option of a kind has a value that is not accepted."""

    def __init__(self, option: str, value: object, accepted: str) -> None:
        self.option = option
        self.problem = f"{ids.show(value)} is not accepted; give {accepted}"
        super().__init__(f"{option}: {self.problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is said about a kind of agent, whatever it runs. Raises OptionError.

    Attributes:
        name: the kind's name.
        timeout: seconds that one attempt may take; no limit unless given.
        max_attempts: how often a task is tried in all.
        max_concurrent: how many may run at once on each daemon; no limit unless given.
        backoff: seconds before the first retry; doubled for each further one.
        backoff_max: seconds before a retry at most.
        messages: whether its agents take messages.
        exclusive: whether an agent is stopped when its lease may run out unrenewed, before another
            daemon may start the task again.
        max_failures: how many may fail within `failure_window` before the kind is paused; no limit
            unless given.
        failure_window: seconds.
        failure_pause: seconds of that pause.
        memory_max: bytes of memory that an agent's processes may take together, `"512M"` say.
        cpu_max: how much of one processor they may take together, `"50%"` say.
        pids_max: how many processes and threads they may be.
    """

    name: str
    timeout: float | None = None
    max_attempts: int = 1
    max_concurrent: int | None = None
    backoff: float = 1.0
    backoff_max: float = 60.0
    messages: bool = True
    exclusive: bool = False
    max_failures: int | None = None
    failure_window: float = 60.0
    failure_pause: float = 60.0
    memory_max: str | None = None
    cpu_max: str | None = None
    pids_max: int | None = None

    def __post_init__(self) -> None:
        if not ids.is_name(str(self.name)):  # `@agent` without brackets hands in a function
            raise OptionError("name", self.name, "letters, digits, '.', '_' and '-', 120 at most")
        if self.timeout is not None and not _is_seconds(self.timeout, SHORTEST):
            accepted = f"seconds, {SHORTEST:g} to {LONGEST:.0f}"
            raise OptionError("timeout", self.timeout, accepted)
        if not _is_count(self.max_attempts, MOST_ATTEMPTS):
            accepted = f"a whole number, 1 to {MOST_ATTEMPTS}"
            raise OptionError("max_attempts", self.max_attempts, accepted)
        if self.max_concurrent is not None and not _is_count(self.max_concurrent, MOST_AT_ONCE):
            accepted = f"a whole number, 1 to {MOST_AT_ONCE}"
            raise OptionError("max_concurrent", self.max_concurrent, accepted)
        if self.max_failures is not None and not _is_count(self.max_failures, MOST_AT_ONCE):
            accepted = f"a whole number, 1 to {MOST_AT_ONCE}"
            raise OptionError("max_failures", self.max_failures, accepted)
        for option in ("backoff", "backoff_max", "failure_window", "failure_pause"):
            if not _is_seconds(value := getattr(self, option), 0.0):
                raise OptionError(option, value, f"seconds, 0 to {LONGEST:.0f}")
        for limit, text in self.limits().items():
            if not text:
                raise OptionError(limit.option, getattr(self, limit.option), limit.accepted)

    def limits(self) -> dict[Limit, str]:
        """Those that are set on what its agents take of the machine, as the kernel reads them."""
        given = {limit: getattr(self, limit.option) for limit in LIMITS}
        return {limit: limit.write(value) for limit, value in given.items() if value is not None}

    def defaults(self) -> dict[str, Json]:
        """What is published about the kind, in camelCase; a value not given is absent."""
        values: dict[str, Json] = {
            "timeout": self.timeout,
            "maxAttempts": self.max_attempts,
            "maxConcurrent": self.max_concurrent,
            "backoff": self.backoff,
            "backoffMax": self.backoff_max,
        }
        return {name: value for name, value in values.items() if value is not None}


def agent(  # noqa: PLR0913 - an argument an option, each by its name
    name: str,
    *,
    timeout: float | None = None,
    max_attempts: int = 1,
    max_concurrent: int | None = None,
    backoff: float = 1.0,
    backoff_max: float = 60.0,
    exclusive: bool = False,
    max_failures: int | None = None,
    failure_window: float = 60.0,
    failure_pause: float = 60.0,
    memory_max: str | None = None,
    cpu_max: str | None = None,
    pids_max: int | None = None,
) -> Callable[[Function], Function]:
    """Mark a function as a kind of agent; it stays the function it is.

    An `async def` runs in the daemon, a plain `def` in a process of its own for every attempt.
    Either takes one argument, the `Context`, and returns a JSON value. The options are those of
    `Options`.

    Raises:
        OptionError: an option's value is not accepted.
        TypeError: what is decorated cannot be an agent.
    """
    if inspect.isfunction(name):
        raise TypeError(f'{name!r}: it has no name; write @musterd.agent("{name.__name__}")')
    options = Options(
        name=name,
        timeout=timeout,
        max_attempts=max_attempts,
        max_concurrent=max_concurrent,
        backoff=backoff,
        backoff_max=backoff_max,
        exclusive=exclusive,
        max_failures=max_failures,
        failure_window=failure_window,
        failure_pause=failure_pause,
        memory_max=memory_max,
        cpu_max=cpu_max,
        pids_max=pids_max,
    )

    def mark(function: Function) -> Function:
        _check_function(name, function)
        _check_limits(options, function)
        setattr(function, _MARK, options)
        return function

    return mark


def options_of(function: object) -> Options | None:
    """What `agent` said about a function; None if it is not marked."""
    options = getattr(function, _MARK, None)
    return options if isinstance(options, Options) else None


def find(source: str) -> list[tuple[Options, AgentFunction]]:
    """The marked functions that an import path names, and what their marks say.

    Args:
        source: `module`: all in it; `module:attribute`: that one, or those in that collection.
            Modules of the current folder are found, as `python -m` finds them.

    Raises:
        KindError: the import fails, or something else than marked functions is named.
    """
    module_name, _, attribute = source.partition(":")
    module = _import(source, module_name)
    if not attribute:
        # One function may have many names.
        found = {id(value): value for value in vars(module).values() if options_of(value)}
        return _pair(source, found.values())
    try:
        target = attrgetter(attribute)(module)
    except AttributeError:
        raise KindError(source, f"{module_name} has no attribute {attribute!r}") from None
    is_collection = isinstance(target, Iterable) and not options_of(target)
    return _pair(source, target if is_collection else [target])


def _import(source: str, name: str) -> ModuleType:
    if (folder := os.getcwd()) not in sys.path:  # noqa: PTH109, sys.path holds strings
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        problem = f"cannot be imported: {type(error).__name__}: {error}{_place(error)}"
        raise KindError(source, problem + _hint(source, name)) from error


def _place(error: BaseException) -> str:
    """Where a module raised: the innermost line that is neither the import's nor ours."""
    place, step = "", error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if not (file.startswith("<") or file in _MACHINERY):
            place = f", at {file}:{step.tb_lineno}"
        step = step.tb_next
    return "" if isinstance(error, SyntaxError) else place  # its message says where


def _hint(source: str, name: str) -> str:
    """What was meant where a file is named instead of a module."""
    path = PurePath(name)
    if "/" not in name and path.suffix != ".py":
        return ""
    meant = ".".join(path.with_suffix("").parts) if path.name else ""
    if all(part.isidentifier() for part in meant.split(".")):
        return f"; give its import path, {meant}{source.removeprefix(name)}"
    return "; give a module's import path, such as my.agents"


def _pair(source: str, functions: Iterable[Any]) -> list[tuple[Options, AgentFunction]]:
    pairs = []
    for function in functions:
        options = options_of(function)
        if options is None:
            raise KindError(source, f"{function!r} is not marked with @musterd.agent")
        pairs.append((options, function))
    if not pairs:
        raise KindError(source, "holds no function that is marked with @musterd.agent")
    return pairs


def _check_function(name: str, function: object) -> None:
    if not inspect.isfunction(function) or inspect.isgeneratorfunction(function):
        raise TypeError(f"agent {name!r}: {function!r} is no function that returns a result")
    if inspect.isasyncgenfunction(function):
        raise TypeError(f"agent {name!r}: {function!r} yields; an agent returns its result")
    if options_of(function):
        raise TypeError(f"agent {name!r}: {function!r} is marked as an agent already")
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        raise TypeError(f"agent {name!r}: {function!r} must take one argument, ctx") from None


def _check_limits(options: Options, function: object) -> None:
    if inspect.iscoroutinefunction(function) and (limits := options.limits()):
        names = ", ".join(limit.option for limit in limits)
        raise TypeError(
            f"agent {options.name!r}: {names}: {function!r} runs in the daemon, among others;"
            " make it a plain def, which has processes of its own, or leave that out"
        )


def _is_seconds(value: object, least: float) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return least <= value <= LONGEST


def _is_count(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most
