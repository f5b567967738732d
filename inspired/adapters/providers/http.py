"""The HTTP client for outside services. Every failure becomes an UpstreamError; every call has a timeout."""

import io
import logging
import socket
import time
from contextvars import ContextVar
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPResponse
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

import requests
import structlog
import urllib3
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from inspired.adapters.process.deadline import left
from inspired.domain.shared.errors import UpstreamError

LARGEST_ANSWER = 1024 * 1024
USER_AGENT = "inspired-analyst"  # some servers refuse the default names of libraries
logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings contain whole URLs, which may be secret
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """`seconds` is the duration; `date` the server's clock (Unix seconds) if it sent one."""

    status: int
    body: bytes
    headers: dict[str, str]
    seconds: float
    date: float | None


class TooLarge(requests.RequestException):
    pass


class Http:
    """Keep-alive connections, no redirects and no retries (callers know what may be repeated)."""

    def __init__(self, *, public_only: bool = False) -> None:
        """`public_only`: for URLs typed in by people. Then nothing inside our own network is called."""
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["User-Agent"] = USER_AGENT
        adapter = _PublicAdapter if public_only else _Adapter
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, adapter(pool_connections=4, pool_maxsize=16, max_retries=0))

    def close(self) -> None:
        self._session.close()

    def call(
        self,
        service: str,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        params: dict[str, str] | None = None,
        seconds: float = 10.0,
        what: str = "",
        largest: int = LARGEST_ANSWER,
    ) -> Answer:
        """One request within `seconds` in total, with at most `largest` bytes of answer. Raises UpstreamError if no
        complete answer came back."""
        started = time.monotonic()
        budget = left(seconds)
        token = _ends.set(started + budget)
        try:
            answer = self._exchange(method, url, body, headers or {}, params or {}, started, budget, largest)
        except (requests.RequestException, urllib3.exceptions.HTTPError, TimeoutError) as error:
            took = time.monotonic() - started
            never_sent = _never_sent(error)
            log.warning("call", service=service, what=what, ok=False, error=type(error).__name__, ms=_ms(took))
            raise UpstreamError(service, type(error).__name__, maybe_applied=not never_sent) from None
        finally:
            _ends.reset(token)
        log.info("call", service=service, what=what, ok=True, http=answer.status, ms=_ms(answer.seconds))
        return answer

    def _exchange(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: dict[str, str],
        params: dict[str, str],
        started: float,
        budget: float,
        largest: int,
    ) -> Answer:
        with self._session.request(
            method,
            url,
            data=body,
            headers=headers,
            params=params,
            timeout=(min(budget, 1.5), budget),
            stream=True,
            allow_redirects=False,
        ) as response:
            content = _read(response, started + budget, largest)
        return Answer(
            status=response.status_code,
            body=content,
            headers={name.lower(): value for name, value in response.headers.items()},
            seconds=time.monotonic() - started,
            date=_date(response.headers.get("Date", "")),
        )


# A socket timeout restarts with every byte, so a server that drips could hold us forever. Here every read, headers
# included, is limited to what is left of the call.

_ends: ContextVar[float] = ContextVar("ends")


class _Waiting(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, connection: socket.socket) -> None:
        self._raw = raw
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connection.settimeout(max(0.001, _ends.get() - time.monotonic()))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_Waiting(self.fp.detach(), sock))


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    pools: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _SecurePool}  # noqa: RUF012

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self.pools


# DNS may answer differently each time, so a lookup beforehand proves nothing. What counts is the connected peer,
# checked before a byte is sent.

_GLOBAL = ip_network("2000::/3")


def is_public(address: str) -> bool:
    """True if the IP address is on the public internet, and neither this machine, its network nor a tunnel to them."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if found not in _GLOBAL or found.sixtofour is not None or found.teredo is not None:
            return False
    return found.is_global and not found.is_multicast


def leads_outside(host: str, port: int) -> bool:
    """True if all current addresses of this name are public. False if it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return bool(found) and all(is_public(str(address[4][0])) for address in found)


class _PublicConnection(_Connection):
    def _new_conn(self) -> socket.socket:
        if not leads_outside(self.host, self.port or self.default_port):
            raise urllib3.exceptions.NewConnectionError(self, "not a public address")
        return _checked(self, super()._new_conn())


class _PublicSecureConnection(_SecureConnection):
    def _new_conn(self) -> socket.socket:
        if not leads_outside(self.host, self.port or self.default_port):
            raise urllib3.exceptions.NewConnectionError(self, "not a public address")
        return _checked(self, super()._new_conn())


def _checked(connection: HTTPConnection, made: socket.socket) -> socket.socket:
    if is_public(str(made.getpeername()[0])):
        return made
    made.close()
    raise urllib3.exceptions.NewConnectionError(connection, "not a public address")


class _PublicPool(HTTPConnectionPool):
    ConnectionCls = _PublicConnection


class _PublicSecurePool(HTTPSConnectionPool):
    ConnectionCls = _PublicSecureConnection


class _PublicAdapter(_Adapter):
    pools = {"http": _PublicPool, "https": _PublicSecurePool}  # noqa: RUF012


def _read(response: requests.Response, end: float, largest: int) -> bytes:
    """The whole body, unless it is too large or arrives too slowly."""
    chunks: list[bytes] = []
    size = 0
    while chunk := response.raw.read1(65536, decode_content=True):
        chunks.append(chunk)
        size += len(chunk)
        if size > largest:
            raise TooLarge("answer too large")
        if time.monotonic() > end:
            raise requests.Timeout("answer too slow")
    return b"".join(chunks)


def _never_sent(error: Exception) -> bool:
    """True only if no byte of the request can have reached the service."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, urllib3.exceptions.NewConnectionError | socket.gaierror):
            return True
        reason = getattr(cause, "reason", None)
        nested = cause.args[0] if cause.args and isinstance(cause.args[0], BaseException) else None
        cause = reason if isinstance(reason, BaseException) else nested
    return False


def _date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
