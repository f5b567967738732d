"""Filters, the QR code, every face of the payment fragment, and all our mails."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
import zxingcpp
from flask import Flask, render_template
from PIL import Image, ImageDraw

from inspired.adapters.mail.mail_templates import FOLDER, Letters
from inspired.adapters.mongo.spellings import task_in
from inspired.adapters.redis.throttle import Breaker
from inspired.domain.booking import customer_actions, ledger, lifecycle, mails, payment_orders, refunds
from inspired.domain.booking.booking import Booking, PaymentOrder
from inspired.domain.booking.lifecycle import SlotSeen
from inspired.domain.booking.outbox import Email
from inspired.domain.booking.rails import USUAL, RailId
from inspired.domain.booking.reconciliation import Step
from inspired.domain.booking.states import Cause, Flag, RefundStatus, Remote, State
from inspired.domain.catalogue.meeting_types import get_meeting_type
from inspired.domain.catalogue.refund_policy import RefundPolicy
from inspired.domain.monitoring import runbook
from inspired.domain.reporting import reports
from inspired.domain.reporting.metrics import Day, Figures
from inspired.domain.sentences import owner, owner_pages, rails
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Facts, Network
from inspired.domain.shared.periods import parsed
from inspired.domain.shared.slots import Span
from inspired.web.shared import display, display_money
from inspired.web.shared.display import Stage, days_of, qr_svg
from inspired.web.shared.display_money import consequence
from tests.factories import (
    CALL,
    CHECKOUT,
    EXPIRY,
    MINUTE,
    NOW,
    SECOND,
    a_booking,
    a_confirmed_booking,
    a_draft,
    a_live_booking,
    an_event,
    an_expired_booking,
    seen,
    settled,
)
from tests.web.pages import words


def drawn(svg: str, scale: int = 4) -> Image.Image:
    """The picture a browser makes of our one path."""
    size = int(re.search(r'viewBox="0 0 (\d+)', svg)[1])  # type: ignore[index]
    picture = Image.new("L", (size * scale, size * scale), 255)
    pen = ImageDraw.Draw(picture)
    for x, y, length in re.findall(r"M(\d+) (\d+)\.5h(\d+)", svg):
        left, top = int(x) * scale, int(y) * scale
        pen.rectangle((left, top, left + int(length) * scale - 1, top + scale - 1), fill=0)
    return picture


@pytest.mark.parametrize(
    "content",
    ["https://app.binance.com/qr/dplkb005181944f84b84aba2430e1177012b", "bnc://x?a=1&b=ü", "A" * 300],
)
def test_the_qr_code_reads_back_as_what_binance_gave(content: str):
    found = zxingcpp.read_barcode(drawn(qr_svg(content)))

    assert found is not None
    assert found.text == content


def test_the_qr_code_is_one_dark_path_on_white_with_a_title_and_a_quiet_zone():
    svg = qr_svg("https://app.binance.com/qr/1")

    assert svg.count("<path") == 1
    assert 'role="img"' in svg
    assert "<title>" in svg
    assert 'fill="#fff"' in svg
    assert not re.search(r"M[0-3] |M\d+ [0-3]\.5", svg)


def test_days_are_the_visitors_own_and_each_choice_tells_both_clocks():
    late = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
    times = [Span(late, late + MINUTE * 45), Span(late + timedelta(hours=1), late + timedelta(hours=2))]

    days = days_of(times, "Asia/Tokyo", "Europe/London")

    assert [str(one.date) for one in days] == ["2026-11-25"]
    assert [(one.here, one.there) for one in days[0].choices] == [("01:00", "Tue 16:00"), ("02:00", "Tue 17:00")]
    assert (days[0].clocks.here, days[0].clocks.there) == ("UTC+09:00", "UTC")


def test_a_change_of_the_clocks_shows_in_the_days_offsets():
    before, after = datetime(2026, 3, 27, 10, tzinfo=UTC), datetime(2026, 3, 30, 10, tzinfo=UTC)

    days = days_of([Span(one, one + MINUTE * 30) for one in (before, after)], "Europe/Berlin", "Europe/Berlin")

    assert [one.clocks.here for one in days] == ["UTC+01:00", "UTC+02:00"]
    assert {choice.there for one in days for choice in one.choices} == {""}


def test_every_event_of_the_history_is_a_sentence():
    booking = settled(a_live_booking(), seen(Remote.PAID, "40"))

    lines = [owner.event(one, booking) for one in booking.history]

    assert lines == [
        "Booking started.",
        "Time chosen and held.",
        "Binance Pay has the order: order 1.",
        "Money seen: 40 USDT, by our own question, order 1.",
        "40 USDT to go back: less than the price arrived.",
    ]
    assert owner.event(an_event(NOW, "done", "send:held sent"), booking) == "Mail “held”: sent."


def test_all_flags_states_and_stages_have_words():
    assert set(owner_pages.FLAGS) == set(Flag)
    assert set(display.BADGES) == set(Stage)
    assert {display.tone(state) for state in State} == {"wait", "good", "quiet"}


# --- the payment fragment -------------------------------------------------------------------------------------------


def closed_booking() -> Booking:
    return settled(a_live_booking(), seen(Remote.CANCELED))


def failed_booking() -> Booking:
    booking = payment_orders.creating(a_booking(), NOW)
    assert booking.order is not None
    return payment_orders.create_failed(
        booking, booking.order.trade_no, uncertain=False, retryable=True, most_tries=1, now=NOW, why="away"
    )


def paid_booking() -> Booking:
    return settled(a_live_booking(), seen(Remote.PAID, "75", by_query=False), slot=lifecycle.SlotSeen.UNKNOWN)


def short_booking() -> Booking:
    return settled(a_live_booking(), seen(Remote.PAID, "40"))


def topping_up() -> Booking:
    """70 of 75 USDT arrived, and an order for the rest can be paid."""
    type_ = get_meeting_type("portfolio-review")
    booking = a_live_booking(meeting_type=replace(type_, policy=RefundPolicy(top_up=True)))
    booking = payment_orders.creating(settled(booking, seen(Remote.PAID, "70")), NOW + MINUTE)
    assert booking.order is not None
    return payment_orders.created(booking, booking.order.trade_no, CHECKOUT, NOW + MINUTE)


LATER = NOW + timedelta(minutes=20)


def late_booking(slot: SlotSeen) -> Booking:
    """Expired, and the money came after that."""
    return settled(an_expired_booking(), seen(Remote.PAID, "75", at=LATER), slot=slot, now=LATER)


def called_off(days: float = 0) -> Booking:
    """Confirmed, and cancelled so many days after the booking; the call is two days after it."""
    booking, now = a_confirmed_booking(), NOW + timedelta(days=days)
    return customer_actions.cancel(booking, customer_actions.goes_back(booking, now), now)


def with_refund_done(booking: Booking) -> Booking:
    done = tuple(replace(one, status=RefundStatus.DONE, done_at=NOW, retry_at=None) for one in booking.refunds)
    return lifecycle.decided(replace(booking, refunds=done), SlotSeen.UNKNOWN, NOW)


def with_stuck_refund() -> Booking:
    booking = called_off()
    leased = refunds.sending(booking, booking.refunds[0].id, NOW)
    stuck = refunds.not_sent(leased, booking.refunds[0].id, NOW, why="balance", refused=True, low_balance=True)
    return lifecycle.decided(stuck, SlotSeen.UNKNOWN, NOW)


def paid_after_all_went_back() -> Booking:
    """An order that was closed, beside the one that was paid and refunded, takes money after all."""
    booking = with_refund_done(called_off())
    closed = PaymentOrder(2, f"{booking.id}002", NOW, booking.price, tries=1, status=Remote.CANCELED, seen_at=NOW)
    return settled(replace(booking, orders=(*booking.orders, closed)), seen(Remote.PAID, "75", order=2))


FACES: dict[str, tuple[Booking, datetime, Stage, str]] = {
    "order not there yet": (a_booking(), NOW, Stage.PREPARING, "We are preparing your payment"),
    "payable": (a_live_booking(), NOW, Stage.PAYABLE, "It is confirmed once the payment has arrived"),
    "tries used up": (failed_booking(), NOW, Stage.RETRY, "Try again"),
    "order closed": (closed_booking(), NOW + MINUTE, Stage.RETRY, "Try again"),
    "time to pay over": (a_live_booking(), NOW + EXPIRY, Stage.CHECKING, "checking with Binance. Do not pay again"),
    "given up": (a_live_booking(cancel_requested=True), NOW, Stage.LEAVING, "being cancelled"),
    "short": (short_booking(), NOW, Stage.RETRY, "40 USDT arrived instead of 75 USDT, too little to book the call"),
    "short, and to be completed": (topping_up(), NOW, Stage.PAYABLE, "70 USDT of 75 USDT arrived. 5 USDT is missing."),
    "told by notice, another amount": (
        settled(a_live_booking(), seen(Remote.PAID, "40", by_query=False)), NOW, Stage.CHECKING,
        "Binance tells us of a payment. We are checking it",
    ),
    "another currency": (
        settled(a_live_booking(), seen(Remote.PAID, "75", currency="BUSD")), NOW, Stage.UNCLEAR, "cannot be counted",
    ),
    "over": (settled(a_live_booking(), seen(Remote.PAID, "80")), NOW, Stage.CONFIRMED, "5 USDT is going back"),
    "paid": (paid_booking(), NOW, Stage.PAID, "Your payment has arrived"),
    "confirmed": (a_confirmed_booking(), NOW, Stage.CONFIRMED, "Paid and confirmed"),
    "expired": (an_expired_booking(), NOW, Stage.EXPIRED, "The time to pay is over. Nothing was paid"),
    "late": (late_booking(SlotSeen.UNKNOWN), LATER, Stage.LATE, "we are looking whether your time is still free"),
    "late, and the time is taken": (
        late_booking(SlotSeen.LOST), LATER, Stage.CHOOSE, "Choose another time, or take your money back",
    ),
    "not chosen in time": (
        late_booking(SlotSeen.LOST), LATER + timedelta(hours=48), Stage.RETURNING, "The time to choose is over",
    ),
    "the money chosen": (
        customer_actions.money_back(late_booking(SlotSeen.LOST), LATER),
        LATER,
        Stage.RETURNING,
        "You asked for your money back.",
    ),
    "cancelled after paying": (called_off(), NOW, Stage.RETURNING, "75 USDT is going back"),
    "cancelled, refund stuck": (with_stuck_refund(), NOW, Stage.STUCK, "has not gone through yet"),
    "cancelled, a part kept": (with_refund_done(called_off(days=1.5)), NOW, Stage.CALLED_OFF, "37.5 USDT went back"),
    "cancelled too late": (called_off(days=1.9), NOW, Stage.CALLED_OFF, "This call is cancelled"),
    "cancelled": (a_live_booking(state=State.CANCELLED), NOW, Stage.CANCELLED, "This booking is cancelled"),
    "cancelled draft": (a_draft(state=State.CANCELLED), NOW, Stage.CANCELLED, "This booking is cancelled"),
    "paid again after that": (
        paid_after_all_went_back(), NOW, Stage.RETURNING,
        "Another payment arrived after your money had gone back. Your payment arrived twice. 75 USDT is going back",
    ),
    "refunded": (with_refund_done(called_off()), NOW, Stage.REFUNDED, "All of your money went back"),
}  # fmt: skip


ANSWERING = Breaker(open=False, until=None, failures=0)
SILENT = Breaker(open=True, until=NOW + SECOND, failures=5)


def fragment(
    app: Flask, booking: Booking, now: datetime, standing: Breaker = ANSWERING, network: Facts | None = None
) -> str:
    with app.test_request_context("/"):
        return render_template(
            "booking/_payment.html",
            booking=booking,
            now=now,
            note="",
            place="",
            standing=standing,
            checkout=booking.order.checkout if booking.order else None,
            network=network,
            paid_on=network,
        )


@pytest.mark.parametrize(("confirmations", "told"), [(None, []), (0, ["0 confirmations"]), (1, ["1 confirmation"])])
def test_beside_the_usual_time_the_page_tells_the_confirmations_where_they_are_known(
    app: Flask, confirmations: int | None, told: list[str]
):
    order = replace(a_booking().orders[0], rail=RailId.TRC20)
    held = payment_orders.creating(replace(a_booking(), pays_by=RailId.TRC20, orders=(order,)), NOW)
    booking = payment_orders.created(held, order.trade_no, CHECKOUT, NOW)
    paid = settled(booking, seen(Remote.PAID, "75", by_query=False, confirmations=confirmations))

    page = fragment(app, paid, NOW, network=Network.TRC20.facts)

    assert re.findall(r"(\d+ confirmations?) so far", page) == told
    assert "usually needs" in words(page)


@pytest.mark.parametrize("name", FACES)
def test_that_binance_does_not_answer_is_told_where_its_answer_is_waited_for(app: Flask, name: str):
    booking, now, stage, _ = FACES[name]

    told = ["does not answer us" in fragment(app, booking, now, standing) for standing in (ANSWERING, SILENT)]

    waits = stage in (Stage.PREPARING, Stage.RETRY, Stage.PAYABLE, Stage.CHECKING)
    assert told == [False, waits]


@pytest.mark.parametrize("name", FACES)
def test_every_face_of_the_payment_speaks_in_the_words_of_its_rail(
    app: Flask, name: str, monkeypatch: pytest.MonkeyPatch
):
    booking, now, stage, _ = FACES[name]
    monkeypatch.setitem(rails.WORDS, USUAL, rails.of(RailId.TRC20))

    page = fragment(app, booking, now, SILENT)

    # How an order is paid has a template of its own for each rail.
    assert ("Binance" in page) == (stage is Stage.PAYABLE)


@pytest.mark.parametrize("name", FACES)
def test_every_face_of_the_payment_says_what_is_true(app: Flask, name: str):
    booking, now, stage, said = FACES[name]

    page = fragment(app, booking, now)

    assert f'data-stage="{stage}"' in page
    assert said in words(page)
    assert page.strip().startswith('<section id="payment"')


@pytest.mark.parametrize("name", FACES)
def test_only_open_bookings_ask_again_by_themselves(app: Flask, name: str):
    booking, now, _, _ = FACES[name]

    page = fragment(app, booking, now)

    # A confirmed call's page asks on until the mail that says so is sent, or will never be.
    assert ('hx-trigger="every 2s"' in page) == (booking.is_open or mails.awaits_confirmation(booking))
    assert (f"/payment?v={booking.status_version}" in page) == (booking.is_open or mails.awaits_confirmation(booking))


def test_whoever_paid_late_sees_by_itself_what_becomes_of_it(app: Flask):
    """Until it is decided, or somebody has to look."""
    unclear = settled(an_expired_booking(), seen(Remote.PAID, "75", currency="BUSD", at=LATER), now=LATER)

    asks = ["every 2s" in fragment(app, one, LATER) for one in (late_booking(SlotSeen.UNKNOWN), unclear)]

    assert asks == [True, False]


@pytest.mark.parametrize("name", FACES)
def test_only_a_payable_booking_shows_a_way_to_pay(app: Flask, name: str):
    booking, now, stage, _ = FACES[name]

    page = fragment(app, booking, now)

    for way in ('class="qr"', "bnc://app.binance.com/x", "http://pay/u", "http://pay/checkout", 'class="big"'):
        assert (way in page) == (stage is Stage.PAYABLE), way


def test_the_amount_to_pay_is_what_this_order_asks_for(app: Flask):
    whole, rest = fragment(app, a_live_booking(), NOW), fragment(app, topping_up(), NOW)

    assert ('data-copy="75"' in whole, '<span class="big">75 USDT' in whole) == (True, True)
    assert ('data-copy="5"' in rest, '<span class="big">5 USDT' in rest) == (True, True)
    assert 'data-copy="75"' not in rest


def test_after_a_short_payment_went_back_the_button_says_pay_again(app: Flask):
    assert "Pay again" in words(fragment(app, short_booking(), NOW))
    assert "Try again" in words(fragment(app, closed_booking(), NOW + MINUTE))


def test_who_has_paid_without_a_time_has_two_ways_and_a_last_moment(app: Flask):
    page = fragment(app, late_booking(SlotSeen.LOST), LATER)

    assert f'href="/booking/{"t" * 28}/time"' in page
    assert f'href="/booking/{"t" * 28}/money-back"' in page
    assert "26 November 2026, 11:20 (Europe/Berlin, UTC+01:00)" in words(page)
    assert "If you do not, all of your money goes back by itself" in words(page)


MONEY_BACK = {
    "nothing": (a_confirmed_booking(), []),
    "asked for": (called_off(), ["75 USDT", "You cancelled this call.", "It is being sent to Binance."]),
    "stuck": (with_stuck_refund(), ["75 USDT", "The owner has been told and sees to it."]),
    "done": (with_refund_done(called_off()), ["75 USDT", "Returned to the Binance account that paid.", "24 November"]),
}


@pytest.mark.parametrize("name", MONEY_BACK)
def test_money_that_goes_back_is_listed_with_what_is_true_of_it(app: Flask, name: str):
    booking, said = MONEY_BACK[name]

    text = words(fragment(app, booking, NOW))

    assert ("Money back" in text) == bool(said)
    listed = text.partition("Money back")[2]
    assert [one for one in said if one not in listed] == []
    assert ("Usually this takes minutes" in text) == (name == "asked for")
    assert ("Returned to" in text) == (name == "done")


@pytest.mark.parametrize(
    ("days", "told", "why"),
    [
        (0, "75 USDT go back to the Binance account that paid.", "It is 24 hours or more before the call."),
        (1, "75 USDT go back to the Binance account that paid.", "It is 24 hours or more before the call."),
        (1.5, "37.5 of 75 USDT go back to the Binance account that paid.", "in less than 24 hours."),
        (1.9, "Nothing of your 75 USDT goes back.", "in less than 4 hours."),
    ],
)
def test_cancelling_tells_its_exact_consequence(days: float, told: str, why: str):
    found = consequence(a_confirmed_booking(), NOW + timedelta(days=days))

    assert found.told == told
    assert found.why.endswith(why)


@pytest.mark.parametrize(("state", "offered"), [(State.CONFIRMED, True), (State.CANCELLED, False), (State.PAID, False)])
def test_only_a_confirmed_call_to_come_can_be_cancelled(app: Flask, state: State, offered: bool):
    page = fragment(app, a_confirmed_booking(state=state), NOW)

    assert ("/cancel" in page) == offered
    assert "/cancel" not in fragment(app, a_confirmed_booking(), CALL.start)


@pytest.mark.parametrize("status", RefundStatus)
def test_every_state_of_a_refund_has_words_for_the_owner(status: RefundStatus):
    booking = called_off()

    told = owner_pages.refund_state(replace(booking.refunds[0], status=status), USUAL)

    assert told
    assert owner_pages.refund_state(replace(booking.refunds[0], status=status, amount=None), USUAL)
    assert set(reports.CAUSES) == set(Cause)
    assert set(owner_pages.STEPS) == set(Step)
    assert set(owner_pages.ACCOUNTS) == set(ledger.ACCOUNTS)


def test_a_ledger_line_is_debit_or_credit():
    assert display_money.sides(Money.parse("1.5")) == ("1.5", "")
    assert display_money.sides(Money.parse("-1.5")) == ("", "1.5")


def test_the_countdown_carries_the_servers_clock_and_a_time_to_read_without_javascript(app: Flask):
    page = fragment(app, a_live_booking(), NOW + 5 * SECOND)

    assert f'data-now="{int(NOW.timestamp() * 1000) + 5000}"' in page
    assert f'data-expires="{int((NOW + EXPIRY).timestamp() * 1000)}"' in page
    assert "Pay until 11:15 (Europe/Berlin, UTC+01:00)" in words(page)


def test_the_slot_is_told_in_both_zones(app: Flask):
    text = words(fragment(app, a_live_booking(), NOW))

    assert "Thursday 26 November 2026, 11:00 to 11:45 (Europe/Berlin, UTC+01:00)" in text
    assert "Thursday 26 November 2026, 10:00 to 10:45 (Europe/London, UTC)" in text


# --- mails ----------------------------------------------------------------------------------------------------------

SITE = {"site_url": "https://site.example"}
# Kinds about no one booking, and what they are told.
A_REPORT = reports.tax(
    [
        Day(
            date(2026, 11, 24),
            Figures(
                accounts={
                    (ledger.SALES, "USDT"): Decimal(-75),
                    (ledger.FEES, "USDT"): Decimal("0.75"),
                }
            ),
        )
    ],
    parsed("2026-11"),
)
OWN_CONTEXT: dict[str, dict[str, Any]] = {
    "opt_in": {"link": "https://site.example/newsletter/TOKEN"},
    "orphan": {"biz_status": "PAY_SUCCESS", "trade_no": "N1", "amount": "75 USDT", "at": "today"},
    "reconciled": {
        "cases": [("A refund stands elsewhere.", "done here, failed there", "https://site.example/admin/bookings/ID")],
        "count": 3,
        "asked": "Binance",
        "admin_url": "https://site.example/admin/money",
    },
    "drift": {"drift": ("Deep dive: 45 minutes here, 50 at Calendly.",)},
    "calendar_trouble": {"trouble": "calendly: it refuses our token", "code": "401"},
    "own_calendar": {
        "why": "it is not a calendar",
        "since": "24 November 2026, 10:00 (Europe/London, UTC)",
        "read_at": "24 November 2026, 09:50 (Europe/London, UTC)",
        "admin_url": "https://site.example/admin/calendar",
    },
    "own_calendar_empty": {
        "times": 42,
        "until": "25 November 2026, 10:00 (Europe/London, UTC)",
        "admin_url": "https://site.example/admin/calendar",
    },
    **{
        kind: {"number": "123456", "priority": "HIGH", "url": "https://site.example/help/TOKEN", **more}
        for kind, more in {
            "ticket_new": {},
            "ticket_late": {},
            "ticket_closed": {},
            "ticket_answer": {"is_answer": True, "text": "Your money is on its way."},
        }.items()
    },
    "audit": {"broken": ("Entry 3 was altered.",), "admin_url": "https://site.example/admin/audit"},
    "try": {"kinds": ["what needs you"]},
    "receiving": {
        "event": "changed",
        "part": "source",
        "name": "TRON",
        "who": "ann@site.example",
        "at": "26 November 2026, 09:00 (Europe/London, UTC)",
        "in_force_at": "27 November 2026, 09:00 (Europe/London, UTC)",
        "admin_url": "https://site.example/admin/receiving",
    },
    "report": {
        "report": A_REPORT,
        "rows": A_REPORT.rows,
        "more": 3,
        "days": "2026-11-01 to 2026-11-30",
        "admin_url": "https://site.example/admin/reports/tax?period=2026-11",
    },
    "reconnected": {"url": "https://site.example/api/calendly/webhook"},
    "site_alert": {
        "what": "began",
        "alert": runbook.SITE["workers_gone"],
        "detail": "none of 2",
        "since": "26 November 2026, 09:00 (Europe/London, UTC)",
        "told_at": "26 November 2026, 09:02 (Europe/London, UTC)",
        "runbook_url": "https://site.example/admin/runbook/workers_gone",
    },
}
PLACE_TOLD = ("confirmed", "owner_confirmed", "moved", "owner_moved", "reminder")
HOSTILE = '<script>alert("x")</script>'


def letter(kind: str, **changes: Any) -> tuple[str, str, str]:
    """As `flows/booking/delivery` writes it: a value nobody gives is an error."""
    if kind in OWN_CONTEXT:
        return Letters().write(kind, {**SITE, **OWN_CONTEXT[kind], **changes})
    context = {
        **SITE,
        "email": "ann@example.com",
        "rail": USUAL,
        "call_and_length": "Deep dive, 90 minutes",
        "refund_time": "Usually this takes minutes, at most a day.",
        "name": "Ann",
        "title": "Deep dive",
        "minutes": 90,
        "price": "150 USDT",
        "received": "149 USDT",
        "paid": "149 USDT",
        "transaction_id": "P_77",
        "when": "Tuesday 24 November 2026, 14:00 to 15:30 (Europe/Berlin, UTC+01:00)",
        "when_owner": "Tuesday 24 November 2026, 13:00 to 14:30 (Europe/London, UTC)",
        "pay_until": "24 November 2026, 10:15 (Europe/Berlin, UTC+01:00)",
        "place": "https://meet.example/room" if kind in PLACE_TOLD else "",
        "is_attached": True,
        "too_much": "1 USDT",
        "returned_before": "0.5 USDT",
        "move_until": "24 November 2026, 10:00 (Europe/Berlin, UTC+01:00)",
        "missing": "1 USDT",
        "answers": [("What do you hold?", "Two coins")],
        "choose_by": "26 November 2026, 10:15 (Europe/Berlin, UTC+01:00)",
        "policy": ("Cancel 24 hours or more before the call: all of your money goes back.",),
        "goes_back": "74.5 USDT",
        "cancelled_by": "customer",
        "call_stands": "",
        "kept": "74.5 USDT",
        "sentence": "The one sentence of the page.",
        "also": "Please bring your numbers.\n\nhttps://site.example/prepare",
        "reference": "abcd1234",
        "booking_url": "https://site.example/booking/TOKEN",
        "book_again_url": "https://site.example/book/deep-dive",
        "admin_url": "https://site.example/admin/bookings/ID",
        "runbook_url": "https://site.example/admin/runbook/late",
        **changes,
    }
    if kind == "letter":
        context["words"] = "We meet in another room."
    if kind == "alert":
        context |= {"what": "Something happened.", "needs_you": True, **changes}
    if kind in ("refund_started", "refund_done", "refund_address_wanted", "refund_too_small"):
        context |= {"refund": "37.5 USDT", "refund_why": "You cancelled this call.", "arrived": "75 USDT"}
        context |= {"transaction": "0x77", "minimum": "1 USDT", **changes}
    if kind.startswith("refund_"):
        context |= {
            "network_name": "TRON",
            "address_url": "https://site.example/booking/TOKEN/refund-address/TRC20",
            "confirm_url": "https://site.example/booking/TOKEN/refund-address/TRC20/SECRET",
            "in_fours": ["TAbc", "defg"],
            "is_changed": True,
            **changes,
        }
    return Letters().write(kind, context)


@pytest.mark.parametrize("kind", sorted(set(Email)))
def test_every_mail_about_a_booking_speaks_in_the_words_of_its_rail(kind: str):
    assert [part for part in letter(kind, rail=RailId.TRC20) if "Binance" in part] == []


SAID = {
    "held": ["held, not confirmed, until you have paid", "10:15 (Europe/Berlin", "https://site.example/booking/TOKEN"],
    "moved": ["confirmed at its new time", "14:00 to 15:30 (Europe/Berlin", "13:00 to 14:30", "https://meet.example"],
    "owner_moved": ["confirmed call was moved", "Ann, ann@example.com", "https://meet.example", "free for others"],
    "letter": ["We meet in another room.", "14:00 to 15:30 (Europe/Berlin", "abcd1234", "/booking/TOKEN"],
    "reminder": ["remind you", "14:00 to 15:30 (Europe/Berlin", "https://meet.example", "/booking/TOKEN", "abcd1234"],
    "confirmed": [
        "24 November 2026, 10:00 (Europe/Berlin", "14:00 to 15:30 (Europe/Berlin", "13:00 to 14:30 (Europe/London",
        "https://meet.example", "P_77", "bring your numbers", "https://site.example/prepare",
    ],
    "owner_confirmed": [
        "Ann, ann@example.com", "https://meet.example/room", "https://site.example/admin/bookings/ID",
        "What do you hold?", "Two coins",
    ],
    "expired": ["Nothing is owed", "https://site.example/book/deep-dive", "abcd1234"],
    "choose": [
        "The one sentence of the page.", "26 November 2026, 10:15 (Europe/Berlin", "the money goes back by itself",
        "costs nothing again", "do not pay again", "149 USDT", "P_77", "https://site.example/booking/TOKEN",
    ],
    "short": ["149 USDT", "150 USDT", "1 USDT is missing", "10:15 (Europe/Berlin", "not by the old QR code"],
    "cancelled": ["you have cancelled your call", "74.5 USDT", "149 USDT", "Cancel 24 hours or more before", "Kept"],
    "refund_started": [
        "37.5 USDT goes back to the Binance account that paid", "You cancelled this call.", "75 USDT",
        "Usually this takes minutes, at most a day", "https://site.example/booking/TOKEN",
    ],
    "refund_address_wanted": [
        "37.5 USDT is to go back", "You cancelled this call.", "TRON", "never sent to the address that your payment",
        "/booking/TOKEN/refund-address/TRC20",
    ],
    "refund_address": [
        "TAbc defg", "TRON", "takes the place of the one", "/refund-address/TRC20/SECRET", "do nothing",
    ],
    "refund_too_small": ["37.5 USDT of your payment on TRON is left", "Less than 1 USDT", "/refund-address/TRC20"],
    "refund_done": [
        "37.5 USDT has gone back", "You cancelled this call.", "75 USDT", "Binance has confirmed it", "0x77",
    ],
    "problem": ["The one sentence of the page.", "149 USDT", "do not pay again"],
    "alert": ["Something happened.", "https://site.example/admin/bookings/ID"],
    "orphan": ["PAY_SUCCESS", "N1", "75 USDT", "today", "https://site.example/admin/money"],
    "opt_in": ["https://site.example/newsletter/TOKEN", "say yes"],
    "report": [
        "Tax summary in USD", "2026-11-01 to 2026-11-30", "2026-11-24", "74.25", "And 3 more", "period=2026-11",
        "no tax return",
    ],
    "reconciled": ["A refund stands elsewhere.", "done here, failed there", "And 2 more", "/admin/money"],
    "reconnected": ["subscribed again", "https://site.example/api/calendly/webhook", "every ten minutes"],
    "drift": ["45 minutes here, 50 at Calendly", "https://site.example/admin/calls"],
    "calendar_trouble": ["refuses the token", "CALENDLY_TOKEN", "Bookings and payments you have stand", "/admin/calls"],
    "unpaid": [
        "directly in Calendly", "not confirmed until that is paid", "10:15 (Europe/Berlin", "/booking/TOKEN", "/terms",
    ],
    "own_calendar": [
        "since 24 November 2026, 10:00 (Europe/London", "it is not a calendar", "09:50", "still kept free",
        "BUSY_FEED_URLS", "/admin/calendar",
    ],
    "own_calendar_empty": [
        "had 42 busy times, and now it has none", "until 25 November 2026, 10:00 (Europe/London", "BUSY_FEED_URLS",
        "/admin/calendar",
    ],
    "ticket_new": ["A customer wrote", "stands only in the admin area", "/help/TOKEN"],
    "ticket_late": ["123456", "high", "/help/TOKEN"],
    "ticket_closed": ["take what you wrote for settled", "123456", "/help/TOKEN"],
    "ticket_answer": ["Your money is on its way.", "a mail to us does not reach it", "123456", "/help/TOKEN"],
    "audit": ["Entry 3 was altered.", "who can reach your database", "/admin/audit"],
    "try": ["reach this address", "what needs you"],
    "receiving": [
        "ann@site.example", "They count from", "27 November 2026, 09:00", "another owner", "/admin/receiving",
    ],
    "site_alert": ["No worker runs.", "none of 2", "09:00", "Start “worker” again.", "/admin/runbook/workers_gone"],
}  # fmt: skip
KINDS = sorted(SAID)
ABOUT_A_BOOKING = [kind for kind in KINDS if kind not in OWN_CONTEXT]


def test_every_mail_there_is_stands_in_this_list():
    """A template nobody renders here could ask for a value nobody gives."""
    assert {file.stem for form in ("html", "mail") for file in FOLDER.glob(f"[a-z]*.{form}")} == set(KINDS)


@pytest.mark.parametrize(
    ("changes", "subject", "says"),
    [
        ({"in_force_at": ""}, "where money on TRON goes was changed", "They count already"),
        ({"part": "nodes"}, "the node for TRON was changed", "has set other nodes"),
        ({"event": "withdrawn"}, "Withdrawn: a change of where money goes on TRON", "Nothing was changed by it."),
        ({"event": "on", "part": "switch"}, "USDT on TRON was switched on", "has compared the addresses"),
        ({"event": "off", "part": "switch"}, "USDT on TRON was switched off", "still looked after"),
    ],
)
def test_each_change_of_where_money_goes_is_told_in_its_own_words(changes: dict[str, str], subject: str, says: str):
    told, text, html = letter("receiving", **changes)

    assert subject in told
    assert says in " ".join(text.split())
    assert says in words(html)


def test_a_cancelled_call_of_which_nothing_goes_back_says_so():
    _, text, html = letter("cancelled", goes_back="", returned_before="")

    for said in (text, words(html)):
        assert "Nothing goes back." in said
        assert "at most a day" not in said
        assert "Refunded" in said


@pytest.mark.parametrize(
    ("by", "who", "quotes_policy"),
    [
        ("owner", "the owner has cancelled your call", False),
        ("customer", "you have cancelled your call", True),
        ("", "your call is cancelled", True),
    ],
)
def test_the_mail_says_who_cancelled_and_quotes_the_policy_to_customers_who_cancel(
    by: str, who: str, quotes_policy: bool
):
    _, text, html = letter("cancelled", cancelled_by=by)

    for said in (" ".join(text.split()), words(html)):
        assert who in said
        assert ("What you were told before you paid" in said) is quotes_policy
        assert ("Is that not as agreed with you?" in said) is not quotes_policy


@pytest.mark.parametrize("kind", ["refund_started", "refund_done"])
def test_a_mail_about_money_says_when_the_call_takes_place_that_stays(kind: str):
    stays, gone = letter(kind, call_stands="Tuesday 24 November 2026"), letter(kind, call_stands="")

    for place in (1, 2):
        assert "Your call stays as it is:" in words(stays[place])
        assert "Your call stays as it is:" not in gone[place]


def test_a_cancelled_call_of_which_everything_goes_back_names_nothing_kept():
    _, text, html = letter("cancelled", kept="")

    assert "Kept" not in text + html


def test_an_alert_that_is_over_says_from_when_until_when_and_nothing_to_do():
    subject, text, _ = letter("site_alert", what="over")

    assert subject == "Over: No worker runs."
    assert "09:00" in text
    assert "09:02" in text
    assert "Start" not in text
    assert letter("site_alert", what="still")[0] == "Still so: No worker runs."


@pytest.mark.parametrize("kind", KINDS)
def test_each_mail_says_the_same_in_text_and_html(kind: str):
    subject, text, html = letter(kind)

    assert subject
    for said in SAID[kind]:
        assert said.lower() in " ".join(text.split()).lower()
        assert said.lower() in (words(html) + html).lower()


@pytest.mark.parametrize("kind", ABOUT_A_BOOKING)
def test_hostile_values_are_escaped_in_html(kind: str):
    html = letter(kind, name=HOSTILE, title=HOSTILE, sentence=HOSTILE, answers=[(HOSTILE, HOSTILE)])[2]

    assert "<script" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize("kind", ABOUT_A_BOOKING)
def test_a_mail_without_the_optional_values_has_no_holes(kind: str):
    empty = {"name": "", "received": "", "paid": "", "transaction_id": "", "transaction": "", "place": ""}
    _, text, html = letter(kind, **empty, answers=[])

    assert "None" not in text + html
    assert "Hello ," not in text
    assert "Transaction" not in text


def test_a_meeting_place_is_told_of_confirmed_calls_alone():
    for kind in set(ABOUT_A_BOOKING) - set(PLACE_TOLD):
        assert "meet.example" not in "".join(letter(kind, place="https://meet.example/room"))


def test_a_picture_of_nothing_is_not_a_code():
    """That the reader above can fail."""
    blank = Image.open(BytesIO(_png(Image.new("L", (200, 200), 255))))
    assert zxingcpp.read_barcode(blank) is None


def _png(picture: Image.Image) -> bytes:
    out = BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def test_stages_of_pending_are_told_apart_by_the_attempt(app: Flask):
    booking = a_live_booking()
    assert booking.order is not None
    lost = booking.with_order(replace(booking.order, checkout=None, retry_at=NOW))

    assert display.stage_of(lost, NOW) is Stage.PREPARING


@pytest.mark.parametrize(
    ("owed", "line"),
    [
        ("send:held", "Mail “held”"),
        ("send:refund_started:b001R01", "Mail “refund started”"),
        ("post:3", "Post to the ledger"),
        ("alert:slot_lost", "Alert to you “slot lost”"),
        ("release_event:https://api.calendly.com/scheduled_events/E", "Cancel the event in Calendly"),
        ("tidy_events", "Look for other times picked in Calendly"),
        ("something_new", "something_new"),
    ],
)
def test_what_is_owed_is_told_in_words(owed: str, line: str) -> None:
    assert owner.task(task_in(owed)) == line
