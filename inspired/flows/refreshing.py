"""What is true now? Every trigger ends here: webhook, timer, click, restart."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import structlog

from inspired.domain import lifecycle
from inspired.domain.booking import DRAFT_LIFE, Attempt, Booking, CalendarKind, State
from inspired.domain.errors import Refusal, UpstreamError
from inspired.domain.lifecycle import Seen, SlotSeen
from inspired.flows import booking as booking_flow
from inspired.flows import delivery, payment
from inspired.services import Services

RING_AGAIN = timedelta(seconds=15)  # whoever was rung for and has not been looked at by then is rung for again
AT_ONCE = 8  # bookings of a batch that are worked on side by side: while one waits for the provider, another is written
A_LETTER_TAKES = timedelta(milliseconds=50)
LONGEST_WAIT = timedelta(minutes=2)  # for letters whose rings were lost with all that waited before them
log = structlog.get_logger()


def refresh(svc: Services, booking_id: str, notices: Sequence[Seen] = ()) -> Booking:
    """Bring our copy in line with the provider and the calendar, then do what is owed. Safe at any time, twice, at
    once, from anywhere."""
    return delivery.deliver(svc, update(svc, booking_id, notices))


def update_and_ring(svc: Services, booking_id: str, notices: Sequence[Seen] = ()) -> Booking:
    """As jobs do it: what is owed outside waits behind other bookings' payments."""
    wait = _letters_wait(svc)
    booking = update(svc, booking_id, notices, letters_wait=wait)
    _ring_for_letters(svc, [booking], wait)
    return booking


def update_batch_and_ring(svc: Services, booking_ids: Sequence[str]) -> None:
    """The same for many. One that fails stops none of the others: like one never looked at, it is due again soon."""
    wait = _letters_wait(svc)
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        updated = list(pool.map(lambda booking_id: _updated(svc, booking_id, wait), booking_ids))
    finally:
        # Where the job's time is over, what has begun ends by its own time-outs and the rest is not begun.
        pool.shutdown(cancel_futures=True)
    _ring_for_letters(svc, [booking for booking in updated if booking is not None], wait)


def _updated(svc: Services, booking_id: str, letters_wait: timedelta) -> Booking | None:
    try:
        return update(svc, booking_id, letters_wait=letters_wait)
    except Exception:
        log.exception("booking_not_updated", booking=booking_id)
        return None


def _letters_wait(svc: Services) -> timedelta:
    """How long the clock need not look at a booking whose letters were rung for: the longer, the more wait before."""
    return min(RING_AGAIN + svc.bell.letters_waiting() * A_LETTER_TAKES, LONGEST_WAIT)


def _ring_for_letters(svc: Services, bookings: Sequence[Booking], wait: timedelta) -> None:
    now = svc.now()
    owing = [one for one in bookings if any(effect.due <= now for effect in one.effects)]
    rung = [one for one in owing if svc.bell.ring_for_letters("deliver", one.id)]
    # Put off like every ring, else the clock would ask for all of this again before the letters' turn has come. As a
    # rule that was done by the write that has found them owed.
    due = [one.id for one in rung if one.check_at is not None and one.check_at <= now]
    svc.bookings.lease(due, now, now + wait)


def update(
    svc: Services, booking_id: str, notices: Sequence[Seen] = (), *, letters_wait: timedelta = timedelta()
) -> Booking:
    """`refresh` without what is owed outside: a mail server that is slow must not hold up a payment."""
    booking = svc.bookings.get(booking_id)
    if booking.state is State.DRAFT:
        return _draft_checked(svc, booking)
    return _order_opened(svc, ask(svc, booking, notices, letters_wait=letters_wait))


def ask(
    svc: Services,
    booking: Booking,
    notices: Sequence[Seen] = (),
    *,
    seconds: float = 3.0,
    letters_wait: timedelta = timedelta(),
) -> Booking:
    """The slow questions first, then one versioned write of what follows from the answers.

    `letters_wait`: how long the clock need not look, where the caller rings for what is owed.
    """
    seen = [*notices, *_orders_seen(svc, booking, seconds)]
    slot = _slot_seen(svc, booking, seen, seconds)

    def decide(current: Booking) -> Booking:
        # The calendar was asked about the slot as it was; the customer may have moved meanwhile.
        still = (
            current.slot is not None and booking.slot is not None and current.slot.event_uri == booking.slot.event_uri
        )
        now = svc.now()
        settled = lifecycle.settle(current, seen, slot if still else SlotSeen.UNKNOWN, now)
        waits = any(effect.due <= now for effect in settled.effects)
        return replace(settled, check_at=now + letters_wait) if waits and letters_wait else settled

    return svc.bookings.change(booking.id, decide, known=booking)


def _orders_seen(svc: Services, booking: Booking, seconds: float) -> list[Seen]:
    now = svc.now()
    closing = lifecycle.orders_to_close(booking, now)
    seen: list[Seen] = []
    for attempt in lifecycle.orders_to_ask(booking, now):
        own_time_over = booking.expires_at is not None and now >= booking.expires_at
        if attempt in closing and own_time_over:
            # As a rule it has ended there by itself: one question tells, and there is nothing to close. Nor is anything
            # closed now where that question was not answered.
            first = _asked(svc, booking, attempt, seconds)
            if all(one.status is None or one.status.is_closed or one.status.has_money for one in first):
                seen += first
                continue
        if attempt in closing:
            _close(svc, booking, attempt, seconds)
        seen += _asked(svc, booking, attempt, seconds)
    return seen


def _close(svc: Services, booking: Booking, attempt: Attempt, seconds: float) -> None:
    try:
        svc.pay.close(attempt.trade_no, seconds=seconds)
    except UpstreamError as error:
        log.warning("close_failed", booking=booking.id, error=str(error))


def _asked(svc: Services, booking: Booking, attempt: Attempt, seconds: float) -> list[Seen]:
    """One observation; none where the provider gave no answer."""
    try:
        return [svc.pay.query(attempt.trade_no, asked_at=svc.now(), seconds=seconds)]
    except UpstreamError as error:
        log.warning("query_failed", booking=booking.id, error=str(error))
        return []


def _slot_seen(svc: Services, booking: Booking, seen: Sequence[Seen], seconds: float) -> SlotSeen:
    """Asked only where money makes the answer matter. On the built-in calendar the booking's claims are the slot."""
    money = any(one.status is not None and one.status.has_money for one in seen)
    if booking.slot is None or booking.state not in (State.PENDING, State.PAID):
        return SlotSeen.UNKNOWN
    if booking.slot.calendar is CalendarKind.BUILTIN:
        return SlotSeen.SECURED
    if not money and booking.state is State.PENDING:
        return SlotSeen.UNKNOWN
    try:
        return SlotSeen.SECURED if svc.calendly.is_active(booking.slot.event_uri, seconds=seconds) else SlotSeen.LOST
    except UpstreamError as error:
        log.warning("calendar_unknown", booking=booking.id, error=str(error))
        return SlotSeen.UNKNOWN


def _order_opened(svc: Services, booking: Booking) -> Booking:
    attempt = booking.attempt
    if attempt is not None and attempt.is_closed and attempt.checkout is None:
        trade_no, most = attempt.trade_no, svc.settings.payment_retry_attempts
        booking = svc.bookings.change(
            booking.id, lambda b: lifecycle.lost_checkout(b, trade_no, most_tries=most, now=svc.now())
        )
    if lifecycle.may_create(booking, svc.now()):
        booking = payment.open_order(svc, booking, seconds=payment.IN_JOB_SECONDS)
    return booking


def _draft_checked(svc: Services, booking: Booking) -> Booking:
    """A time picked in the frame without our being told is taken up. A draft is dropped after a day, once the calendar
    has answered that there is none."""
    if svc.settings.calendar_kind == "calendly":
        try:
            picked = svc.calendly.find(booking.token, booking.created_at)
        except UpstreamError as error:
            log.warning("draft_unknown", booking=booking.id, error=str(error))
            return svc.bookings.change(booking.id, lambda b: lifecycle.scheduled(b, svc.now()))
        wanted = [uris for uris in picked if not booking.gave_back(uris[0])]
        if wanted:
            return _taken_up(svc, booking, wanted[-1])
    if booking.created_at + DRAFT_LIFE <= svc.now() and not booking.effects:
        svc.bookings.drop_draft(booking)
        return booking
    return svc.bookings.change(booking.id, lambda b: lifecycle.scheduled(b, svc.now()))


def _taken_up(svc: Services, booking: Booking, uris: tuple[str, str]) -> Booking:
    try:
        held = booking_flow.take_scheduled(svc, booking.token, *uris, customer=None, address="", network="")
    except (UpstreamError, Refusal) as error:
        log.warning("draft_not_taken_up", booking=booking.id, error=str(error))
        return svc.bookings.change(booking.id, lambda b: lifecycle.scheduled(b, svc.now()))
    return _order_opened(svc, held)
