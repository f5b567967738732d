from dataclasses import replace

from inspired.domain.booking import Flag, Remote, State
from inspired.domain.status import FLAG_SENTENCES, STATE_SENTENCES, numbered, public_status, sentence
from tests.factories import MINUTE, NOW, a_booking, a_confirmed_booking, a_live_booking, seen, settled


def test_the_public_status_says_exactly_this_much():
    assert public_status(a_live_booking(edition=3)) == {
        "success": True,
        "status": "PENDING",
        "flags": [],
        "message": STATE_SENTENCES[State.PENDING],
        "expiresAt": "2026-11-24T10:15:00.000Z",
        "version": 3,
    }


def test_a_paid_booking_tells_its_payment_with_amounts_as_text():
    assert public_status(a_confirmed_booking())["paymentDetails"] == {
        "transactionId": "P_1",
        "paidAt": "2026-11-24T10:01:00.000Z",
        "amount": "75",
        "currency": "USDT",
    }


def test_every_flag_and_state_has_its_sentence():
    assert set(FLAG_SENTENCES) == set(Flag)
    assert set(STATE_SENTENCES) == set(State)


def test_the_gravest_oddity_with_a_story_is_told():
    assert sentence(a_booking(flags=frozenset({Flag.NEEDS_OWNER, Flag.UNDERPAID}))) == FLAG_SENTENCES[Flag.UNDERPAID]
    assert sentence(a_booking(flags=frozenset({Flag.NEEDS_OWNER}))) == FLAG_SENTENCES[Flag.NEEDS_OWNER]


def test_the_edition_grows_only_when_the_customer_would_see_a_difference():
    before = a_live_booking(edition=4)
    only_asked = settled(before, seen(Remote.INITIAL))
    paid = settled(before, seen(Remote.PAID, "75"))

    assert numbered(before, only_asked).edition == 4
    assert numbered(before, paid).edition == 5
    assert numbered(before, replace(before, leaving=True)).edition == 5


def test_a_mail_that_was_sent_is_no_news_on_the_page():
    before = a_live_booking()

    assert numbered(before, before.noted(NOW + MINUTE, "done", "send:held")).edition == before.edition
