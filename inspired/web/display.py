"""What templates may call: times in words, the QR code as one SVG path, and what a booking's page tells."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from itertools import groupby
from typing import Any

import qrcode
from flask import Flask
from markupsafe import Markup
from qrcode.constants import ERROR_CORRECT_M

from inspired.domain import ordering, status
from inspired.domain.booking import Attempt, Booking, Event, Flag, State
from inspired.domain.slots import Span
from inspired.domain.when import in_words, moment_in_words, offset, zone
from inspired.web.current import services

QUIET_ZONE = 4  # modules, as ISO/IEC 18004 asks


class Stage(StrEnum):
    """Which face the booking's page shows: its state, and for a pending one where the payment is."""

    DRAFT = "draft"
    PREPARING = "preparing"
    PAYABLE = "payable"
    RETRY = "retry"
    CHECKING = "checking"
    LEAVING = "leaving"
    ODD = "odd"
    PAID = "paid"
    CONFIRMED = "confirmed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


BADGES = {
    Stage.DRAFT: ("No time chosen", "quiet"),
    Stage.PREPARING: ("Held, not confirmed", "wait"),
    Stage.PAYABLE: ("Held, not confirmed", "wait"),
    Stage.RETRY: ("Held, not confirmed", "wait"),
    Stage.CHECKING: ("Checking with Binance", "wait"),
    Stage.LEAVING: ("Being cancelled", "quiet"),
    Stage.ODD: ("The owner is looking at it", "bad"),
    Stage.PAID: ("Payment received", "good"),
    Stage.CONFIRMED: ("Confirmed", "good"),
    Stage.EXPIRED: ("Expired", "quiet"),
    Stage.CANCELLED: ("Given up", "quiet"),
    Stage.REFUNDED: ("Refunded", "quiet"),
}

STAGE_SENTENCES = {
    Stage.PREPARING: "We are preparing your payment. Your time is held meanwhile.",
    Stage.RETRY: "The payment could not be prepared. Your time is still held.",
    Stage.CHECKING: "The time to pay is over. We are still checking with Binance. Do not pay again.",
    Stage.LEAVING: "Your booking is being cancelled. Do not pay for it any more.",
}

FLAG_NAMES = {
    Flag.OVERPAID: "paid too much",
    Flag.UNDERPAID: "paid too little",
    Flag.PAID_TWICE: "paid twice",
    Flag.PAID_LATE: "paid late",
    Flag.SLOT_LOST: "time lost",
    Flag.REFUND_FAILED: "refund failed",
    Flag.NEEDS_OWNER: "needs you",
}

EVENT_SENTENCES = {
    "started": "Booking started.",
    "held": "Time chosen and held.",
    "time_changed": "Moved to another time.",
    "given_up": "The customer gave the booking up.",
    "order_created": "Binance Pay has the order.",
    "create_failed": "The order could not be created.",
    "new_order": "A new order takes the place of the old one.",
    "order_closed": "Binance Pay says the order is closed.",
    "money": "Money seen.",
    "flagged": "Something is odd.",
    "paid": "Paid.",
    "confirmed": "Confirmed.",
    "expired": "Expired, the time is free again.",
    "cancelled": "Cancelled, the time is free again.",
    "refunded": "Refunded.",
    "done": "Done:",
}

# One for each rule of clock changes people live under; the visitor's own zone is always added to the list.
ZONES = """
    Pacific/Auckland Pacific/Honolulu America/Anchorage America/Los_Angeles America/Vancouver America/Phoenix
    America/Denver America/Chicago America/Mexico_City America/New_York America/Toronto America/Bogota America/Lima
    America/Caracas America/Halifax America/Santiago America/St_Johns America/Sao_Paulo
    America/Argentina/Buenos_Aires Atlantic/Azores UTC Europe/London Europe/Dublin Europe/Lisbon Africa/Casablanca
    Africa/Accra Europe/Amsterdam Europe/Athens Europe/Berlin Europe/Brussels Europe/Bucharest Europe/Budapest
    Europe/Copenhagen Europe/Helsinki Europe/Istanbul Europe/Kyiv Europe/Madrid Europe/Moscow Europe/Oslo
    Europe/Paris Europe/Prague Europe/Rome Europe/Stockholm Europe/Vienna Europe/Warsaw Europe/Zurich Africa/Lagos
    Africa/Cairo Africa/Johannesburg Africa/Nairobi Asia/Jerusalem Asia/Beirut Asia/Riyadh Asia/Tehran Asia/Dubai
    Asia/Baku Asia/Tbilisi Asia/Kabul Asia/Karachi Asia/Tashkent Asia/Kolkata Asia/Colombo Asia/Kathmandu Asia/Dhaka
    Asia/Almaty Asia/Yangon Asia/Bangkok Asia/Ho_Chi_Minh Asia/Jakarta Asia/Hong_Kong Asia/Kuala_Lumpur Asia/Manila
    Asia/Shanghai Asia/Singapore Asia/Taipei Australia/Perth Asia/Seoul Asia/Tokyo Australia/Darwin
    Australia/Adelaide Australia/Brisbane Australia/Sydney Pacific/Noumea Pacific/Fiji Pacific/Tongatapu
"""


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(stage_of=stage_of, badge=badge)
    app.jinja_env.filters.update(
        in_words=in_words,
        moment_in_words=moment_in_words,
        clock=clock,
        day=day,
        weekday=weekday,
        millis=millis,
        short=short,
        to_the_second=to_the_second,
        qr_svg=qr_svg,
        tone=tone,
        flag_name=flag_name,
        event_line=event_line,
        attempt_line=attempt_line,
        owed_line=owed_line,
        told=told,
    )
    app.context_processor(_of_this_site)


def _of_this_site() -> dict[str, Any]:
    settings = services().settings
    return {
        "is_sandbox": settings.is_sandbox,
        "owner_zone": settings.owner_timezone,
        "minutes_to_pay": f"{settings.payment_expiry_minutes:g}",
    }


# --- a booking's page -----------------------------------------------------------------------------------------------


def stage_of(booking: Booking, now: datetime) -> Stage:
    """For anything but PENDING the state says it all."""
    if booking.state is not State.PENDING:
        return Stage(booking.state.lower())
    if booking.flags:
        return Stage.ODD
    if booking.leaving:
        return Stage.LEAVING
    if booking.expires_at is not None and booking.expires_at <= now:
        return Stage.CHECKING
    if booking.attempt is not None and booking.attempt.is_payable:
        return Stage.PAYABLE
    return Stage.RETRY if ordering.may_try_again(booking, now) else Stage.PREPARING


def told(booking: Booking, stage: Stage) -> str:
    """The one sentence on top of the page."""
    return STAGE_SENTENCES.get(stage) or status.sentence(booking)


def badge(stage: Stage) -> dict[str, str]:
    text, tone = BADGES[stage]
    return {"text": text, "tone": tone}


@lru_cache(maxsize=512)
def qr_svg(content: str) -> Markup:
    """One path of horizontal runs. Always dark on light, in dark mode too: many scanners cannot read it inverted."""
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=QUIET_ZONE)
    code.add_data(content)
    code.make(fit=True)
    matrix = code.get_matrix()
    size = len(matrix)
    path = "".join(f"M{x} {y}.5h{length}" for y, row in enumerate(matrix) for x, length in _runs(row))
    return Markup(
        '<svg class="qr" viewBox="0 0 {size} {size}" role="img" '
        'xmlns="http://www.w3.org/2000/svg" shape-rendering="crispEdges">'
        "<title>QR code to pay with the Binance app</title>"
        '<rect width="{size}" height="{size}" fill="#fff"/><path stroke="#000" d="{path}"/></svg>'
    ).format(size=size, path=path)


def _runs(row: list[bool]) -> Iterable[tuple[int, int]]:
    """Where dark modules begin, and how many there are side by side."""
    x = 0
    for dark, group in groupby(row):
        length = sum(1 for _ in group)
        if dark:
            yield x, length
        x += length


# --- times ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """One free time. `there` is the owner's clock, empty where both clocks agree."""

    value: str
    here: str
    there: str


@dataclass(frozen=True, slots=True)
class Clocks:
    """The visitor's and the owner's offset from UTC on one day."""

    here: str
    there: str


@dataclass(frozen=True, slots=True)
class Day:
    date: date
    clocks: Clocks
    choices: tuple[Choice, ...]


def days_of(times: Iterable[Span], zone_name: str, owner_zone: str) -> list[Day]:
    """Free times by the visitor's own calendar day."""
    here, there = zone(zone_name), zone(owner_zone)
    by_day = groupby(times, key=lambda span: span.start.astimezone(here).date())
    days = []
    for date_, group in by_day:
        spans = list(group)
        first = spans[0].start
        days.append(
            Day(
                date=date_,
                clocks=Clocks(offset(first.astimezone(here)), offset(first.astimezone(there))),
                choices=tuple(_choice(span.start, zone_name, owner_zone) for span in spans),
            )
        )
    return days


def _choice(start: datetime, zone_name: str, owner_zone: str) -> Choice:
    here, there = start.astimezone(zone(zone_name)), start.astimezone(zone(owner_zone))
    same = here.utcoffset() == there.utcoffset()
    other_day = "" if here.date() == there.date() else f"{there:%a} "
    return Choice(
        value=status.iso(start) or "",
        here=f"{here:%H:%M}",
        there="" if same else f"{other_day}{there:%H:%M}",
    )


def zone_list(chosen: str, owner_zone: str) -> list[str]:
    return sorted({*ZONES.split(), chosen, owner_zone})


def clock(moment: datetime, zone_name: str) -> str:
    """ "14:02 (Europe/Berlin, UTC+01:00)" """
    local = moment.astimezone(zone(zone_name))
    return f"{local:%H:%M} ({zone(zone_name).key}, {offset(local)})"


def short(moment: datetime, zone_name: str) -> str:
    """ "24 Nov 2026, 14:02", where the page says which zone."""
    local = moment.astimezone(zone(zone_name))
    return f"{local.day} {local:%b %Y, %H:%M}"


def to_the_second(moment: datetime, zone_name: str) -> str:
    """ "24 Nov 2026, 14:02:33" """
    return f"{short(moment, zone_name)}:{moment:%S}"


def day(moment: date) -> str:
    """ "24 November" """
    return f"{moment.day} {moment:%B}"


def weekday(moment: date) -> str:
    return f"{moment:%A}"


def millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


# --- the owner's words ----------------------------------------------------------------------------------------------


def tone(state: State) -> str:
    """The colour of a state's badge."""
    match state:
        case State.PENDING:
            return "wait"
        case State.PAID | State.CONFIRMED:
            return "good"
    return "quiet"


def flag_name(flag: Flag) -> str:
    return FLAG_NAMES[flag]


def event_line(event: Event) -> str:
    sentence = EVENT_SENTENCES.get(event.what, event.what)
    if event.what == "done":
        name, _, note = event.detail.partition(" ")
        return f"{owed_line(name)}{': ' + note if note else ''}."
    if event.what == "flagged":
        return f"Something is odd: {', '.join(_flag_names(event.detail))}."
    return f"{sentence.rstrip('.')}: {event.detail}." if event.detail else sentence


def _flag_names(detail: str) -> Iterable[str]:
    names = {str(flag): name for flag, name in FLAG_NAMES.items()}
    return (names.get(part, part) for part in detail.split(", "))


def owed_line(name: str) -> str:
    """What an effect is, for a person: "send:held" → "Mail “held”"."""
    kind, _, what = name.partition(":")
    match kind:
        case "send":
            return f"Mail “{what.replace('_', ' ').replace(':', ', ')}”"
        case "alert":
            return f"Alert to you “{what.replace('_', ' ')}”"
        case "release_event":
            return "Cancel the event in Calendly"
        case "tidy_events":
            return "Look for other times picked in Calendly"
    return name


def attempt_line(attempt: Attempt) -> str:
    if attempt.has_money and attempt.received:
        proof = "our own query agrees" if attempt.proven else "by notice only so far"
        return f"{attempt.status}, {attempt.received.shown} ({proof})"
    if attempt.status is not None:
        return str(attempt.status)
    return "not known to Binance Pay yet" if attempt.tries else "not sent yet"
