"""Webhooks of Calendly: what was signed by one of our keys is told apart from everything else."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from inspired.adapters.providers.calendly import Notified, verified
from inspired.domain.shared.errors import BadSignature

OLD, NEW = "an-old-signing-key-of-ours", "a-new-signing-key-of-ours"


def signed(raw: bytes, key: str, moment: str = "1700000000") -> str:
    digest = hmac.new(key.encode(), f"{moment}.".encode() + raw, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def a_notice(**payload: Any) -> bytes:
    return json.dumps({"event": "invitee.canceled", "payload": {"uri": "http://x/i", **payload}}).encode()


@pytest.mark.parametrize("key", [OLD, NEW])
def test_both_keys_are_good_while_one_is_replaced(key: str):
    assert verified(a_notice(), signed(a_notice(), key), (NEW, OLD)).what == "invitee.canceled"


def test_a_notice_names_everything_it_is_about():
    raw = a_notice(old_invitee="http://x/o", new_invitee=None, tracking={"utm_content": "TOKEN"})

    assert verified(raw, signed(raw, NEW), (NEW,)) == Notified(
        hashlib.sha256(b"invitee.canceled|http://x/i|http://x/o").hexdigest()[:16],
        "invitee.canceled",
        ("http://x/i", "http://x/o"),
        "TOKEN",
    )


@pytest.mark.parametrize("payload", [{}, {"tracking": None}, {"tracking": {}}, {"tracking": {"utm_content": None}}])
def test_a_notice_of_an_event_that_was_not_picked_on_our_page_has_no_token(payload: dict[str, Any]):
    raw = a_notice(new_invitee="http://x/n", **payload)

    found = verified(raw, signed(raw, NEW), (NEW,))

    assert (found.invitee_uris, found.token) == (("http://x/i", "http://x/n"), "")


def test_what_cannot_be_stored_of_a_token_is_left_out():
    raw = a_notice(tracking={"utm_content": "half a letter: \ud83d"})

    assert verified(raw, signed(raw, NEW), (NEW,)).token == "half a letter: ?"


def test_two_notices_of_one_event_are_told_apart_and_a_repetition_is_not():
    canceled, created = a_notice(), a_notice().replace(b"canceled", b"created")
    once, again, other = (verified(raw, signed(raw, NEW), (NEW,)).id for raw in (canceled, canceled, created))

    assert (once == again, once == other) == (True, False)


UNREADABLE = (
    b"[]",
    b"{",
    b"\xff",
    b'{"event": "x", "payload": 1}',
    b'{"event": "x"}',
    b'{"payload": {}}',
    b"[" * 100_000,
)
NOT_SIGNED = {
    "none": ("", a_notice()),
    "another key": (signed(a_notice(), "another key"), a_notice()),
    "no key": (signed(a_notice(), ""), a_notice()),
    "another time": (signed(a_notice(), NEW).replace("t=1", "t=2"), a_notice()),
    "another body": (signed(a_notice(), NEW), a_notice() + b" "),
    "upper case": (signed(a_notice(), NEW).upper(), a_notice()),
    "half a header": (signed(a_notice(), NEW).partition(",")[0], a_notice()),
    "more than a header": (signed(a_notice(), NEW) + ",v0=1", a_notice()),
}


@pytest.mark.parametrize("name", NOT_SIGNED)
def test_what_is_not_signed_like_this_is_refused(name: str):
    header, raw = NOT_SIGNED[name]

    shape = name in ("none", "upper case", "half a header", "more than a header")
    with pytest.raises(BadSignature) as refused:
        verified(raw, header, (NEW, OLD))
    assert str(refused.value) == ("the header is missing or has another shape" if shape else "the signature is wrong")


@pytest.mark.parametrize("raw", UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_is_signed_and_cannot_be_read_is_refused(raw: bytes):
    with pytest.raises(BadSignature) as refused:
        verified(raw, signed(raw, NEW), (NEW,))
    assert str(refused.value) == "the body has another shape"


def test_without_a_key_nothing_is_believed():
    with pytest.raises(BadSignature) as refused:
        verified(a_notice(), signed(a_notice(), ""), ())
    assert str(refused.value) == "the signature is wrong"
