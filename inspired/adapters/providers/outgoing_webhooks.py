"""Our outgoing webhooks, signed per Standard Webhooks, so that receivers can use its libraries.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from datetime import datetime

from inspired.adapters.providers.http import Http
from inspired.domain.shared.errors import UpstreamError

SERVICE = "webhook"
SECONDS = 10.0
PREFIX = "whsec_"
LARGEST_ANSWER = 64 * 1024
SECRET_BYTES = 32


def new_secret() -> str:
    return PREFIX + base64.b64encode(os.urandom(SECRET_BYTES)).decode()


def signatures(secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> str:
    """One signature per secret, so that a receiver that knows either accepts it: "v1,… v1,…"."""
    signed = f"{message_id}.{int(at.timestamp())}.".encode() + body
    keys = [base64.b64decode(secret.removeprefix(PREFIX)) for secret in secrets]
    return " ".join("v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)


def send(http: Http, url: str, secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> str:
    """Returns the receiver's answer in words. Raises UpstreamError unless it was accepted (2xx); not retryable after
    410."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "inspired-analyst",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signatures(secrets, message_id, at, body),
    }
    answer = http.call(
        SERVICE, "POST", url, body=body, headers=headers, seconds=SECONDS, what=message_id, largest=LARGEST_ANSWER
    )
    if not 200 <= answer.status < 300:
        raise UpstreamError(SERVICE, f"answered {answer.status}", retryable=answer.status != 410)
    return f"answered {answer.status}"
