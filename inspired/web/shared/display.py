"""Template helpers: times in words, the QR code as one SVG path, and the text of a booking's page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import groupby
from typing import Any

import qrcode
from flask import Flask
from markupsafe import Markup
from qrcode.constants import ERROR_CORRECT_M

from inspired.domain.booking import customer_actions, mails, payment_orders, polling, status
from inspired.domain.booking.balance import Payment, denied, payment_of
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.customer_links import without_links
from inspired.domain.booking.rails import CAPABILITIES, ON_CHAIN, USUAL, RailId
from inspired.domain.booking.states import State
from inspired.domain.monitoring import health
from inspired.domain.sentences import customer, owner, owner_pages, rails
from inspired.domain.sentences.customer import said
from inspired.domain.shared.languages import current, translated
from inspired.domain.shared.messages import Message, MessageId, message_of
from inspired.domain.shared.slots import Span
from inspired.domain.shared.timezones import ago, in_words, moment_in_words, named, offset, zone
from inspired.domain.site import assurances
from inspired.settings import Settings
from inspired.web.shared import auth, display_money, explorers, status_snapshot
from inspired.web.shared.current import services

QUIET_ZONE = 4  # modules, required by ISO/IEC 18004


class Stage(StrEnum):
    """The variant of the booking's page: its state, and for a pending booking the state of the payment."""

    DRAFT = "draft"
    PREPARING = "preparing"
    PAYABLE = "payable"
    RETRY = "retry"
    CHECKING = "checking"
    LEAVING = "leaving"
    PAID = "paid"
    CONFIRMED = "confirmed"
    LATE = "late"  # paid after the end; it is being checked whether the time is still free
    CHOOSE = "choose"  # paid, but without a time: choose another one, or the money
    UNCLEAR = "unclear"
    RETURNING = "returning"
    STUCK = "stuck"  # money should go back, and only the owner can proceed
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    CALLED_OFF = "called_off"  # cancelled after a payment; its refunds are done
    REFUNDED = "refunded"


# Each stage's badge: its message and its colour.
BADGES = {
    Stage.DRAFT: (MessageId.BADGE_NO_TIME, "quiet"),
    Stage.PREPARING: (MessageId.BADGE_HELD, "wait"),
    Stage.PAYABLE: (MessageId.BADGE_HELD, "wait"),
    Stage.RETRY: (MessageId.BADGE_HELD, "wait"),
    Stage.CHECKING: (MessageId.BADGE_CHECKING, "wait"),
    Stage.LEAVING: (MessageId.BADGE_LEAVING, "quiet"),
    Stage.PAID: (MessageId.BADGE_PAID, "good"),
    Stage.CONFIRMED: (MessageId.BADGE_CONFIRMED, "good"),
    Stage.LATE: (MessageId.BADGE_LATE, "wait"),
    Stage.CHOOSE: (MessageId.BADGE_CHOOSE, "wait"),
    Stage.UNCLEAR: (MessageId.BADGE_UNCLEAR, "bad"),
    Stage.RETURNING: (MessageId.BADGE_RETURNING, "wait"),
    Stage.STUCK: (MessageId.BADGE_STUCK, "bad"),
    Stage.EXPIRED: (MessageId.BADGE_EXPIRED, "quiet"),
    Stage.CANCELLED: (MessageId.BADGE_CANCELLED, "quiet"),
    Stage.CALLED_OFF: (MessageId.BADGE_CANCELLED, "quiet"),
    Stage.REFUNDED: (MessageId.BADGE_REFUNDED, "quiet"),
}
OF_STAGE = {
    Stage.PREPARING: MessageId.PREPARING_PAYMENT,
    Stage.RETRY: MessageId.PAYMENT_NOT_PREPARED,
    Stage.CHECKING: MessageId.STILL_CHECKING,
    Stage.LEAVING: MessageId.BEING_CANCELLED,
}

# One per set of clock-change rules in use; the visitor's own zone is always added.
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
    app.jinja_env.globals.update(
        stage_of=stage_of,
        badge=badge,
        may=auth.may,
        mail_reach=mails.reach,
        awaits_confirmation=mails.awaits_confirmation,
        assured=assurances,
        without_mail=customer.mail_warning,
        message_of=message_of,
        rail_words=rails.of,
        rail_pages=rails.pages_of,
        on_chain=lambda rail: rail in ON_CHAIN,
        by_kind=by_kind,
        explorer_transaction=lambda rail, tx_hash: explorers.transaction_url(services().settings, rail, tx_hash),
        explorer_address=lambda rail, address: explorers.address_url(services().settings, rail, address),
    )
    app.jinja_env.filters.update(
        said=said,
        without_links=without_links,
        act=lambda what: owner_pages.ACTS.get(what, what),
        ago=ago,
        in_words=in_words,
        moment_in_words=moment_in_words,
        clock=clock,
        held_until=held_until,
        role_in_words=owner_pages.ROLES.__getitem__,
        day=day,
        weekday=weekday,
        millis=millis,
        short=short,
        to_the_second=to_the_second,
        qr_svg=qr_svg,
        tone=tone,
        flag_name=owner_pages.FLAGS.__getitem__,
        event_line=owner.event,
        order_line=owner_pages.order_line,
        owed_line=owner.task,
        told=told,
        in_fours=in_fours,
        rail_named=rail_named,
        capital=capital,
        minutes_to_be_final=rails.minutes,
    )
    display_money.init_app(app)
    app.context_processor(_of_this_site)
    app.context_processor(_of_the_owner)


def _of_this_site() -> dict[str, Any]:
    settings, chosen, on = services().settings, services().preferences.now(), services().rails_on
    return {
        "brand": chosen.brand,
        "has_imprint": bool(chosen.small_print.imprint),
        "is_sandbox": settings.is_sandbox,
        "owner_zone": settings.owner_timezone,
        "in_frame": settings.in_frame,
        "uses_calendly": settings.uses_calendly,
        "rails_on": on,
        "asked_of": rails.asked(on),
        "only_rail": rails.of(on[0]).rail if len(on) == 1 else "",
        "ways_in_words": current().any_of([rails.of(rail).how for rail in on]),
        "minutes_to_pay": _minutes_to_pay(settings, on),
    }


def _minutes_to_pay(settings: Settings, on: Sequence[RailId]) -> str:
    """ "15", or "15 to 60" by the way to pay."""
    minutes = [settings.expiry_of(rail) / timedelta(minutes=1) for rail in on or (USUAL,)]
    first, last = f"{min(minutes):g}", f"{max(minutes):g}"
    return first if first == last else translated("{first} to {last}", first=first, last=last)


def rail_named(name: str) -> str:
    """The rail of that English name, in the reader's language."""
    return next((rails.of(rail).rail for rail in RailId if CAPABILITIES[rail].name == name), name)


def by_kind(on: Sequence[RailId]) -> list[list[RailId]]:
    """The ways to pay that are explained together: all networks are paid on in the same way."""
    kinds = ([rail for rail in on if rail not in ON_CHAIN], [rail for rail in on if rail in ON_CHAIN])
    return [kind for kind in kinds if kind]


def capital(text: str) -> str:
    """As at a sentence's beginning; all but the first letter stay."""
    return text[:1].upper() + text[1:]


def _of_the_owner() -> dict[str, Any]:
    """Alert information for every owner page, from the cache, so that it works even if the clock process is dead."""
    if not auth.is_known():
        return {}
    facts = status_snapshot.board().facts()
    silent = health.clock_is_silent(facts, services().now())
    return {"firing_now": len(facts.firing) if facts else 0, "clock_is_silent": silent}


# --- a booking's page -----------------------------------------------------------------------------------------------


def stage_of(booking: Booking, now: datetime) -> Stage:
    match booking.state:
        case State.DRAFT | State.CONFIRMED:
            return Stage(booking.state.lower())
        case State.PENDING:
            return _pending_stage(booking, now)
    return _money_stage(booking, now) or Stage(booking.state.lower())


def _pending_stage(booking: Booking, now: datetime) -> Stage:
    if payment_of(booking) is Payment.UNCLEAR or denied(booking) is not None:
        return Stage.UNCLEAR
    if booking.cancel_requested:
        return Stage.LEAVING
    if polling.passed(booking.expires_at, now) or not polling.may_still_pay(booking, now):
        return Stage.CHECKING
    if booking.order is not None and booking.order.is_payable:
        return Stage.PAYABLE
    return Stage.RETRY if payment_orders.may_try_again(booking, now) else Stage.PREPARING


def _money_stage(booking: Booking, now: datetime) -> Stage | None:
    """After the payment or the end, the money says more than the state. None: use the state."""
    payment = payment_of(booking)
    is_good = payment in (Payment.NOTIFIED, Payment.EXACT, Payment.OVER)
    if customer_actions.may_choose(booking, now):
        return Stage.CHOOSE
    if booking.choose_by is not None:
        return Stage.RETURNING
    if denied(booking) is not None:
        return Stage.UNCLEAR
    if booking.state is State.PAID and is_good:
        return Stage.PAID
    if any(one.is_stuck and not one.waits_for_wallet and one.amount for one in booking.refunds):
        return Stage.STUCK
    if payment is Payment.UNCLEAR:
        return Stage.UNCLEAR
    if any(one.is_under_way or one.awaits_address or one.waits_for_wallet for one in booking.refunds):
        return Stage.RETURNING
    if booking.state in (State.EXPIRED, State.CANCELLED) and booking.agreed_amount is None and is_good:
        return Stage.LATE
    was_paid = booking.state is State.CANCELLED and any(one.has_money for one in booking.orders)
    return Stage.CALLED_OFF if was_paid else None


def told(booking: Booking, stage: Stage) -> str:
    """The main sentence on top of the page."""
    has_money = any(one.has_money for one in booking.orders)
    match stage:
        case Stage.CHECKING if payment_of(booking) in (Payment.NOTIFIED, Payment.EXACT, Payment.OVER):
            return said(Message.of(status.seen(booking), rail=booking.paid_by))
        case Stage.RETRY if payment_orders.is_above_limit(booking):
            return said(Message(MessageId.ABOVE_LIMIT))
        case Stage.PREPARING | Stage.RETRY if has_money:
            return customer.sentence(booking)
        case Stage.RETURNING if booking.choose_by is not None:
            return said(Message.of(MessageId.NOT_CHOSEN, rail=booking.paid_by))
    return said(Message.of(OF_STAGE[stage], rail=booking.rail)) if stage in OF_STAGE else customer.sentence(booking)


def badge(booking: Booking, stage: Stage) -> dict[str, str]:
    message_id, tone = BADGES[stage]
    return {"text": said(Message.of(message_id, rail=booking.rail)), "tone": tone}


def in_fours(text: str) -> list[str]:
    """Groups of four characters, as people compare an address."""
    return [text[place : place + 4] for place in range(0, len(text), 4)]


@lru_cache(maxsize=512)
def qr_svg(content: str, title: str = "QR code") -> Markup:
    """One path of horizontal runs. Always dark on light, even in dark mode: many scanners cannot read it inverted."""
    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, border=QUIET_ZONE)
    code.add_data(content)
    code.make(fit=True)
    matrix = code.get_matrix()
    size = len(matrix)
    path = "".join(f"M{x} {y}.5h{length}" for y, row in enumerate(matrix) for x, length in _runs(row))
    return Markup(
        '<svg class="qr" viewBox="0 0 {size} {size}" role="img" '
        'xmlns="http://www.w3.org/2000/svg" shape-rendering="crispEdges">'
        "<title>{title}</title>"
        '<rect width="{size}" height="{size}" fill="#fff"/><path stroke="#000" d="{path}"/></svg>'
    ).format(size=size, path=path, title=title)


def _runs(row: list[bool]) -> Iterable[tuple[int, int]]:
    """Start and length of each run of dark modules."""
    x = 0
    for dark, group in groupby(row):
        length = sum(1 for _ in group)
        if dark:
            yield x, length
        x += length


# --- times ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Choice:
    """One free time. `there` is the owner's clock, empty if both clocks agree."""

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
    """Free times grouped by day in the visitor's zone."""
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
    other_day = "" if here.date() == there.date() else f"{current().short_weekday(there)} "
    return Choice(
        value=status.iso(start) or "",
        here=current().clock(here),
        there="" if same else f"{other_day}{current().clock(there)}",
    )


def zone_list(chosen: str, owner_zone: str) -> list[str]:
    return sorted({*ZONES.split(), chosen, owner_zone})


def clock(moment: datetime, zone_name: str) -> str:
    """ "14:02 (Europe/Berlin, UTC+01:00)" """
    local = moment.astimezone(zone(zone_name))
    return f"{current().clock(local)} ({named(local)})"


def held_until(booking: Booking, now: datetime) -> str:
    """Until when an unpaid time is held, with the date unless that is within hours."""
    if booking.expires_at is None:
        return ""
    zone_name = booking.slot.zone if booking.slot else "UTC"
    tell = clock if booking.expires_at - now < timedelta(hours=3) else moment_in_words
    return tell(booking.expires_at, zone_name)


def short(moment: datetime, zone_name: str) -> str:
    """ "24 Nov 2026, 14:02", for pages that name the zone."""
    local = moment.astimezone(zone(zone_name))
    return f"{current().short_date(local)}, {current().clock(local)}"


def to_the_second(moment: datetime, zone_name: str) -> str:
    """ "24 Nov 2026, 14:02:33" """
    return f"{short(moment, zone_name)}:{moment:%S}"


def day(moment: date) -> str:
    """ "24 November" """
    return current().day_and_month(moment)


def weekday(moment: date) -> str:
    return current().weekday(moment)


def millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


# --- labels for the owner -------------------------------------------------------------------------------------------


def tone(state: State) -> str:
    """The colour of a state's badge."""
    match state:
        case State.PENDING:
            return "wait"
        case State.PAID | State.CONFIRMED:
            return "good"
    return "quiet"
