"""A command that is started again and again: what is the same each time is prepared once."""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from musterd.runtimes.cgroup import Cgroup
from musterd.runtimes.entry import find_program
from musterd.runtimes.spawn import Recipe, Streams, spawn


class Program:
    """A command, and where and with what it runs.

    Args:
        command: the program and its arguments.
        environment: all variables but those that each start gives.
        folder: ours unless given.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path | None
    ) -> None:
        self.name = command[0]
        self._command = tuple(command)
        self._environment = dict(environment)
        self._folder = folder

    def find(self) -> None:
        """Raise what `start` would where no shell stands between it and us.

        Raises:
            OSError: there is no such program, or it may not be run.
        """
        find_program(self.name, self._environment, self._folder)

    def start(
        self, streams: Streams, given: Mapping[str, str], cgroup: Cgroup | None = None
    ) -> int:
        """Start it, in a session of its own.

        Args:
            streams: what becomes its standard streams.
            given: variables of this start alone.
            cgroup: it is in there before it can fork.

        Returns:
            The process id; the caller reaps it.

        Raises:
            OSError: it cannot be started; names the program or the folder.
            ValueError: an argument or a variable holds a zero byte, a variable's name `=`.
        """
        environment = list((self._entries | _encode(given)).values())
        recipe = Recipe(self._command, self._paths, environment, self._folder)
        if cgroup is not None:
            shell = cgroup.enter(self._command, {**self._environment, **given})
            recipe = recipe._replace(command=shell, paths=[os.fsencode(shell[0])])
        return spawn(recipe, streams)

    @cached_property
    def _entries(self) -> dict[str, bytes]:
        return _encode(self._environment)

    @cached_property
    def _paths(self) -> list[bytes]:
        if "/" in self.name:
            return [os.fsencode(self.name)]
        folders = os.get_exec_path(self._environment)
        return [os.fsencode(os.path.join(folder, self.name)) for folder in folders]  # noqa: PTH118


def _encode(variables: Mapping[str, str]) -> dict[str, bytes]:
    """Entries `NAME=value` by name."""
    for name in variables:
        if "=" in name:
            raise ValueError(f"a variable is named {name!r}")
    return {name: os.fsencode(f"{name}={value}") for name, value in variables.items()}
