"""The sandbox's own check of requests, and its own signing, against published and computed vectors."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from inspired.sandbox import keys
from tests.sandbox.world import Receiver, World

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("vector", VECTORS["hmac"], ids=lambda vector: vector["name"][:40])
def test_the_check_accepts_each_published_hmac_and_no_other(vector: dict[str, Any]) -> None:
    asked = vector["secret"], vector["timestamp"], vector["nonce"], vector["body"].encode()

    assert keys.hmac_is_right(*asked, vector["signature"])
    assert not keys.hmac_is_right(*asked, vector["signature"].lower())
    assert not keys.hmac_is_right(*asked[:3], asked[3] + b" ", vector["signature"])
    assert not keys.hmac_is_right(*asked, "")


@pytest.mark.parametrize("vector", VECTORS["rsa"], ids=lambda vector: vector["name"][:40])
def test_the_layout_signed_by_rsa_is_the_published_one(vector: dict[str, Any]) -> None:
    public = _public_key(vector["public_key_pem"])
    payload = keys.payload(vector["timestamp"], vector["nonce"], vector["body"].encode())

    assert _verifies(public, vector["signature_b64"], payload) is vector["valid"]


def test_a_webhook_verifies_with_the_certificate_it_names(world: World, receiver: Receiver) -> None:
    world.pay(world.create(webhookUrl=receiver.url))
    notice = receiver.wait_for(1)[0]

    assert _verified(world, notice)
    assert abs(int(notice.headers["binancepay-timestamp"]) - time.time() * 1000) < 5_000
    assert len(notice.headers["binancepay-nonce"]) == 32
    assert notice.headers["content-type"] == "application/json"


def test_after_a_rotation_the_new_key_signs_and_both_are_listed(world: World, receiver: Receiver) -> None:
    before = {one["certSerial"] for one in world.call("certificates", {})["data"]}
    rotated = world.control("rotate-key")
    world.pay(world.create(webhookUrl=receiver.url))
    notice = receiver.wait_for(1)[0]

    assert notice.headers["binancepay-certificate-sn"] == rotated["certSerial"]
    assert rotated["certSerial"] not in before
    assert before & set(rotated["listed"])
    assert _verified(world, notice)


def test_a_rotation_can_withdraw_the_old_keys(world: World) -> None:
    rotated = world.control("rotate-key", {"keep_old": False})

    assert [one["certSerial"] for one in world.call("certificates", {})["data"]] == [rotated["certSerial"]]


def test_a_forged_notice_names_a_real_certificate_and_does_not_verify(world: World, receiver: Receiver) -> None:
    order = world.create(webhookUrl=receiver.url)
    world.pay(order, notify="forged")
    notice = receiver.wait_for(1)[0]

    assert notice.outer["bizStatus"] == "PAY_SUCCESS"
    assert notice.headers["binancepay-certificate-sn"] in _certificates(world)
    assert not _verified(world, notice)
    assert world.status(order) == "INITIAL"


def test_an_altered_notice_says_paid_and_does_not_verify(world: World, receiver: Receiver) -> None:
    order = world.create(webhookUrl=receiver.url)
    world.pay(order, notify="altered")
    notice = receiver.wait_for(1)[0]
    signed = notice.body.replace(b"PAY_SUCCESS", b"PAY_CLOSED")

    assert notice.outer["bizStatus"] == "PAY_SUCCESS"
    assert not _verified(world, notice)
    assert _verified(world, notice, body=signed)
    assert world.status(order) == "INITIAL"


def test_a_notice_of_anything_at_all_is_signed_like_any_other(world: World, receiver: Receiver) -> None:
    world.control("notices", {"data": {"merchantTradeNo": "nobodys"}, "url": receiver.url})

    assert _verified(world, receiver.wait_for(1)[0])


def _certificates(world: World) -> dict[str, str]:
    return {one["certSerial"]: one["certPublic"] for one in world.call("certificates", {})["data"]}


def _verified(world: World, notice: Any, body: bytes | None = None) -> bool:
    public = _public_key(_certificates(world)[notice.headers["binancepay-certificate-sn"]])
    timestamp, nonce = notice.headers["binancepay-timestamp"], notice.headers["binancepay-nonce"]
    payload = f"{timestamp}\n{nonce}\n".encode() + (notice.body if body is None else body) + b"\n"
    return _verifies(public, notice.headers["binancepay-signature"], payload)


def _public_key(pem: str) -> rsa.RSAPublicKey:
    key = serialization.load_pem_public_key(pem.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size >= 1024
    return key


def _verifies(public: rsa.RSAPublicKey, signature: str, payload: bytes) -> bool:
    try:
        public.verify(base64.b64decode(signature), payload, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
