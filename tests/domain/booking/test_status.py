import time
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from inspired.domain.booking import customer_actions, delivery, owner_actions
from inspired.domain.booking.balance import Payment, counted, payment_of, unclear
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.lifecycle import SlotSeen
from inspired.domain.booking.outbox import Email, SendEmail
from inspired.domain.booking.refunds import settled_by_hand, tried_again
from inspired.domain.booking.states import CalendarKind, Cause, Flag, RefundStatus, Remote, State
from inspired.domain.booking.status import (
    OF_CAUSE,
    OF_STATE,
    By,
    cancelled_by,
    iso,
    numbered,
    public_status,
    refunds_told,
)
from inspired.domain.sentences.customer import TEXTS, message, sentence
from inspired.domain.shared.messages import MessageId
from inspired.domain.shared.money import Money
from tests.domain.booking.test_table import AGREED, CELLS, before_and_after
from tests.factories import (
    CHECKOUT,
    MINUTE,
    NOW,
    a_confirmed_booking,
    a_live_booking,
    a_returned,
    an_expired_booking,
    owed,
    seen,
    settled,
    topping_up,
)

LONG_AFTER = NOW + timedelta(hours=1)


def status_of(booking: Booking) -> dict[str, Any]:
    return public_status(booking, message(booking))


def test_the_public_status_says_exactly_this_much():
    assert status_of(a_live_booking(status_version=3)) == {
        "success": True,
        "status": "PENDING",
        "flags": [],
        "message": TEXTS[OF_STATE[State.PENDING]],
        "expiresAt": "2026-11-24T10:15:00.000Z",
        "version": 3,
        "network": None,
        "final": False,
        "confirmations": None,
    }


def test_a_paid_booking_tells_its_payment_and_its_refunds_with_amounts_as_text():
    part = customer_actions.refund_part(
        a_confirmed_booking(status_version=7), Money.parse("10.5"), NOW + 2 * MINUTE, cancels=False
    )

    assert status_of(a_returned(part, NOW + 3 * MINUTE)) == {
        "success": True,
        "status": "CONFIRMED",
        "flags": [],
        "message": (
            "Paid and confirmed. The owner returns money to you. 10.5 USDT went back to the Binance account that paid."
        ),
        "expiresAt": "2026-11-24T10:15:00.000Z",
        "version": 7,
        "network": None,
        "final": True,
        "confirmations": None,
        "refunds": [{"amount": "10.5", "currency": "USDT", "status": "done", "reason": "owner"}],
        "paymentDetails": {
            "transactionId": "P_1",
            "paidAt": "2026-11-24T10:01:00.000Z",
            "amount": "75",
            "currency": "USDT",
        },
    }


def test_a_payment_nobody_can_read_is_told_without_an_amount():
    body = status_of(settled(a_live_booking(), seen(Remote.PAID, None)))

    assert (body["flags"], body["message"]) == (["needs_owner"], TEXTS[MessageId.UNCLEAR])
    assert body["paymentDetails"] == {
        "transactionId": None, "paidAt": "2026-11-24T10:01:00.000Z", "amount": None, "currency": None,
    }  # fmt: skip


def test_a_refund_that_another_took_the_place_of_is_not_told_twice_nor_one_whose_amount_nobody_knows():
    asked = customer_actions.refund_part(a_confirmed_booking(), Money.parse("10"), NOW + 2 * MINUTE, cancels=False)
    rejected = asked.with_refund(replace(asked.refunds[0], status=RefundStatus.REJECTED))
    again = tried_again(rejected, rejected.refunds[0].id, NOW + 3 * MINUTE)
    by_console = settled(a_confirmed_booking(), seen(Remote.REFUNDED, "75", at=NOW + 2 * MINUTE), now=NOW + 2 * MINUTE)

    assert [one["status"] for one in refunds_told(rejected)] == ["waiting"]
    assert (len(again.refunds), refunds_told(again)) == (
        2, [{"amount": "10", "currency": "USDT", "status": "under_way", "reason": "owner"}],
    )  # fmt: skip
    assert [one.amount for one in by_console.refunds] == [None]
    assert refunds_told(by_console) == []


def test_times_are_told_in_utc_wherever_the_server_or_the_clock_stands(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        told = [iso(NOW), iso(NOW.astimezone(ZoneInfo("Europe/Berlin"))), iso(NOW + timedelta(microseconds=7999))]
    finally:
        monkeypatch.undo()
        time.tzset()

    assert told == ["2026-11-24T10:00:00.000Z", "2026-11-24T10:00:00.000Z", "2026-11-24T10:00:00.007Z"]


def test_every_state_and_every_reason_for_money_to_go_back_has_its_sentence():
    assert set(OF_STATE) == set(State)
    assert set(OF_CAUSE) == set(Cause)


def test_where_money_came_nobody_is_told_that_nothing_was_paid():
    late = NOW + 17 * MINUTE
    short = settled(a_live_booking(), seen(Remote.PAID, "74"))
    over = settled(an_expired_booking(), seen(Remote.PAID, "75", at=late), slot=SlotSeen.LOST, now=late)
    too_little = (
        "74 USDT arrived instead of 75 USDT, too little to book the call. "
        "74 USDT is going back to the Binance account that paid."
    )

    assert sentence(an_expired_booking()) == TEXTS[OF_STATE[State.EXPIRED]]
    assert [
        sentence(one) for one in (short, settled(short, now=late), over, customer_actions.money_back(over, late))
    ] == [
        f"Your time is held. It is confirmed once the payment has arrived. {too_little}",
        f"This booking is over. Its time is free for others again. {too_little}",
        TEXTS[MessageId.CHOOSE_LATE],
        "This booking is over. Its time is free for others again. You asked for your money back. "
        "75 USDT is going back to the Binance account that paid.",
    ]


def test_the_status_call_tells_what_goes_back_and_until_when_to_choose():
    late = NOW + 17 * MINUTE
    choosing = settled(an_expired_booking(), seen(Remote.PAID, "75", at=late), slot=SlotSeen.LOST, now=late)

    assert status_of(choosing)["chooseBy"] == "2026-11-26T10:17:00.000Z"
    assert status_of(customer_actions.money_back(choosing, late))["refunds"] == [
        {"amount": "75", "currency": "USDT", "status": "under_way", "reason": "money_back"}
    ]


def test_the_edition_grows_only_when_the_customer_would_see_a_difference():
    before = a_live_booking(status_version=4)
    only_asked = settled(before, seen(Remote.INITIAL))
    paid = settled(before, seen(Remote.PAID, "75"))

    assert numbered(before, only_asked).status_version == 4
    assert numbered(before, paid).status_version == 5
    assert numbered(before, replace(before, cancel_requested=True)).status_version == 5


def order(**changes):
    """The live booking, with its order changed so."""
    return a_live_booking().with_order(replace(a_live_booking().orders[0], **changes))


@pytest.mark.parametrize(
    "after",
    [
        order(checkout=None),
        order(checkout=replace(CHECKOUT, qr_content="another")),
        order(retry_at=NOW),
        order(status=Remote.EXPIRED),
        order(trade_no="another"),
        a_live_booking(slot=replace(a_live_booking().slot, zone="Asia/Tokyo")),
        a_live_booking(cancel_requested=True),
        a_live_booking(expires_at=NOW),
        a_live_booking(orders=()),
    ],
)
def test_whatever_the_page_is_made_of_is_news(after):
    assert numbered(a_live_booking(status_version=4), after) == replace(after, status_version=5)
    assert numbered(replace(after, status_version=4), a_live_booking(status_version=9)).status_version == 5


@pytest.mark.parametrize(
    "after",
    [
        delivery.done(a_live_booking(), SendEmail(Email.HELD), NOW + MINUTE),
        a_live_booking(check_at=None),
        a_live_booking(email_index="another"),
        order(tries=5, seen_at=NOW + MINUTE, status=Remote.INITIAL),
    ],
)
def test_what_no_page_shows_is_no_news_whatever_edition_it_carries(after):
    assert numbered(a_live_booking(status_version=4), replace(after, status_version=9)) == replace(
        after, status_version=4
    )


# --- a sentence never says what is not so ---------------------------------------------------------------------------


def has_money(booking):
    return any(one.has_money for one in booking.orders)


def is_leaving(booking):
    return any(one.reserves and not one.is_gone for one in booking.refunds)


# What a sentence may claim, and when it is true.
CLAIMS = {
    "Nothing was paid": lambda b: not has_money(b),
    "Your time is held": lambda b: b.state is State.PENDING,
    "We are securing your time": lambda b: b.state is State.PAID and has_money(b),
    "Paid and confirmed": lambda b: b.state is State.CONFIRMED,
    "for others again": lambda b: b.state in (State.EXPIRED, State.CANCELLED),
    "All of your money went back": lambda b: b.state is State.REFUNDED and not is_leaving(b),
    "is going back": is_leaving,
    "went back to": lambda b: any(one.is_gone for one in b.refunds) or b.state is State.REFUNDED,
    "has not gone through yet": lambda b: Flag.REFUND_FAILED in b.flags,
    "A payment arrived that cannot be counted": lambda b: (
        payment_of(b) is Payment.UNCLEAR and Flag.NEEDS_OWNER in b.flags and b.state is not State.CONFIRMED
    ),
    "Another payment arrived that cannot be counted": lambda b: (
        Flag.NEEDS_OWNER in b.flags and (len(unclear(b)) < len(counted(b)) + 1 or b.state is State.CONFIRMED)
    ),
    "Choose another time": lambda b: b.choose_by is not None and payment_of(b) is Payment.EXACT,
    "is missing": lambda b: payment_of(b) is Payment.SHORT and b.state is State.PENDING,
    "whether your time is still free": lambda b: has_money(b) and b.state in (State.EXPIRED, State.CANCELLED),
    "Another payment arrived after": lambda b: b.state is State.REFUNDED and is_leaving(b),
}


@pytest.mark.slow
@pytest.mark.no_cover  # thousands of cells; the other tests measure
@pytest.mark.parametrize("state", AGREED)
def test_in_no_cell_of_the_table_a_sentence_says_what_is_not_so(state):
    afters = [before_and_after(cell)[1] for cell in CELLS if cell.state is state]
    if state in (State.PAID, State.CONFIRMED):  # without money nothing gets there
        afters = [one for one in afters if has_money(one)]

    told = [(sentence(one), one) for one in afters]
    claimed = [(claim, words, one) for words, one in told for claim in CLAIMS if claim in words]

    assert [(words, one.state) for claim, words, one in claimed if not CLAIMS[claim](one)][:3] == []
    assert all(words.endswith(".") for words, _ in told)
    assert claimed, "something is claimed at all"


def test_a_refund_that_is_stuck_is_told_with_its_amount():
    short = settled(a_live_booking(), seen(Remote.PAID, "74"))
    refused = short.with_refund(replace(short.refunds[0], status=RefundStatus.NEEDS_OWNER))
    stuck = settled(refused)

    assert sentence(stuck) == (
        "Your refund of 74 USDT has not gone through yet. The owner has been told and sees to it."
    )
    assert status_of(stuck)["refunds"][0]["status"] == "waiting"


def test_a_confirmed_call_with_a_stuck_refund_is_told_as_both():
    twice = customer_actions.refund_part(a_confirmed_booking(), Money.parse("10"), NOW + 2 * MINUTE, cancels=False)
    stuck = settled(twice.with_refund(replace(twice.refunds[0], status=RefundStatus.NEEDS_OWNER)))

    assert sentence(stuck) == (
        "Paid and confirmed. Your refund of 10 USDT has not gone through yet. The owner has been told and sees to it."
    )


def test_money_the_owner_sent_by_another_way_is_not_said_to_be_at_binance():
    called_off = customer_actions.refund_all(a_confirmed_booking(), NOW + 2 * MINUTE, cancels=True)
    stuck = called_off.with_refund(replace(called_off.refunds[0], status=RefundStatus.REJECTED))
    by_hand = settled(settled_by_hand(stuck, stuck.refunds[0].id, stuck.price, "by bank", NOW + 3 * MINUTE))
    part = customer_actions.refund_part(a_confirmed_booking(), Money.parse("10"), NOW + 2 * MINUTE, cancels=False)
    part = part.with_refund(replace(part.refunds[0], status=RefundStatus.REJECTED))
    part = settled(settled_by_hand(part, part.refunds[0].id, Money.parse("10"), "by bank", NOW + 3 * MINUTE))

    assert (by_hand.state, sentence(by_hand)) == (State.REFUNDED, "All of your money has been sent back to you.")
    assert sentence(part) == ("Paid and confirmed. The owner returns money to you. 10 USDT has been sent back to you.")


def test_what_is_open_about_a_payment_is_told_first():
    late = NOW + 20 * MINUTE
    calendly = a_live_booking(calendar=CalendarKind.CALENDLY)
    other_currency = settled(a_live_booking(), seen(Remote.PAID, "75", currency="BNB"))
    lost = settled(calendly, seen(Remote.PAID, "75"), slot=SlotSeen.LOST)
    lost_late = settled(an_expired_booking(), seen(Remote.PAID, "75", at=late), slot=SlotSeen.LOST, now=late)
    looking = settled(an_expired_booking(), seen(Remote.PAID, "75", at=late), slot=SlotSeen.UNKNOWN, now=late)

    assert [sentence(one) for one in (other_currency, lost, lost_late, looking)] == [
        TEXTS[MessageId.UNCLEAR], TEXTS[MessageId.CHOOSE], TEXTS[MessageId.CHOOSE_LATE], TEXTS[MessageId.LATE_CHECK],
    ]  # fmt: skip


def test_money_that_cannot_be_counted_is_told_beside_the_call_it_did_not_pay():
    second = replace(a_live_booking().orders[0], number=2, trade_no="b" * 24 + "002")
    call = a_confirmed_booking()
    call = replace(call, orders=(*call.orders, second))
    told = settled(call, seen(Remote.PAID, "75", order=2, currency="BNB"))
    left = settled(a_confirmed_booking(), seen(Remote.REFUNDED, "75"))

    assert sentence(told) == (
        "Paid and confirmed. Another payment arrived that cannot be counted by itself. "
        "It is not lost: the owner has been told and writes to you."
    )
    assert (payment_of(left), sentence(left)) == (Payment.UNCLEAR, "Paid and confirmed.")


def test_a_part_that_went_back_is_told_beside_the_call():
    part = customer_actions.refund_part(a_confirmed_booking(), Money.parse("10"), NOW + 2 * MINUTE, cancels=False)

    assert sentence(part) == (
        "Paid and confirmed. The owner returns money to you. 10 USDT is going back to the Binance account that paid."
    )
    assert sentence(a_returned(part, NOW + 3 * MINUTE)) == (
        "Paid and confirmed. The owner returns money to you. 10 USDT went back to the Binance account that paid."
    )


def test_a_rest_that_may_still_come_is_told_exactly():
    short = settled(topping_up(a_live_booking()), seen(Remote.PAID, "70"))

    assert sentence(short) == "70 USDT of 75 USDT arrived. 5 USDT is missing."


def test_a_payment_after_everything_went_back_is_told_until_it_has_gone_too():
    late = NOW + 20 * MINUTE
    gone = settled(an_expired_booking(), seen(Remote.FULL_REFUNDED, "75", at=late), now=late)
    other = replace(gone.orders[0], number=2, trade_no=f"{'b' * 24}002", status=Remote.INITIAL, proven=False)
    again = replace(gone, orders=(*gone.orders, replace(other, received=None)))

    more = settled(again, seen(Remote.PAID, "75", order=2, at=late), now=late)

    assert sentence(gone) == "All of your money went back to the Binance account that paid."
    assert sentence(more) == (
        "Another payment arrived after your money had gone back. Your payment arrived twice. "
        "75 USDT is going back to the Binance account that paid."
    )
    assert sentence(a_returned(more, late)) == sentence(gone)


def test_a_cancelled_call_is_told_with_what_went_back():
    cancelled = customer_actions.refund_all(a_confirmed_booking(), NOW + 2 * MINUTE, cancels=True)
    done = settled(cancelled.with_refund(replace(cancelled.refunds[0], status=RefundStatus.SENT)))

    assert (
        sentence(cancelled)
        == sentence(done)
        == (
            "The owner cancelled this call, and its time is free for others again. The owner returns money to you. "
            "75 USDT is going back to the Binance account that paid."
        )
    )


@pytest.mark.parametrize(
    ("booking", "by", "told"),
    [
        (
            customer_actions.give_up(a_live_booking(), NOW + MINUTE),
            By.CUSTOMER,
            "This booking is cancelled. Nothing was paid.",
        ),
        (
            owner_actions.call_off(a_live_booking(), NOW + MINUTE),
            By.OWNER,
            "The owner cancelled this booking. Nothing was paid.",
        ),
        (
            owner_actions.call_off(a_confirmed_booking(), NOW + MINUTE),
            By.OWNER,
            "The owner cancelled this call, and its time is free for others again.",
        ),
    ],
)
def test_who_cancelled_it_is_told_as_it_was(booking: Booking, by: By, told: str):
    ended = booking if booking.state is State.CANCELLED else replace(booking, state=State.CANCELLED)

    assert cancelled_by(ended) is by
    assert sentence(ended) == told


def test_a_draft_has_no_end_to_tell():
    assert status_of(a_live_booking(expires_at=None))["expiresAt"] is None


# --- told of by a notice, and denied when asked ----------------------------------------------------------------------


def notified(amount: str = "75", booking=None):
    return settled(booking or a_live_booking(), seen(Remote.PAID, amount, by_query=False))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Remote.EXPIRED, "that the order has expired without one"),
        (Remote.CANCELED, "that the order was closed without one"),
        (Remote.ERROR, "that the payment failed"),
    ],
)
@pytest.mark.parametrize("amount", ["75", "74"])
def test_a_payment_that_binance_denies_when_asked_is_told_in_words_and_to_the_owner(status, words, amount):
    before = notified(amount)

    after = settled(before, seen(status, at=NOW + 2 * MINUTE), now=NOW + 2 * MINUTE)

    assert words in sentence(after)
    assert "Your payment has arrived" not in sentence(after)
    assert "do not pay again" in sentence(after)
    assert (after.state, after.slot, after.confirmed_at) == (before.state, before.slot, None)
    assert "alert:denied" in owed(after)
    assert "alert:denied" not in owed(before)
    assert numbered(before, after).status_version == before.status_version + 1, "so that the page is shown anew"


def test_so_is_late_money_that_is_denied():
    late = settled(an_expired_booking(), seen(Remote.PAID, "75", by_query=False, at=LONG_AFTER), now=LONG_AFTER)

    after = settled(late, seen(Remote.EXPIRED, at=LONG_AFTER + MINUTE), now=LONG_AFTER + MINUTE)

    assert sentence(late) == TEXTS[MessageId.LATE_CHECK]
    assert "that the order has expired without one" in sentence(after)
    assert "alert:denied" in owed(after)


def test_a_denial_is_over_with_the_proof_and_does_not_touch_what_is_proven():
    denied = settled(notified(), seen(Remote.EXPIRED, at=NOW + 2 * MINUTE), now=NOW + 2 * MINUTE)

    proven = settled(denied, seen(Remote.PAID, "75", at=NOW + 3 * MINUTE), now=NOW + 3 * MINUTE)
    again = settled(proven, seen(Remote.EXPIRED, at=NOW + 4 * MINUTE), now=NOW + 4 * MINUTE)

    assert (proven.state, sentence(proven)) == (State.CONFIRMED, "Paid and confirmed.")
    assert (again.state, sentence(again)) == (State.CONFIRMED, "Paid and confirmed.")


@pytest.mark.parametrize("status", [Remote.INITIAL, Remote.PENDING, None])
def test_an_answer_that_is_a_moment_behind_the_notice_denies_nothing(status):
    after = settled(notified(), seen(status, at=NOW + 2 * MINUTE), now=NOW + 2 * MINUTE)

    assert sentence(after) == TEXTS[OF_STATE[State.PAID]]
    assert "alert:denied" not in owed(after)
