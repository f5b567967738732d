"""Orders and signed notices by the thousand, for measurements."""

from __future__ import annotations

import base64
import json
import secrets
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.sandbox.world import Receiver, World


def wish(**changed: Any) -> dict[str, Any]:
    expires = int(time.time() * 1000) + 900_000
    return {"merchantTradeNo": secrets.token_hex(12), "amount": "50", "expireTime": expires, **changed}


def test_orders_made_in_bulk_are_orders_like_any_other(world: World) -> None:
    open_one, over = wish(), wish(expireTime=1_700_000_000_000)

    made = world.control("bulk/orders", {"orders": [open_one, over]})

    assert [one["merchantTradeNo"] for one in made] == [open_one["merchantTradeNo"], over["merchantTradeNo"]]
    assert (world.status(open_one), world.status(over)) == ("INITIAL", "EXPIRED")
    again = world.session.post(f"{world.url}/control/bulk/orders", json={"orders": [open_one]}, timeout=5)
    assert (again.status_code, again.json()["code"]) == (409, "400201")


def test_notices_are_real_signed_now_and_sent_by_nobody(world: World, receiver: Receiver) -> None:
    order = wish(webhookUrl=receiver.url)
    world.control("bulk/orders", {"orders": [order]})

    notices = world.control("bulk/notices", {"orders": [order["merchantTradeNo"]], "refused_refunds": 2})

    assert [one["what"] for one in notices] == ["PAY_SUCCESS", "REFUND_REJECTED", "REFUND_REJECTED"]
    assert len({one["body"] for one in notices}) == 3
    for one in notices:
        _verify(world, one)
    assert world.status(order) == "PAID"
    assert [one["status"] for one in world.look("refunds")] == ["REFUND_FAIL", "REFUND_FAIL"]
    receiver.stays_at(0, 0.5)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("orders", {"orders": [wish(amount="0")]}),
        ("orders", {"orders": [wish(merchantTradeNo="no letters!")]}),
        ("orders", {"orders": [wish(expireTime="soon")]}),
        ("orders", {"orders": "all"}),
        ("orders", []),
        ("notices", {"orders": [], "refused_refunds": 10}),
    ],
)
def test_what_cannot_be_understood_is_refused(world: World, path: str, body: Any) -> None:
    answer = world.session.post(f"{world.url}/control/bulk/{path}", json=body, timeout=5)

    assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_there_are_no_notices_about_orders_that_are_not_open(world: World) -> None:
    answer = world.session.post(f"{world.url}/control/bulk/notices", json={"orders": ["unknown"]}, timeout=5)

    assert answer.status_code == 409


def _verify(world: World, notice: dict[str, Any]) -> None:
    """Raises InvalidSignature."""
    headers = notice["headers"]
    listed = world.call("certificates", {})["data"]
    pem = next(one["certPublic"] for one in listed if one["certSerial"] == headers["BinancePay-Certificate-SN"])
    key = serialization.load_pem_public_key(pem.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    payload = f"{headers['BinancePay-Timestamp']}\n{headers['BinancePay-Nonce']}\n{notice['body']}\n".encode()
    key.verify(base64.b64decode(headers["BinancePay-Signature"]), payload, padding.PKCS1v15(), hashes.SHA256())
    assert json.loads(notice["body"])["bizStatus"] == notice["what"]
