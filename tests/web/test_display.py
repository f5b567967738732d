"""Filters, the QR code, every face of the payment fragment, and all our mails."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
import zxingcpp
from flask import Flask, render_template
from PIL import Image, ImageDraw

from inspired.adapters.letters import Letters
from inspired.adapters.throttle import Breaker
from inspired.domain import lifecycle, ordering
from inspired.domain.booking import Booking, Event, Flag, Remote, State
from inspired.domain.slots import Span
from inspired.web import display
from inspired.web.display import Stage, days_of, qr_svg
from tests.factories import (
    EXPIRY,
    MINUTE,
    NOW,
    SECOND,
    a_booking,
    a_confirmed_booking,
    a_draft,
    a_live_booking,
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

    lines = [display.event_line(one) for one in booking.history]

    assert lines == [
        "Booking started.",
        "Time chosen and held.",
        "Binance Pay has the order: order 1.",
        "Money seen: 40 USDT, by our query, order 1.",
        "Something is odd: paid too little, needs you.",
    ]
    assert display.event_line(Event(NOW, "done", "send:held sent")) == "Mail “held”: sent."


def test_all_flags_states_and_stages_have_words():
    assert set(display.FLAG_NAMES) == set(Flag)
    assert set(display.BADGES) == set(Stage)
    assert {display.tone(state) for state in State} == {"wait", "good", "quiet"}


# --- the payment fragment -------------------------------------------------------------------------------------------


def closed_booking() -> Booking:
    return settled(a_live_booking(), seen(Remote.CANCELED))


def failed_booking() -> Booking:
    booking = ordering.creating(a_booking(), NOW)
    assert booking.attempt is not None
    return ordering.create_failed(
        booking, booking.attempt.trade_no, uncertain=False, retryable=True, most_tries=1, now=NOW, why="away"
    )


def paid_booking() -> Booking:
    return settled(a_live_booking(), seen(Remote.PAID, "75", by_query=False), slot=lifecycle.SlotSeen.UNKNOWN)


FACES: dict[str, tuple[Booking, datetime, Stage, str]] = {
    "order not there yet": (a_booking(), NOW, Stage.PREPARING, "We are preparing your payment"),
    "payable": (a_live_booking(), NOW, Stage.PAYABLE, "It is confirmed once the payment has arrived"),
    "tries used up": (failed_booking(), NOW, Stage.RETRY, "Try again"),
    "order closed": (closed_booking(), NOW + MINUTE, Stage.RETRY, "Try again"),
    "time to pay over": (a_live_booking(), NOW + EXPIRY, Stage.CHECKING, "checking with Binance. Do not pay again"),
    "given up": (a_live_booking(leaving=True), NOW, Stage.LEAVING, "being cancelled"),
    "short": (settled(a_live_booking(), seen(Remote.PAID, "40")), NOW, Stage.ODD, "Less arrived than the price"),
    "over": (settled(a_live_booking(), seen(Remote.PAID, "80")), NOW, Stage.ODD, "More arrived than the price"),
    "paid": (paid_booking(), NOW, Stage.PAID, "Your payment has arrived"),
    "confirmed": (a_confirmed_booking(), NOW, Stage.CONFIRMED, "Paid and confirmed"),
    "expired": (an_expired_booking(), NOW, Stage.EXPIRED, "The time to pay is over. Nothing was paid"),
    "late": (
        an_expired_booking(flags=frozenset({Flag.PAID_LATE, Flag.NEEDS_OWNER})), NOW, Stage.EXPIRED, "It is not lost",
    ),
    "cancelled": (a_live_booking(state=State.CANCELLED), NOW, Stage.CANCELLED, "You gave this booking up"),
    "cancelled draft": (a_draft(state=State.CANCELLED), NOW, Stage.CANCELLED, "You gave this booking up"),
    "refunded": (a_confirmed_booking(state=State.REFUNDED), NOW, Stage.REFUNDED, "Your money was returned"),
}  # fmt: skip


ANSWERING = Breaker(open=False, until=None, failures=0)
SILENT = Breaker(open=True, until=NOW + SECOND, failures=5)


def fragment(app: Flask, booking: Booking, now: datetime, binance: Breaker = ANSWERING) -> str:
    with app.test_request_context("/"):
        return render_template("booking/_payment.html", booking=booking, now=now, note="", place="", binance=binance)


@pytest.mark.parametrize("name", FACES)
def test_that_binance_does_not_answer_is_told_where_its_answer_is_waited_for(app: Flask, name: str):
    booking, now, stage, _ = FACES[name]

    told = ["does not answer us" in fragment(app, booking, now, binance) for binance in (ANSWERING, SILENT)]

    waits = stage in (Stage.PREPARING, Stage.RETRY, Stage.PAYABLE, Stage.CHECKING)
    assert told == [False, waits]


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

    assert ('hx-trigger="every 2s"' in page) == booking.is_open
    assert (f"/payment?v={booking.edition}" in page) == booking.is_open


@pytest.mark.parametrize("name", FACES)
def test_only_a_payable_booking_shows_a_way_to_pay(app: Flask, name: str):
    booking, now, stage, _ = FACES[name]

    page = fragment(app, booking, now)

    for way in ('class="qr"', "bnc://app.binance.com/x", "http://pay/u", "http://pay/checkout", 'data-copy="75"'):
        assert (way in page) == (stage is Stage.PAYABLE), way


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

KINDS = ["held", "confirmed", "owner_confirmed", "expired", "late", "problem", "alert", "orphan", "opt_in"]
HOSTILE = '<script>alert("x")</script>'


def letter(kind: str, **changes: Any) -> tuple[str, str, str]:
    site = {"site_url": "https://site.example"}
    if kind == "opt_in":
        return Letters().write(kind, {**site, "link": "https://site.example/newsletter/TOKEN", **changes})
    if kind == "orphan":
        return Letters().write(kind, {**site, "biz_status": "PAY_SUCCESS", "trade_no": "N1", "at": "today", **changes})
    context = {
        **site,
        "email": "ann@example.com",
        "name": "Ann",
        "title": "Deep dive",
        "minutes": 90,
        "price": "150 USDT",
        "received": "149 USDT",
        "transaction_id": "P_77",
        "when": "Tuesday 24 November 2026, 14:00 to 15:30 (Europe/Berlin, UTC+01:00)",
        "when_owner": "Tuesday 24 November 2026, 13:00 to 14:30 (Europe/London, UTC)",
        "pay_until": "24 November 2026, 10:15 (Europe/Berlin, UTC+01:00)",
        "place": "https://meet.example/room" if kind in ("confirmed", "owner_confirmed") else "",
        "sentence": "Less arrived than the price.",
        "reference": "abcd1234",
        "booking_url": "https://site.example/booking/TOKEN",
        "book_again_url": "https://site.example/book/deep-dive",
        "admin_url": "https://site.example/admin/bookings/ID",
        **changes,
    }
    return Letters().write(kind, {**context, "what": "Something happened."} if kind == "alert" else context)


SAID = {
    "held": ["held, not confirmed, until you have paid", "10:15 (Europe/Berlin", "https://site.example/booking/TOKEN"],
    "confirmed": ["14:00 to 15:30 (Europe/Berlin", "13:00 to 14:30 (Europe/London", "https://meet.example", "P_77"],
    "owner_confirmed": ["Ann, ann@example.com", "https://meet.example/room", "https://site.example/admin/bookings/ID"],
    "expired": ["Nothing is owed", "https://site.example/book/deep-dive", "abcd1234"],
    "late": ["not lost", "do not pay again", "149 USDT", "P_77"],
    "problem": ["Less arrived than the price.", "149 USDT", "do not pay again"],
    "alert": ["Something happened.", "https://site.example/admin/bookings/ID"],
    "orphan": ["PAY_SUCCESS", "N1", "today"],
    "opt_in": ["https://site.example/newsletter/TOKEN", "say yes"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_mail_says_the_same_in_text_and_html(kind: str):
    subject, text, html = letter(kind)

    assert subject
    for said in SAID[kind]:
        assert said.lower() in " ".join(text.split()).lower()
        assert said.lower() in (words(html) + html).lower()


@pytest.mark.parametrize("kind", [one for one in KINDS if one not in ("orphan", "opt_in")])
def test_hostile_values_are_escaped_in_html(kind: str):
    html = letter(kind, name=HOSTILE, title=HOSTILE, sentence=HOSTILE)[2]

    assert "<script" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize("kind", [one for one in KINDS if one not in ("orphan", "opt_in")])
def test_a_mail_without_the_optional_values_has_no_holes(kind: str):
    _, text, html = letter(kind, name="", received="", transaction_id="", place="")

    assert "None" not in text + html
    assert "Hello ," not in text
    assert "Transaction" not in text


def test_a_meeting_place_is_told_in_the_confirmation_alone():
    for kind in ("held", "expired", "late", "problem"):
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
    assert booking.attempt is not None
    lost = booking.with_attempt(replace(booking.attempt, checkout=None, retry_at=NOW))

    assert display.stage_of(lost, NOW) is Stage.PREPARING


@pytest.mark.parametrize(
    ("owed", "line"),
    [
        ("send:held", "Mail “held”"),
        ("send:problem:paid_twice", "Mail “problem, paid twice”"),
        ("alert:slot_lost", "Alert to you “slot lost”"),
        ("release_event:https://api.calendly.com/scheduled_events/E", "Cancel the event in Calendly"),
        ("tidy_events", "Look for other times picked in Calendly"),
        ("something_new", "something_new"),
    ],
)
def test_what_is_owed_is_told_in_words(owed: str, line: str) -> None:
    assert display.owed_line(owed) == line
