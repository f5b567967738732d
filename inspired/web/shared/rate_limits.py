"""Rate limits per visitor for everything that costs us or the provider something.

The library keeps its counts in Redis, or in this process while Redis is away. Keys are blind indexes, so no personal
data reaches Redis. Polls are counted in `public/status_poll`, together with their answer, in one round trip.
"""

from collections.abc import Callable

import limits as counting
from flask import request
from flask_limiter import Limiter
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, RateLimiter

from inspired.adapters.redis.redis_server import RedisAway
from inspired.domain.shared.errors import TooMany
from inspired.services import Services
from inspired.web.shared.current import json_sent, services, visitor_address


def address_key() -> str:
    return services().vault.blind_index("limit", visitor_address())


def booking_key() -> str:
    """The booking the request names, wherever it does; else the IP address."""
    named = (request.view_args or {}).get("token")
    if named is None and request.is_json:
        body = json_sent()
        named = body.get("bookingId") if isinstance(body, dict) else None
    return services().vault.fingerprint("limit", named) if isinstance(named, str) else address_key()


limiter = Limiter(key_func=address_key, strategy="fixed-window", in_memory_fallback_enabled=True, key_prefix="limit")

creating = limiter.shared_limit(lambda: services().settings.rate_limit_create, scope="create", methods=["POST"])
choosing = limiter.shared_limit(lambda: services().settings.rate_limit_create, scope="choose", methods=["POST"])
subscribing = limiter.shared_limit(lambda: services().settings.rate_limit_create, scope="subscribe", methods=["POST"])
writing = limiter.shared_limit(
    lambda: f"{services().settings.rate_limit_create};100/day", scope="write", methods=["POST"]
)
verifying = limiter.shared_limit(lambda: services().settings.rate_limit_verify, scope="verify", key_func=booking_key)
logging_in = limiter.shared_limit(lambda: services().settings.rate_limit_login, scope="login", methods=["POST"])
proving = limiter.shared_limit(lambda: services().settings.rate_limit_login, scope="prove", methods=["POST"])


class Counter:
    """A limit for places where a decorator does not fit, using the library's counts, with memory as a fallback."""

    def __init__(self, notation: Callable[[Services], str], scope: str) -> None:
        self._notation = notation
        self._scope = scope
        self._memory = FixedWindowRateLimiter(MemoryStorage())

    def count_here(self, svc: Services, key: str) -> None:
        """Count in this process only. Raises TooMany."""
        self._hit(self._memory, svc, key)

    def count(self, svc: Services, key: str) -> None:
        """Count across all processes if Redis answers. Raises TooMany."""
        try:
            self._hit(limiter.limiter, svc, key)
        except RedisAway:
            self.count_here(svc, key)

    def _hit(self, counts: RateLimiter, svc: Services, key: str) -> None:
        for item in counting.parse_many(self._notation(svc)):
            if not counts.hit(item, self._scope, key):
                raise TooMany("That was too often. Please wait a minute and try again.")


guessing = Counter(lambda _: "10/15 minutes", "guess")
