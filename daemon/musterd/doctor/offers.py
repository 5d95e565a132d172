"""The agent kinds that MUSTERD_AGENTS describes: loaded as the daemon loads them, run never."""

import contextlib
import os
import shutil
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from musterd import kind_files
from musterd.doctor.findings import Area, Finding
from musterd.errors import KindError
from musterd.kind_files import CommandKind
from musterd.kinds import load_kinds
from musterd.settings import Settings

KINDS = Area.KINDS

_NOWHERE: Final = Path(os.devnull)
"""Where processes would leave their results; nothing is run."""


def agent_kinds(settings: Settings) -> Iterator[Finding]:
    """Whether every source can be used. Modules are imported, which runs what stands in them."""
    if not settings.agents:
        yield KINDS.note("MUSTERD_AGENTS names none: a daemon runs nothing", "see README.md")
        return
    sound: list[str] = []
    names: list[str] = []
    for source in settings.agents:
        try:
            # With those before it: two of them may define the same kind.
            names = sorted(_load([*sound, source]))
            sound.append(source)
        except KindError as error:
            yield KINDS.problem(str(error), "mend it: the daemon does not start with it")
    if names:
        yield KINDS.ok(f"{len(names)} can be offered: {', '.join(names)}")


def _load(sources: list[str]) -> Collection[str]:
    # What a module prints while it is imported is no data of ours.
    with contextlib.redirect_stdout(sys.stderr):
        return load_kinds(sources, _NOWHERE)


def programs(settings: Settings) -> Iterator[Finding]:
    """Whether the programs and folders that TOML files name are there."""
    for source in settings.agents:
        try:
            found = list(kind_files.read(source)) if source.endswith(".toml") else []
        except KindError:
            continue  # told by `agent_kinds`
        for kind in found:
            yield from _command(source, kind)


def _command(source: str, kind: CommandKind) -> Iterator[Finding]:
    name, folder = kind.options.name, kind.working_directory
    if folder is not None and not (folder.is_dir() and os.access(folder, os.X_OK)):
        do = f"make it, or change working_directory in {source}"
        yield KINDS.warning(f"{name}: its folder {folder} cannot be entered", do)
    program = kind.command[0]
    # A program named with a slash is looked for from the agent's folder, as exec does.
    place = str(folder / program) if folder is not None and "/" in program else program
    if shutil.which(place, path=kind.environment.get("PATH")) is None:
        do = f"install it, or give its full path in {source}; the service's PATH may differ"
        yield KINDS.warning(f"{name}: there is no program {program!r} to run", do)


CHECKS: Final = (agent_kinds, programs)
