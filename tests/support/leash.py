"""Run a program that the kernel kills as soon as the test process is gone, however that ended.

`python leash.py PARENT_PID PROGRAM ARGUMENT...`: ties itself to its parent and becomes the program,
so that the process id is the program's own. It must be started from the main thread: the kernel
watches the thread that forked.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def leashed(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` on a leash; isolated, so that it starts in 10 ms."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def _main(parent: int, command: list[str]) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the leash was on
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606, a shell would be one process more


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
