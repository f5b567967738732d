"""Binance Pay's certificates in this process, shared with the others through one small document.

The process that fetches them stores them there. So one query spreads a changed key to all processes, and a new process
needs none. `domain/monitoring/certificates.py` decides when a query is allowed.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pymongo import errors
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.adapters.process.deadline import left
from inspired.domain.monitoring import certificates
from inspired.domain.monitoring.certificates import Asked, Known
from inspired.domain.shared.errors import BadSignature, Busy, UpstreamError

SERVICE = "binance"
FRESH_FOR = timedelta(hours=12)  # so that a withdrawn key expires
LOOK_SECONDS = 1.0  # how old our copy of the shared document may be
WAITING_MOST = 8  # threads waiting for one answer: strangers must not occupy all of them
TRIES = 5
THE_ONE = "binance"
log = structlog.get_logger()


class Shelf(Protocol):
    """Where all processes share the certificates. `put` returns False if another process was faster."""

    def get(self) -> Known: ...

    def put(self, known: Known) -> bool: ...


class MongoShelf:
    """Raises Busy if MongoDB does not answer."""

    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["certificates"]

    def get(self) -> Known:
        with reaching():
            found = self._collection.find_one({"_id": THE_ONE})
        if found is None:
            return Known()
        asked = tuple(Asked(question["at"], question["order"]) for question in found["asked"])
        keys = tuple((key["serial"], key["pem"]) for key in found["keys"])
        return Known(keys, found["fetched_at"], asked, found["version"])

    def put(self, known: Known) -> bool:
        document: Document = {
            "keys": [{"serial": serial, "pem": pem} for serial, pem in known.keys],
            "fetched_at": known.fetched_at,
            "asked": [{"at": question.at, "order": question.order} for question in known.asked],
            "version": known.version,
        }
        with reaching():
            try:
                if known.version == 1:
                    self._collection.insert_one({"_id": THE_ONE, **document})
                    return True
                is_newest = {"_id": THE_ONE, "version": known.version - 1}
                return self._collection.update_one(is_newest, {"$set": document}).matched_count == 1
            except errors.DuplicateKeyError:
                return False


class OwnShelf:
    """For a single process."""

    def __init__(self) -> None:
        self._known = Known()

    def get(self) -> Known:
        return self._known

    def put(self, known: Known) -> bool:
        if known.version != self._known.version + 1:
            return False
        self._known = known
        return True


class Certificates:
    """`ask(seconds)` fetches public keys by serial and raises UpstreamError; `now` is our clock, `elapsed` a monotonic
    one."""

    def __init__(
        self,
        ask: Callable[[float], dict[str, RSAPublicKey]],
        *,
        shelf: Shelf,
        now: Callable[[], datetime],
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._shelf = shelf
        self._elapsed = elapsed
        self._began_at, self._began = now(), elapsed()
        self._keys: dict[str, RSAPublicKey] = {}
        self._known = Known()
        self._looked = -LOOK_SECONDS
        self._one_asks = threading.Lock()
        self._waiting = threading.BoundedSemaphore(WAITING_MOST)

    def find(self, serial: str, seconds: float, order: Callable[[], str]) -> RSAPublicKey:
        """The key of this serial; fetched if unknown, and twice a day. `order` returns the number of our order named in
        the webhook, if any.

        One thread fetches; threads with a known key do not wait for it. Raises BadSignature for a serial Binance does
        not list, UpstreamError while that is unknown, Busy while MongoDB is away.
        """
        known = self._keys.get(serial)
        if known is not None:
            if not self._is_fresh() and self._one_asks.acquire(blocking=False):
                self._renew_quietly(seconds)
            found = self._keys.get(serial)
        else:
            found = self._look_up(serial, seconds, order)
        if found is None:
            raise BadSignature("unknown certificate serial")
        return found

    def keep(self, keys: dict[str, RSAPublicKey]) -> None:
        """Store keys fetched just now. Sharing them is best effort; this process uses them in any case."""
        pems, now, before = {serial: _pem_of(key) for serial, key in keys.items()}, self._moment(), self._known
        self._keys, self._known = keys, certificates.fetched(before, pems, now)
        try:
            for _ in range(TRIES):
                if self._shelf.put(self._known):
                    return
                self._known = certificates.fetched(self._shelf.get(), pems, now)
        except Busy:
            log.warning("certificates_unshared")

    def _look_up(self, serial: str, seconds: float, order: Callable[[], str]) -> RSAPublicKey | None:
        if not self._waiting.acquire(blocking=False):
            raise UpstreamError(SERVICE, "certificates are being fetched")
        try:
            if not self._one_asks.acquire(timeout=left(seconds)):
                raise UpstreamError(SERVICE, "certificates are being fetched")
            try:
                if serial not in self._keys:
                    self._take_over()
                if serial not in self._keys:
                    self._renew(seconds, order)
                return self._keys.get(serial)
            finally:
                self._one_asks.release()
        finally:
            self._waiting.release()

    def _renew_quietly(self, seconds: float) -> None:
        """Known keys stay valid if renewing fails. Releases the lock."""
        try:
            self._take_over()
            if not self._is_fresh():
                self._renew(seconds, lambda: "")
        except (UpstreamError, Busy) as error:
            log.info("certificates_kept", error=str(error))
        finally:
            self._one_asks.release()

    def _renew(self, seconds: float, order: Callable[[], str]) -> None:
        if not self._may_ask(order):
            if self._known.fetched_at is None or self._moment() - self._known.fetched_at >= certificates.PAUSE:
                raise UpstreamError(SERVICE, "certificates may not be asked for again yet")
            return  # they were fetched a moment ago
        self._ask(seconds)

    def _may_ask(self, order: Callable[[], str]) -> bool:
        if self._known.is_pausing(self._moment()):
            return False
        return self._claim("") or ((named := order()) != "" and self._claim(named))

    def _claim(self, order: str) -> bool:
        """Counted before asking, for all processes."""
        for _ in range(TRIES):
            wanted = certificates.claimed(self._known, self._moment(), order)
            if wanted is None:
                return False
            if self._shelf.put(wanted):
                self._known = wanted
                return True
            self._known = self._shelf.get()
        return False

    def _take_over(self) -> None:
        """Load what another process fetched meanwhile."""
        if self._elapsed() - self._looked < LOOK_SECONDS:
            return
        self._looked, before = self._elapsed(), self._known.fetched_at
        self._known = self._shelf.get()
        if self._known.fetched_at is not None and self._known.fetched_at != before:
            self._keys = dict(_read(serial, pem) for serial, pem in self._known.keys)

    def _moment(self) -> datetime:
        """Our clock at start plus the monotonic time since: comparable with other processes, and never jumping."""
        return self._began_at + timedelta(seconds=self._elapsed() - self._began)

    def _is_fresh(self) -> bool:
        return self._known.fetched_at is not None and self._moment() - self._known.fetched_at < FRESH_FOR


def _pem_of(key: RSAPublicKey) -> str:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def _read(serial: str, pem: str) -> tuple[str, RSAPublicKey]:
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, RSAPublicKey):
        raise TypeError(f"the key of {serial} is no RSA key")
    return serial, key
