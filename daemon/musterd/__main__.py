"""The program `musterd`: the process around one command."""

import io
import sys

from musterd import garbage


def main() -> None:
    """Run the command line of this process and exit."""
    garbage.look_rarely()
    from musterd.cli.program import run  # noqa: PLC0415 - it imports most of what there is

    if isinstance(sys.stdout, io.TextIOWrapper):
        # Text from agents may hold what the locale cannot write; that is no reason to fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    garbage.look_no_more()
    sys.exit(code)


if __name__ == "__main__":
    main()
