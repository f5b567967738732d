"""What tests of adapters share."""

import pytest

from inspired.adapters.redis import redis_server
from inspired.adapters.redis.status_cache import StatusCache


@pytest.fixture
def connection(servers):
    """To Redis, with nothing in it."""
    made = redis_server.connect(servers.redis_url, seconds=2.0)
    made.flushdb()
    yield made
    made.close()


@pytest.fixture
def hints(connection):
    return StatusCache(connection)
