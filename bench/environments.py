"""The environments in which other people's programs run: what they hold, and how they are built.

`pins/NAME.in` says what is wanted, and `pins/NAME.txt` pins it with all that it needs (`make
lock`); for Node there is a folder with a package.json and its lock instead. They are built below a
cache folder, once for each change of the pins.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

PINS: Final = Path(__file__).parent / "pins"
_TAIL: Final = 2000


class BuildError(Exception):
    """An environment could not be built.

    Args:
        name: the environment's.
        log: where all that the failed program said is.
        said: the end of it.
    """

    def __init__(self, name: str, log: Path, said: str) -> None:
        super().__init__(f"the environment {name!r} was not built, see {log}:\n{said[-_TAIL:]}")


def build(name: str, cache: Path) -> Path:
    """The folder of an environment that is ready.

    Raises:
        BuildError: a program that builds it failed; it is tried again with the next call.
    """
    folder = (cache / name).resolve()
    pins = PINS / name
    is_node = pins.is_dir()
    wanted = (pins / "package-lock.json" if is_node else pins.with_suffix(".txt")).read_text()
    built = folder / "built-from"
    if built.exists() and built.read_text() == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if is_node:
        _build_node(name, pins, folder)
    else:
        _build_python(name, pins.with_suffix(".txt"), folder)
    built.write_text(wanted)
    return folder


def version(name: str) -> str:
    """What an environment is for, with its version: `arq 0.28.0`."""
    if (PINS / name).is_dir():
        needs = json.loads((PINS / name / "package.json").read_text())["dependencies"]
        return " ".join(next(iter(needs.items())))
    first = (PINS / f"{name}.in").read_text().splitlines()[0]
    return " ".join(re.split(r"(?:\[.*\])?==", first))


def _build_python(name: str, pins: Path, folder: Path) -> None:
    _call(name, folder, [sys.executable, "-m", "venv", str(folder)])
    pip = [str(folder / "bin/python"), "-m", "pip", "--disable-pip-version-check"]
    _call(name, folder, [*pip, "install", "--requirement", str(pins)])


def _build_node(name: str, pins: Path, folder: Path) -> None:
    for file in pins.iterdir():
        shutil.copy(file, folder)
    # not `ci`, which wants a lock with the optional packages of all other systems, too
    _call(name, folder, ["npm", "install", "--no-audit", "--no-fund"])


def _call(name: str, folder: Path, command: Sequence[str]) -> None:
    log = folder / "build.log"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with log.open("a") as said:
        try:
            subprocess.run(
                command, cwd=folder, env=environment, stdout=said, stderr=said, check=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise BuildError(name, log, f"{log.read_text()}\n{error}") from error
