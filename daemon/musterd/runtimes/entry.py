"""How a command comes into its control group: a shell enters it, then becomes the command.

So it is inside before it can fork. Nothing of the agent's is spliced into the shell's script.
"""

import errno
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_ENTER: Final = 'echo 0 > "$0" && exec "$@"'

_KEPT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""Names of variables that every shell hands down; some drop all others."""


def enter(procs: Path, command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The command that does the same inside of a control group.

    Args:
        procs: the group's `cgroup.procs`.
        command: the program and its arguments.
        environment: what it is to find there.
    """
    # Anybody can see these among the arguments until env has become the command, so no others.
    odd = [f"{name}={value}" for name, value in environment.items() if not _KEPT.fullmatch(name)]
    through = ["/usr/bin/env", *odd] if odd else []
    return ["/bin/sh", "-c", _ENTER, str(procs), *through, *command]


def find_program(name: str, environment: Mapping[str, str], folder: Path | None) -> None:
    """Let a missing program be told as where no shell stands between it and us.

    Raises:
        OSError: there is none of this name, or it may not be run.
    """
    path = name if "/" not in name else str((folder or Path.cwd()) / name)
    if shutil.which(path, path=environment.get("PATH", os.defpath)) is None:
        number = errno.EACCES if "/" in name and Path(path).exists() else errno.ENOENT
        raise OSError(number, os.strerror(number), name)
