"""How often one visitor may do what costs us or the provider something.

The library keeps its counts in Redis, and in this process while Redis is away. Keys are blind indexes: nothing
personal reaches Redis. Polls are counted in `pulse`, together with their answer, in one round trip.
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
    """The booking the request is about, wherever it names it; else the address."""
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
    """A limit of our own where a decorator does not fit, over the library's counts; memory steps in for them."""

    def __init__(self, notation: Callable[[Services], str], scope: str) -> None:
        self._notation = notation
        self._scope = scope
        self._memory = FixedWindowRateLimiter(MemoryStorage())

    def count_here(self, svc: Services, key: str) -> None:
        """Counted in this process only. Raises TooMany."""
        self._hit(self._memory, svc, key)

    def count(self, svc: Services, key: str) -> None:
        """Counted for all processes where Redis answers. Raises TooMany."""
        try:
            self._hit(limiter.limiter, svc, key)
        except RedisAway:
            self.count_here(svc, key)

    def _hit(self, counts: RateLimiter, svc: Services, key: str) -> None:
        for item in counting.parse_many(self._notation(svc)):
            if not counts.hit(item, self._scope, key):
                raise TooMany("That was too often. Please wait a minute and try again.")


guessing = Counter(lambda _: "10/15 minutes", "guess")
