"""One command from its arguments to its exit code.

Nothing else decides how the process ends: an error of ours is one line, never a traceback.
"""

import os
import sys
from collections.abc import Sequence

import click

from musterd.cli.root import musterd
from musterd.errors import MusterdError

FAILED = 1
INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit code."""
    try:
        # A command returns its exit code, or None for 0.
        code = musterd.main(list(arguments), prog_name="musterd", standalone_mode=False) or 0
        sys.stdout.flush()
    except MusterdError as error:
        return _fail(str(error), error.exit_code)
    except click.UsageError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except BrokenPipeError:
        # Nobody reads on. Python would try once more at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return int(code)


def _fail(sentence: str, code: int) -> int:
    click.echo(f"musterd: {' '.join(sentence.split())}", err=True)
    return code
