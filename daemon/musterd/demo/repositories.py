"""The two git repositories that the demo's agents clone: one in order, one with four faults."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from musterd.errors import MusterdError

Files: TypeAlias = dict[str, str]

LARGEST: Final = 4000
"""Bytes that a file may have at most."""

_AUTHOR: Final = {
    "GIT_AUTHOR_NAME": "Demo",
    "GIT_AUTHOR_EMAIL": "demo@example.org",
    "GIT_COMMITTER_NAME": "Demo",
    "GIT_COMMITTER_EMAIL": "demo@example.org",
}


@dataclass(frozen=True)
class Repository:
    """A repository to be made: its name, what each commit writes, and how many faults are in it."""

    name: str
    commits: dict[str, Files]
    faults: int


def _module(name: str, returns: str) -> str:
    return f'"""The {name}."""\n\n\ndef {name}() -> str:\n    return {returns!r}\n'


ORCHARD: Final = Repository(
    name="orchard",
    faults=0,
    commits={
        "Plant the first rows": {
            "README.md": "# Orchard\n\nA small library, and nothing wrong with it.\n",
            "orchard/__init__.py": '"""Fruit."""\n',
            "orchard/apple.py": _module("apple", "Boskoop"),
            "orchard/pear.py": _module("pear", "Conference"),
        },
        "Say when to pick": {
            "orchard/plum.py": _module("plum", "Mirabelle"),
            "harvest.json": '{"apple": "October", "pear": "September", "plum": "August"}\n',
        },
        "Test it": {
            "tests/test_apple.py": "from orchard.apple import apple\n\nassert apple()\n",
            "tests/test_pear.py": "from orchard.pear import pear\n\nassert pear()\n",
        },
    },
)

LIGHTHOUSE: Final = Repository(
    name="lighthouse",
    faults=4,
    commits={
        "Build the tower": {
            "README.md": "# Lighthouse\n\nSomeone was in a hurry here.\n",
            "lighthouse/__init__.py": '"""Light."""\n',
            "lighthouse/lamp.py": _module("lamp", "on"),
        },
        "Add the horn, late at night": {
            "lighthouse/horn.py": 'def horn() -> str:\n    return "toot\n',
            "ships.json": '{"arrivals": ["Aurora", "Bora",]}\n',
        },
        "Keep the log in the repository": {
            "log.txt": "".join(f"day {day:3}: light lit, sea calm\n" for day in range(200)),
            "notes.md": "oil the hinges  \ncount the gulls \n",
            "lighthouse/stairs.py": _module("stairs", "199 steps"),
        },
    },
)


def make(repository: Repository, folder: Path) -> Path:
    """Make a repository, with its commits, in a folder of its name; its path.

    Raises:
        MusterdError: git failed.
    """
    path = folder / repository.name
    _git("init", "--quiet", "--initial-branch=main", str(path))
    for message, files in repository.commits.items():
        for name, text in files.items():
            file = path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        _git("-C", str(path), "add", ".")
        _git("-C", str(path), "commit", "--quiet", "--message", message)
    return path


def _git(*arguments: str) -> None:
    # The stage has taken the person's own GIT_… variables and configuration out of the way.
    environment = os.environ | _AUTHOR
    done = subprocess.run(  # noqa: S603 - a list, and no shell
        ["git", *arguments],  # noqa: S607 - the git that the person has
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise MusterdError(f"git {' '.join(arguments)} failed: {done.stderr}")
