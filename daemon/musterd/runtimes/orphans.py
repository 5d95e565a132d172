"""Processes whose parent ended: the daemon adopts those of its agents, and reaps them.

It never reaps what somebody else in this process has started and waits for.
"""

import contextlib
import ctypes
import os
from typing import Final

from musterd import procfs
from musterd.runtimes.session import Session

_PR_SET_CHILD_SUBREAPER: Final = 36


def become_subreaper() -> bool:
    """Let this process adopt orphaned descendants in init's place; False if that is refused.

    Without it, members of a group that outlive the leader are ended without a grace.
    """
    libc = ctypes.CDLL(None)
    return bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


class Orphans:
    """Adopted processes that have ended, in whatever group; `reap` them now and then."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._session = os.getsid(0)

    def reap(self) -> int:
        """Reap those that were there at the last call too; returns how many.

        Two calls, some seconds apart: whoever waits for a child of its own has seen it by then.
        """
        ended = {pid for pid in procfs.children() if self._is_orphan(pid)}
        due = ended & self._seen
        self._seen = ended - due
        for pid in due:
            with contextlib.suppress(ChildProcessError):
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
        return len(due)

    def _is_orphan(self, pid: int) -> bool:
        if pid in Session.leaders:
            return False
        stat = procfs.stat(pid)
        return stat is not None and not stat.alive and stat.session != self._session
