"""The program `musterd`: the process around one command."""

import gc
import io
import sys
from typing import Final

_PATIENCE: Final = 100_000
"""Objects that are made before the garbage collector looks for the first time."""


def main() -> None:
    """Run the command line of this process and exit."""
    # Nothing that is imported is garbage: to look for some took a tenth of a command's time, and
    # to do it once more at the end another.
    gc.set_threshold(_PATIENCE)
    from musterd.cli.program import run  # noqa: PLC0415 - after what is said above

    if isinstance(sys.stdout, io.TextIOWrapper):
        # Text from agents may hold what the locale cannot write; that is no reason to fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()
