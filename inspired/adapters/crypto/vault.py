"""Encryption of personal data, and the blind index for finding it.

Every booking has its own AES-256-GCM key, wrapped by a key from the environment; erasing the wrapped key erases the
personal data, in backups too. Each ciphertext is bound to its booking and field (associated data), so that it cannot be
moved elsewhere. Layout: 12 random bytes of nonce, then ciphertext and tag (NIST SP 800-38D).
"""

import base64
import hashlib
import hmac
import os
import unicodedata

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12
KEY_BYTES = 32


class CannotDecrypt(Exception):
    """The key is missing, or the ciphertext belongs elsewhere or was altered."""


class Vault:
    def __init__(self, encryption_keys: str, blind_index_key: str) -> None:
        """`encryption_keys`: "v2:BASE64,v1:BASE64"; the first wraps new keys, all of them unwrap."""
        self._keys: dict[str, bytes] = {}
        for item in encryption_keys.split(","):
            name, _, value = item.strip().rpartition(":")
            self._keys[name or "v1"] = base64.b64decode(value)
        self._newest = next(iter(self._keys))
        self._index_key = base64.b64decode(blind_index_key)

    def new_key(self, owner_id: str) -> bytes:
        """A fresh data key, wrapped: b"v1:" + nonce + ciphertext. `owner_id` is the id of its booking or other
        owner."""
        wrapped = _encrypt(self._keys[self._newest], AESGCM.generate_key(256), f"{owner_id}/key")
        return self._newest.encode() + b":" + wrapped

    def seal(self, wrapped_key: bytes, owner_id: str, field: str, text: str) -> bytes:
        return _encrypt(self._unwrapped(wrapped_key, owner_id), text.encode(), f"{owner_id}/{field}")

    def open(self, wrapped_key: bytes, owner_id: str, field: str, sealed: bytes) -> str:
        """Raises CannotDecrypt. An empty value is an empty text: the field was not given."""
        if not sealed:
            return ""
        return _decrypt(self._unwrapped(wrapped_key, owner_id), sealed, f"{owner_id}/{field}").decode()

    def blind_index(self, kind: str, value: str) -> str:
        """HMAC-SHA-256 of the normalised value: finds an address without storing it. 32 hex digits."""
        return self.fingerprint(kind, normalised(value))

    def fingerprint(self, kind: str, text: str) -> str:
        """HMAC-SHA-256 of the exact text: tests equality without storing it. 32 hex digits."""
        message = f"{kind}:{text}".encode("utf-8", "surrogatepass")
        return hmac.new(self._index_key, message, hashlib.sha256).hexdigest()[:32]

    def _unwrapped(self, wrapped_key: bytes, owner_id: str) -> bytes:
        name, _, wrapped = wrapped_key.partition(b":")
        key = self._keys.get(name.decode(errors="replace"))
        if key is None:
            raise CannotDecrypt("the key that wrapped this one is not configured")
        return _decrypt(key, wrapped, f"{owner_id}/key")


def normalised(value: str) -> str:
    """Normalises email addresses: trimmed, NFKC, lower case."""
    return unicodedata.normalize("NFKC", value.strip()).lower()


def _encrypt(key: bytes, plain: bytes, bound_to: str) -> bytes:
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound_to.encode())


def _decrypt(key: bytes, sealed: bytes, bound_to: str) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], bound_to.encode())
    except (InvalidTag, ValueError):
        raise CannotDecrypt("altered, or not from here") from None
