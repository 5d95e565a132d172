"""What the checks that talk to the server are handed."""

import secrets
from dataclasses import dataclass, field
from functools import cached_property

from redis.asyncio import Redis

from musterd.keys import Keys
from musterd.settings import Settings


@dataclass(frozen=True)
class Subject:
    """One server and prefix under examination.

    Attributes:
        settings: of this process.
        redis: a client of the server; it answers text.
        probe: a name that nobody else uses, for what the probes write and publish.
    """

    settings: Settings
    redis: Redis
    probe: str = field(default_factory=lambda: f"doctor-{secrets.token_hex(6)}")

    @cached_property
    def keys(self) -> Keys:
        """Of the prefix."""
        return Keys(self.settings.prefix)
