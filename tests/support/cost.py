"""What a server has done, counted by itself: no clock is in it but that of its CPU."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    import redis

_SCRIPTS: Final = frozenset({"evalsha", "eval"})
_NEVER_IN_SCRIPTS: Final = _SCRIPTS | {
    "client", "hello", "hgetall", "ping", "script", "subscribe",
}  # fmt: skip
_ASKING: Final = frozenset({"info", "config", "flushall"})


@dataclass(frozen=True, slots=True)
class Cost:
    """What a server has done.

    Attributes:
        seconds: of CPU.
        scripts: calls of scripts.
        wire: commands that came over the wire, scripts among them.
        inside: commands that scripts called, and the few reads that look like those.
    """

    seconds: float
    scripts: int
    wire: int
    inside: int

    @classmethod
    def so_far(cls, client: "redis.Redis") -> Self:
        """Since the server started."""
        found: Any = client.info("everything")
        counts = {"scripts": 0, "wire": 0, "inside": 0}
        for name, stat in found.items():
            command = name.removeprefix("cmdstat_").partition("|")[0]
            if not name.startswith("cmdstat_") or command in _ASKING:
                continue
            counts["scripts"] += stat["calls"] if command in _SCRIPTS else 0
            counts["wire" if command in _NEVER_IN_SCRIPTS else "inside"] += stat["calls"]
        return cls(found["used_cpu_user"] + found["used_cpu_sys"], **counts)

    def since(self, before: Self) -> "Cost":
        """What it has done since an earlier moment."""
        return Cost(
            self.seconds - before.seconds,
            self.scripts - before.scripts,
            self.wire - before.wire,
            self.inside - before.inside,
        )
