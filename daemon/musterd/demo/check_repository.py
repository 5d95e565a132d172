"""An agent that is a command: clones a git repository and checks each of its files.

Context: {"repository": "path or URL", "largest": most bytes of a file, "pause": s between files}
Result:  {"repository": …, "commit": …, "files": 8, "problems": 1, "found": [[file, problem], …]}
"""

import ast
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def main() -> None:
    """Read the context, do the work, leave the result."""
    context = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        say(f"cloning {context['repository']}")
        git("clone", "--quiet", context["repository"], folder)
        result = check(Path(folder), context)
    Path(os.environ["MUSTERD_RESULT"]).write_text(json.dumps(result), encoding="utf-8")


def check(folder: Path, context: dict[str, Any]) -> dict[str, Any]:
    """Check every file that is in the repository."""
    files = git("-C", str(folder), "ls-files").splitlines()
    found = []
    for name in files:
        say(f"checking {name}")
        problems = problems_of(folder / name, context.get("largest", 1_000_000))
        found += [(name, problem) for problem in problems]
        time.sleep(context.get("pause", 0))
    return {
        "repository": Path(context["repository"]).name,
        "commit": git("-C", str(folder), "rev-parse", "--short", "HEAD").strip(),
        "files": len(files),
        "problems": len(found),
        "found": found,
    }


def problems_of(path: Path, largest: int) -> Iterator[str]:
    """What is wrong with one file."""
    size = path.stat().st_size
    if size > largest:
        yield f"has {size} bytes, at most {largest} are allowed"
    text = path.read_text(encoding="utf-8", errors="replace")
    trailing = sum(line != line.rstrip() for line in text.splitlines())
    if trailing:
        yield f"{trailing} lines end in blanks"
    try:
        if path.suffix == ".py":
            ast.parse(text)
        elif path.suffix == ".json":
            json.loads(text)
    except ValueError as error:  # a SyntaxError of JSON
        yield f"is no JSON: {error}"
    except SyntaxError as error:
        yield f"is no Python: line {error.lineno}: {error.msg}"


def git(*arguments: str) -> str:
    """Run git; its output. What it says when it fails becomes the agent's error."""
    command = ["git", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - a list, and no shell
    if done.returncode:
        sys.exit(f"git {arguments[0]} failed")
    return done.stdout


def say(line: str) -> None:
    """Write a line of the log, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
