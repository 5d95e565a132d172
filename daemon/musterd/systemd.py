"""Telling systemd how the daemon stands: the notify protocol of sd_notify(3)."""

import errno
import socket
from collections.abc import Sequence
from typing import Final

import anyio

from musterd.environment import notify_socket

INSIST: Final = 5.0
"""Seconds for which what must not be missed waits for a systemd that does not read."""


def notify(*states: str, patience: float = 0.0) -> bool:
    """Send states such as `READY=1`; a no-op where systemd did not start us.

    A service manager that does not listen is no reason to stop, so errors are passed over.

    Args:
        *states: what to tell.
        patience: seconds that all else may stand still for it, if systemd does not read.

    Returns:
        Whether it was sent.
    """
    try:
        with _opened() as channel:
            channel.settimeout(patience)
            channel.send(_message(states))
    except OSError:
        return False
    return True


async def insist(*states: str) -> bool:
    """As `notify`, for what must not be missed: wait for a systemd that does not read just now.

    Meanwhile all else goes on: agents run, and their leases are renewed.
    """
    with anyio.move_on_after(INSIST):
        try:
            with _opened() as channel:
                channel.settimeout(0)
                while not _is_sent(channel, states):
                    await anyio.wait_writable(channel)
        except OSError:
            return False
        return True
    return False


def _is_sent(channel: socket.socket, states: Sequence[str]) -> bool:
    try:
        channel.send(_message(states))
    except BlockingIOError:
        return False
    return True


def _message(states: Sequence[str]) -> bytes:
    return "\n".join(states).encode()


def _opened() -> socket.socket:
    """Connected: only so the kernel tells when there is room for more. The caller closes it."""
    address = notify_socket()
    if not address:
        raise OSError(errno.ENOENT, "NOTIFY_SOCKET is not set")
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        # In the abstract namespace it begins with a zero byte, written as @.
        channel.connect("\0" + address[1:] if address.startswith("@") else address)
    except BaseException:
        channel.close()
        raise
    return channel
