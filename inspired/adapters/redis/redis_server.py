"""The Redis connection: timeouts, certificate check, and readable reasons for failures."""

import socket
import ssl
from collections.abc import Iterator
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

RedisAway = redis.RedisError
Pool = redis.ConnectionPool
MOST_CONNECTIONS = 4
LONGEST_ANSWER = 120


def connection_options(*, seconds: float) -> dict[str, Any]:
    """Without redis-py's own retries: a command whose answer was lost must not be applied twice."""
    return {"socket_timeout": seconds, "socket_connect_timeout": seconds, "retry": Retry(NoBackoff(), 0)}


def connect(url: str, *, seconds: float, most: int = MOST_CONNECTIONS, verify_certificate: bool = True) -> redis.Redis:
    """`seconds` limits connecting, one command, and the wait for one of `most` connections, each. The certificate is
    checked if the URL starts with rediss://."""
    options = connection_options(seconds=seconds)
    if url.startswith("rediss:") and not verify_certificate:
        options["ssl_cert_reqs"] = "none"
    pool = redis.BlockingConnectionPool.from_url(url, max_connections=most, timeout=seconds, **options)
    return redis.Redis.from_pool(pool)


def why(error: BaseException) -> str:
    """The cause, for logs and the owner, without the URL, which may contain a password."""
    causes = list(_causes(error))
    words = " ".join(str(cause) for cause in causes)
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted ({cause.verify_message}); see REDIS_TLS"
        if isinstance(cause, redis.AuthenticationError):
            return "it refuses our name or password; see REDIS_URL"
        if isinstance(cause, ConnectionRefusedError):
            return "nobody listens at its address"
        if isinstance(cause, socket.gaierror):
            return "the name of its server is not known"
    if "max number of clients" in words:
        return "it takes no more connections; see REDIS_CONNECTIONS"
    if "No connection available" in words:
        return "all of our connections to it are in use; see REDIS_CONNECTIONS"
    if "handshake" in words or any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "TLS cannot be agreed on; does it speak TLS, as rediss:// says?"
    if isinstance(error, redis.TimeoutError):
        return "it does not answer in time"
    if isinstance(error, redis.ResponseError):
        return f"it refuses: {str(error)[:LONGEST_ANSWER]}"
    if any(isinstance(cause, ConnectionError) for cause in causes) or "closed by server" in words:
        return "it broke off the connection; where it wants TLS, the address begins with rediss://"
    return type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and its causes."""
    seen = 0
    while error is not None and seen < 10:
        yield error
        error, seen = error.__cause__ or error.__context__, seen + 1
