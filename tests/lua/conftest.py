"""What the tests of the steps share."""

import pytest
from redis.asyncio import Redis

from tests.support.world import World


@pytest.fixture
def world(redis: Redis, prefix: str) -> World:
    """The test's prefix on the shared server."""
    return World(redis, prefix)
