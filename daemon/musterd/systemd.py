"""Telling systemd how the daemon stands: the notify protocol of sd_notify(3)."""

import socket
from typing import Final

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
    address = notify_socket()
    if not address:
        return False
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(patience)
            channel.sendto("\n".join(states).encode(), address)
    except OSError:
        return False
    return True
