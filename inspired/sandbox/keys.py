"""RSA keys for webhooks, and the HMAC that requests carry.

Request:  UPPER_HEX(HMAC-SHA512(secret, timestamp LF nonce LF body LF)), the last LF included.
Webhook:  base64(RSASSA-PKCS1-v1_5/SHA-256 over the same layout), key named by its serial in a header.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import cache

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from .store import Store, StoredKey

LISTED_KEYS = 3


def payload(timestamp: str, nonce: str, body: bytes) -> bytes:
    return timestamp.encode() + b"\n" + nonce.encode() + b"\n" + body + b"\n"


def hmac_signature(secret: str, timestamp: str, nonce: str, body: bytes) -> str:
    return hmac.new(secret.encode(), payload(timestamp, nonce, body), hashlib.sha512).hexdigest().upper()


def hmac_is_right(secret: str, timestamp: str, nonce: str, body: bytes, signature: str) -> bool:
    """Upper-case hex only, as documented."""
    expected = hmac_signature(secret, timestamp, nonce, body)
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))


def rsa_signature(private_pem: str, timestamp: str, nonce: str, body: bytes) -> str:
    signed = _private_key(private_pem).sign(payload(timestamp, nonce, body), padding.PKCS1v15(), hashes.SHA256())
    return base64.b64encode(signed).decode()


@cache
def _private_key(pem: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")
    return key


def new_key() -> StoredKey:
    """RSA-2048; the serial is the upper-case MD5 of the PEM text, as one captured key has it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    public_pem = (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
        .strip()
    )
    serial = hashlib.md5(public_pem.encode(), usedforsecurity=False).hexdigest().upper()
    return StoredKey(serial=serial, private_pem=private_pem, public_pem=public_pem)


class KeyRing:
    """The current key, the older ones that are still listed, and a wrong one for forgeries."""

    def __init__(self, store: Store) -> None:
        self._store = store
        if not store.keys:
            self.rotate()

    @property
    def current(self) -> StoredKey:
        with self._store.lock:
            return next(key for key in self._store.keys.values() if key.current)

    def listed(self) -> list[StoredKey]:
        """Newest last, as appended; whoever takes the first one without looking at the serial is wrong."""
        with self._store.lock:
            return list(self._store.keys.values())

    def rotate(self, keep_old: bool = True) -> StoredKey:
        fresh = new_key()
        with self._store.lock:
            for key in list(self._store.keys.values()):
                key.current = False
                self._store.put("keys", key.serial, key if keep_old else None)
            for key in list(self._store.keys.values())[: -(LISTED_KEYS - 1)]:
                self._store.put("keys", key.serial, None)
            self._store.put("keys", fresh.serial, fresh)
        return fresh


@cache
def wrong_key() -> StoredKey:
    """A key that no certificate lists."""
    return new_key()
