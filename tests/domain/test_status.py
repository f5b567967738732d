from dataclasses import replace

from inspired.domain import steps
from inspired.domain.booking import Cause, Remote, State
from inspired.domain.lifecycle import SlotSeen
from inspired.domain.status import STATE_SENTENCES, WHY_BACK, numbered, public_status, sentence
from tests.factories import MINUTE, NOW, a_confirmed_booking, a_live_booking, an_expired_booking, seen, settled


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


def test_every_state_and_every_reason_for_money_to_go_back_has_its_sentence():
    assert set(STATE_SENTENCES) == set(State)
    assert set(WHY_BACK) == set(Cause)


def test_where_money_came_nobody_is_told_that_nothing_was_paid():
    late = NOW + 17 * MINUTE
    short = settled(a_live_booking(), seen(Remote.PAID, "74"))
    over = settled(an_expired_booking(), seen(Remote.PAID, "75", at=late), slot=SlotSeen.LOST, now=late)
    back = steps.money_back(over, late)

    assert sentence(an_expired_booking()) == STATE_SENTENCES[State.EXPIRED]
    told = [sentence(one) for one in (short, settled(short, now=late), over, back)]
    assert not [one for one in told if "Nothing was paid" in one]
    assert "74 USDT arrived instead of 75 USDT" in told[0]
    assert "Choose another time, or take your money back." in told[2]
    assert "75 USDT is going back" in told[3]


def test_the_status_call_tells_what_goes_back_and_until_when_to_choose():
    late = NOW + 17 * MINUTE
    choosing = settled(an_expired_booking(), seen(Remote.PAID, "75", at=late), slot=SlotSeen.LOST, now=late)

    assert public_status(choosing)["chooseBy"] == "2026-11-26T10:17:00.000Z"
    assert public_status(steps.money_back(choosing, late))["refunds"] == [
        {"amount": "75", "currency": "USDT", "status": "under_way", "reason": "money_back"}
    ]


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
