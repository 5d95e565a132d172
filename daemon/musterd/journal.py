"""Lines of the log, sent to systemd's journal with their fields (`journalctl AGENT_ID=t1.1`).

It speaks journald's native protocol: a datagram an entry, and a sealed file in memory for one that
is too large. Its users are threads that may wait; journald is one who reads, and may stall.
"""

import errno
import fcntl
import json
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

from musterd.environment import journal_stream

SOCKET: Final = "/run/systemd/journal/socket"

_PRIORITIES: Final = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_INFO: Final = 6
_OWN: Final = frozenset({"MESSAGE", "PRIORITY", "SYSLOG_IDENTIFIER", "TIMESTAMP", "LEVEL"})
"""What a value of the same name in a line does not replace; journald knows the time by itself."""

_NAME: Final = 64
"""Characters that journald takes of a field's name."""

_SEND_BUFFER: Final = 8 * 1024 * 1024
_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def is_behind(descriptor: int) -> bool:
    """Whether what is written to a descriptor goes to the journal, as systemd has arranged it."""
    with suppress(OSError):  # it may be closed
        found = os.fstat(descriptor)
        return journal_stream() == f"{found.st_dev}:{found.st_ino}"
    return False


class Journal:
    """A way to journald.

    Args:
        path: where it listens.
    """

    def __init__(self, path: str = SOCKET) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)

    def send(self, line: bytes) -> bool:
        """Send a JSON line as an entry; whether journald has taken it. Waits while it is busy."""
        try:
            entry = encode(json.loads(line))
        except ValueError:
            return False
        try:
            self._socket.sendto(entry, self._path)
        except OSError as error:
            return error.errno in {errno.EMSGSIZE, errno.ENOBUFS} and self._send_file(entry)
        return True

    def close(self) -> None:
        """Send nothing more."""
        self._socket.close()

    def _send_file(self, entry: bytes) -> bool:
        with suppress(OSError):
            file = os.memfd_create("musterd", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            with open(file, "wb") as memory:  # noqa: PTH123, it is a descriptor
                memory.write(entry)
                memory.flush()
                fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
                rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, file.to_bytes(4, sys.byteorder))
                self._socket.sendmsg([], [rights], 0, self._path)
                return True
        return False


def encode(record: dict[str, Any]) -> bytes:
    """An entry as journald takes it, each value with its length before it."""
    return b"".join(
        b"%s\n%s%s\n" % (name.encode(), len(value).to_bytes(8, "little"), value)
        for name, value in _fields(record)
    )


def _fields(record: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    yield "MESSAGE", _bytes(_message(record))
    yield "PRIORITY", b"%d" % _PRIORITIES.get(record.get("level", ""), _INFO)
    yield "SYSLOG_IDENTIFIER", b"musterd"
    for key, value in record.items():
        name = re.sub(r"[^A-Z0-9]", "_", key.upper()).lstrip("_0123456789")[:_NAME]
        if name and name not in _OWN:
            yield name, _bytes(_text(value))


def _message(record: dict[str, Any]) -> str:
    """What `journalctl` shows: all that a line says, but for what stands before it anyway."""
    if record.get("event") == "output" and "line" in record:
        return f"{record.get('agent_id', '')}: {record['line']}"
    head = {"timestamp", "level", "event", "exception"}
    pairs = [f"{key}={_text(value)}" for key, value in record.items() if key not in head]
    text = " ".join([_text(record.get("event")), *pairs])
    return f"{text}\n{record['exception']}" if "exception" in record else text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _bytes(text: str) -> bytes:
    return text.encode(errors="backslashreplace")
