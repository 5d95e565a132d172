"""Telling systemd how the daemon stands: the notify protocol of sd_notify(3)."""

import socket

from musterd.settings import notify_socket


def notify(*states: str) -> None:
    """Send states such as `READY=1`; a no-op where systemd did not start us.

    A service manager that does not listen is no reason to stop, so errors are passed over.
    """
    address = notify_socket()
    if not address:
        return
    if address.startswith("@"):  # the abstract namespace
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto("\n".join(states).encode(), address)
    except OSError:
        return
