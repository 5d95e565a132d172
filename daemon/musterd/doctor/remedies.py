"""What to do about a refusal of the server."""

from collections.abc import Mapping
from typing import Final

from redis.exceptions import (
    ClusterDownError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
)

_REMEDIES: Final[Mapping[type[Exception], str]] = {
    OutOfMemoryError: "raise its maxmemory, or delete something: until then all steps wait",
    ReadOnlyError: "use the primary, not a replica",
    NoPermissionError: "have the rights granted (ACL SETUSER)",
    MovedError: "name the cluster's node that holds the prefix's slot in VALKEY_URL",
    ClusterDownError: "mend the cluster: it has slots that no node serves",
}


def remedy(error: Exception) -> str:
    """One clause."""
    if isinstance(error, OSError):
        return "see to the file or the address that it names"
    return _REMEDIES.get(type(error), "see the server and its log, then ask again")


def say(error: Exception) -> str:
    """What the server said, or at least the kind of its error."""
    return str(error) or type(error).__name__
