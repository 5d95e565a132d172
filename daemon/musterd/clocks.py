"""The clock by which this machine judges how long something may have been unheard."""

import time


def boottime() -> float:
    """Seconds since the machine started; it goes on while it sleeps, as the server's TTLs do."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
