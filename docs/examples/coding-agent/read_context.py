"""Read a task's context; write repository, branch, prompt and base, a zero byte after each.

It meets task.schema.json. What no schema can say is whether git knows the repository and the base.
"""

import json
import subprocess
import sys


def main() -> None:
    """Write nothing but a reason where the context will not do."""
    context = json.load(sys.stdin)
    repository, branch, prompt = (context[name] for name in ("repository", "branch", "prompt"))
    git = ["git", "-C", repository, "rev-parse", "--verify"]
    try:
        base = subprocess.run(  # noqa: S603, no shell, and the base is one argument
            [*git, "--end-of-options", context.get("base", "HEAD")],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
    except subprocess.CalledProcessError as error:
        sys.exit(f"the context will not do: {error.stderr.strip()}")
    sys.stdout.write("".join(f"{text}\0" for text in (repository, branch, prompt, base)))


main()
