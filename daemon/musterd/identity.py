"""Which process something is, so that another one on the same machine can tell whether it is dead.

`{boot}/{pid namespace}/{pid}/{start time}`: a number alone may by now be a stranger's.
"""

import os
import re
from pathlib import Path
from typing import Final

_PID: Final = re.compile(r"[0-9]{1,10}")


def own() -> str:
    """This process."""
    return "/".join((*_machine(), str(os.getpid()), _start_time(os.getpid())))


def is_alive(identity: str) -> bool | None:
    """Whether the process runs; None where that cannot be seen from here."""
    parts = identity.split("/")
    if len(parts) != len(("boot", "namespace", "pid", "start")) or tuple(parts[:2]) != _machine():
        return None
    if not _PID.fullmatch(parts[2]):
        return False
    if (started := _start_time(int(parts[2]))) or not _is_hidden(int(parts[2])):
        return started == parts[3]
    return None


def _machine() -> tuple[str, str]:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return boot, str(Path("/proc/self/ns/pid").stat().st_ino)


def _is_hidden(pid: int) -> bool:
    """Whether there is such a process, another user's, and /proc is mounted not to show it."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return not Path(f"/proc/{pid}").exists()
    except (ProcessLookupError, OverflowError):
        return False
    return False


def _start_time(pid: int) -> str:
    """In clock ticks since the boot; empty if there is no such process, or only its exit status."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]
