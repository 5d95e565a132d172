"""What the session and systemd say in the environment, beside our own settings.

Only this and `settings` read the environment.
"""

import os
import re
from pathlib import Path


def node_name() -> str:
    """The host's name, as a node may be called."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", os.uname().nodename).lstrip("._-") or "localhost"


def state_dir() -> Path:
    """Where a state folder belongs: where systemd has made one, else in the user's home."""
    from_systemd = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if from_systemd:
        return Path(from_systemd)
    home = Path(os.environ.get("XDG_STATE_HOME", ""))
    # The XDG specification has a relative path ignored.
    return (home if home.is_absolute() else Path("~/.local/state")) / "musterd"


def runtime_dir() -> Path | None:
    """The user's own folder for sockets (`XDG_RUNTIME_DIR`), if the session has one."""
    path = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    return path if path.is_absolute() else None


def credential(name: str) -> Path | None:
    """The file of one of systemd's credentials (`LoadCredential=`), if there is such a one."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    path = Path(folder, name)
    return path if folder and os.access(path, os.F_OK) else None


def color_allowed() -> bool:
    """Whether the person at the terminal has not asked for plain text (`NO_COLOR`, `TERM`)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def watchdog_seconds() -> float | None:
    """How often systemd wants to hear that this process moves, at least; None if it does not."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or pid not in {"", str(os.getpid())}:
        return None
    return int(usec) / 1_000_000


def journal_stream() -> str:
    """Device and inode of the stream that systemd has connected to the journal; empty if none."""
    return os.environ.get("JOURNAL_STREAM", "")


def notify_socket() -> str:
    """Where systemd listens for what a service tells of itself; empty if it did not start us."""
    return os.environ.get("NOTIFY_SOCKET", "")
