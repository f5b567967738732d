"""A merchant's client, pointed wherever a test wants it."""

import base64
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from inspired.adapters.providers.binance import BinancePay, WebhookHeaders
from inspired.adapters.providers.http import Http
from inspired.adapters.redis.throttle import Permit
from inspired.settings import BINANCE_HOST
from tests.harness import API_KEY, SECRET_KEY

WEBHOOK_URL = "http://127.0.0.1:9/api/payments/webhook"
PRIVATE_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Unlimited:
    """A throttle that lets everything through: for what is sent and what is understood of the answer."""

    def take(self, *, urgent: bool, seconds: float) -> Permit:
        return Permit(sent_at=0, failures=0, is_shared=False)

    def answered(self, permit: Permit, call: str) -> None:
        pass

    def refused(self, permit: Permit, call: str, *, code: str, words: str, sells: bool) -> None:
        pass

    def failed(self, permit: Permit, *, asked: float = 0) -> None:
        pass


def a_merchant(base_url: str = BINANCE_HOST, **changes: Any) -> BinancePay:
    given: dict[str, Any] = {
        "throttle": Unlimited(),
        "base_url": base_url,
        "api_key": API_KEY,
        "secret_key": SECRET_KEY,
        "webhook_url": WEBHOOK_URL,
        "merchant_id": "",
        "pinned_serial": "",
        "now": lambda: datetime.now(UTC),
        "on_call": lambda call: None,
        **changes,
    }
    return BinancePay(Http(), **given)


def pem_of(key: rsa.RSAPrivateKey) -> str:
    public = key.public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def certificates(**keys: rsa.RSAPrivateKey | str) -> dict[str, Any]:
    """The answer of Query Certificate: serial = key."""
    listed = [
        {"certSerial": serial, "certPublic": key if isinstance(key, str) else pem_of(key)}
        for serial, key in keys.items()
    ]
    return {"status": "SUCCESS", "code": "000000", "data": listed}


def signed(
    raw: bytes, *, key: rsa.RSAPrivateKey = PRIVATE_KEY, serial: str = "ONE", timestamp: str = "1700000000000"
) -> WebhookHeaders:
    """The headers of a webhook with this body, signed by the key."""
    nonce = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"
    payload = f"{timestamp}\n{nonce}\n".encode() + raw + b"\n"
    signature = base64.b64encode(key.sign(payload, padding.PKCS1v15(), hashes.SHA256())).decode()
    return WebhookHeaders(serial=serial, nonce=nonce, timestamp=timestamp, signature=signature)
