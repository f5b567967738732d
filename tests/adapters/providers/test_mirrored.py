"""Questions the Standard Webhooks' libraries ask of a verifier (https://github.com/standard-webhooks/standard-webhooks,
`libraries/python/tests`), asked here under their names and in the words of Binance's headers: the id is the nonce, the
version is the certificate's serial, several signatures are several certificates."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from inspired.adapters.mongo.bookings import Bookings
from inspired.adapters.providers.binance import WebhookHeaders
from inspired.domain.booking.history import EventKind, Letter
from inspired.domain.shared.errors import BadSignature
from inspired.settings import Settings
from tests.adapters.listeners import answering_json, listening
from tests.adapters.merchants import OTHER_KEY, PRIVATE_KEY, a_merchant, certificates, signed
from tests.factories import a_booking

BODY = b'{"bizType":"PAY","bizId":363969700195475457,"bizStatus":"PAY_SUCCESS"}'


@pytest.fixture
def merchant():
    with listening(answering_json(lambda: certificates(ONE=PRIVATE_KEY, TWO=OTHER_KEY))) as provider:
        yield a_merchant(provider.address)


def refused(merchant, headers: WebhookHeaders, why: str) -> None:
    with pytest.raises(BadSignature, match=why):
        merchant.verify_webhook(headers, BODY)


def test_valid_signature_is_valid_and_returns_nothing(merchant):
    assert merchant.verify_webhook(signed(BODY), BODY) is None


def test_missing_id_raises_error(merchant):
    refused(merchant, replace(signed(BODY), nonce=""), "missing")


def test_missing_timestamp_raises_error(merchant):
    refused(merchant, replace(signed(BODY), timestamp=""), "missing")


def test_missing_signature_raises_error(merchant):
    refused(merchant, replace(signed(BODY), signature=""), "missing")


def test_invalid_signature_raises_error(merchant):
    refused(merchant, replace(signed(BODY), signature=signed(b"something else").signature), "wrong")


def test_old_timestamp_is_heard_if_it_was_signed_with_it_and_fails_if_it_was_put_in(merchant):
    """Whether a repetition is signed anew is not documented, so age alone refuses nothing: it is a reason to ask."""
    merchant.verify_webhook(signed(BODY, timestamp="1500000000000"), BODY)
    refused(merchant, replace(signed(BODY), timestamp="1500000000000"), "wrong")


def test_new_timestamp_is_heard_if_it_was_signed_with_it_and_fails_if_it_was_put_in(merchant):
    merchant.verify_webhook(signed(BODY, timestamp="4100000000000"), BODY)
    refused(merchant, replace(signed(BODY), timestamp="4100000000000"), "wrong")


def test_multi_sig_payload_is_valid_by_the_one_that_is_named(merchant):
    merchant.verify_webhook(signed(BODY, key=OTHER_KEY, serial="TWO"), BODY)
    refused(merchant, signed(BODY, key=OTHER_KEY, serial="ONE"), "wrong")


def test_invalid_version_raises_error(merchant):
    refused(merchant, signed(BODY, serial="THREE"), "unknown")


@pytest.mark.parametrize("empty", ["BINANCE_PAY_SECRET_KEY", "BINANCE_PAY_API_KEY"])
def test_empty_secret_raises_error(settings_env, monkeypatch, empty):
    for name, value in {**settings_env, empty: ""}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ValueError, match=empty):
        Settings()


# CanConcurrentlyModifyWalletObject, of BTCPay Server's: whoever read an older version decides anew on the newer one.
def test_can_concurrently_modify_booking(database):
    bookings = Bookings(database, lambda booking: None)
    booking = bookings.add(a_booking())
    everybody = threading.Barrier(8)

    def note(number: int) -> None:
        everybody.wait(10)
        bookings.change(booking.id, lambda one: one.noted(one.created_at, EventKind.LETTER_WRITTEN, Letter(number)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(note, range(8)))

    after = bookings.get(booking.id)
    assert after.version == booking.version + 8
    assert {event.details for event in after.history} >= {Letter(number) for number in range(8)}
