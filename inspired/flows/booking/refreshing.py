"""Refreshing a booking from the provider and the calendar. Every trigger ends here: webhook, timer, click, restart."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from inspired.adapters.mongo.bookings import Claimed
from inspired.domain.booking import customer_actions, lifecycle, payment_orders, polling, refunds
from inspired.domain.booking.balance import Payment, payment_of
from inspired.domain.booking.booking import DRAFT_LIFE, Booking, PaymentOrder, Refund, Slot
from inspired.domain.booking.lifecycle import OrderObservation, SlotSeen
from inspired.domain.booking.refunds import RefundSeen
from inspired.domain.booking.states import CalendarKind, State
from inspired.domain.sentences.customer import said
from inspired.domain.shared.errors import Refusal, SlotTaken, UpstreamError
from inspired.domain.shared.messages import Message, MessageId
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import delivery, payment, refunding
from inspired.services import Services

ENQUEUE_AGAIN = timedelta(seconds=15)  # after this, work that was enqueued and not done is enqueued again
AT_ONCE = 8  # bookings of a batch processed in parallel: one waits for the provider while another is saved
A_LETTER_TAKES = timedelta(milliseconds=50)
LONGEST_WAIT = timedelta(minutes=2)  # for mails whose jobs were lost with the queue
log = structlog.get_logger()


def refresh(svc: Services, booking_id: str, webhooks: Sequence[OrderObservation] = ()) -> Booking:
    """Update the booking from the provider and the calendar, then process its outbox. Safe at any time, repeatedly and
    concurrently."""
    return delivery.deliver(svc, update(svc, booking_id, webhooks))


def update_and_enqueue(
    svc: Services, booking_id: str, webhooks: Sequence[OrderObservation] = (), told: Sequence[RefundSeen] = ()
) -> Booking:
    """For jobs: mails wait behind other bookings' payments."""
    wait = _letters_wait(svc)
    booking = update(svc, booking_id, webhooks, told, letters_wait=wait)
    _enqueue_mails(svc, [booking], wait)
    return booking


def update_batch_and_ring(svc: Services, booking_ids: Sequence[str]) -> None:
    """The same for many bookings. One that fails does not stop the others; it becomes due again soon."""
    wait = _letters_wait(svc)
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        updated = list(pool.map(lambda booking_id: _updated(svc, booking_id, wait), booking_ids))
    finally:
        # At the job's time limit, running updates end by their own timeouts and the rest is not started.
        pool.shutdown(cancel_futures=True)
    _enqueue_mails(svc, [booking for booking in updated if booking is not None], wait)


def _updated(svc: Services, booking_id: str, letters_wait: timedelta) -> Booking | None:
    try:
        return update(svc, booking_id, letters_wait=letters_wait)
    except Exception:
        log.exception("booking_not_updated", booking=booking_id)
        return None


def _letters_wait(svc: Services) -> timedelta:
    """How long the sweep skips a booking whose mails were enqueued; grows with the mail queue."""
    return min(ENQUEUE_AGAIN + svc.queue.mails_waiting() * A_LETTER_TAKES, LONGEST_WAIT)


def _enqueue_mails(svc: Services, bookings: Sequence[Booking], wait: timedelta) -> None:
    now = svc.now()
    owing = [one for one in bookings if any(item.due <= now for item in one.outbox)]
    enqueued = [one for one in owing if svc.queue.enqueue_mail("deliver", one.id)]
    # Postpone them like all enqueued work, or the sweep would enqueue them again before their mails' turn. Usually the
    # write that found the mails due has done this already.
    due = [one.id for one in enqueued if one.check_at is not None and one.check_at <= now]
    svc.bookings.lease(due, now, now + wait)


def update(
    svc: Services,
    booking_id: str,
    webhooks: Sequence[OrderObservation] = (),
    told: Sequence[RefundSeen] = (),
    *,
    letters_wait: timedelta = timedelta(),
) -> Booking:
    """`refresh` without mails and other outbox tasks: a slow mail server must not hold up a payment."""
    booking = svc.bookings.get(booking_id)
    if booking.state is State.DRAFT:
        return _draft_checked(svc, booking)
    asked = ask(svc, booking, webhooks, told, letters_wait=letters_wait)
    return refunding.send_due(svc, _order_opened(svc, asked))


def ask(
    svc: Services,
    booking: Booking,
    webhooks: Sequence[OrderObservation] = (),
    told: Sequence[RefundSeen] = (),
    *,
    seconds: float = 3.0,
    letters_wait: timedelta = timedelta(),
) -> Booking:
    """Ask the slow questions first, then save their result in one versioned write.

    `letters_wait`: how long the sweep skips the booking, if the caller enqueues its mails.
    """
    # A webhook makes the order worth querying at once, even after the booking's end.
    told_of = lifecycle.settle(booking, webhooks, SlotSeen.UNKNOWN, svc.now()) if webhooks else booking
    seen = [*webhooks, *orders_seen(svc, told_of, seconds)]
    returned = [*told, *refunds_seen(svc, refunds.to_ask(booking), seconds)]
    slot = _slot_seen(svc, lifecycle.settle(booking, seen, SlotSeen.UNKNOWN, svc.now(), returned), seconds)

    def decide(current: Booking, said: SlotSeen) -> Booking:
        settled, now = settle(current, said), svc.now()  # settle first, so that the tasks it adds are due by `now`
        settled = polling.looked_at(current, settled, now)
        waits = any(item.due <= now for item in settled.outbox) and not refunds.is_calling(settled, now)
        return replace(settled, check_at=now + letters_wait) if waits and letters_wait else settled

    def settle(current: Booking, said: SlotSeen) -> Booking:
        # The calendar was asked about the old slot; the customer may have moved meanwhile.
        still = current.slot is not None and current.slot == booking.slot
        if slot.instead is not None:
            moved = replace(current, slot=slot.instead) if still else current
            after = lifecycle.settle(moved, seen, said if still else SlotSeen.UNKNOWN, svc.now(), returned)
            if after.holds(slot.instead.event_uri):
                return after
            current = customer_actions.event_unwanted(current, slot.instead.event_uri, svc.now())
        return lifecycle.settle(current, seen, said if still else SlotSeen.UNKNOWN, svc.now(), returned)

    try:
        return svc.bookings.change(booking.id, lambda current: decide(current, slot.seen), known=booking)
    except Claimed:
        # A late payment wanted its time back, but another booking has it now.
        return svc.bookings.change(booking.id, lambda current: decide(current, SlotSeen.LOST))


def ask_about_all(svc: Services, booking: Booking, *, seconds: float) -> tuple[Booking, int]:
    """The same for every order ever sent, settled ones too, which reveals refunds made in Binance's console. Also
    returns how many of these queries were answered."""
    sent = (queried(svc, one, seconds) for one in booking.orders if one.was_sent)
    seen = [one for one in sent if one is not None]
    return ask(svc, booking, seen, seconds=seconds), len(seen)


def ask_and_close(svc: Services, booking: Booking, *, seconds: float) -> Booking:
    """Query every order ever sent and close those still payable."""
    sent = (_order_seen(svc, one, True, seconds) for one in booking.orders if one.was_sent)
    return ask(svc, booking, [seen for seen in sent if seen is not None], seconds=seconds)


def orders_seen(svc: Services, booking: Booking, seconds: float) -> list[OrderObservation]:
    now = svc.now()
    closing = polling.orders_to_close(booking, now)
    found = (_order_seen(svc, one, one in closing, seconds) for one in polling.orders_to_ask(booking, now))
    return [one for one in found if one is not None]


def _order_seen(svc: Services, order: PaymentOrder, closing: bool, seconds: float) -> OrderObservation | None:
    """None if the provider did not answer. An order that must not stay payable is closed and queried again; most have
    expired by themselves, which saves the close."""
    seen = queried(svc, order, seconds)
    if seen is None or not closing or seen.status is None or seen.status.is_closed or seen.status.has_money:
        return seen
    try:
        svc.pay.close(order.trade_no, seconds=seconds)
    except UpstreamError as error:
        log.warning("close_failed", order=order.trade_no, error=str(error))
    return queried(svc, order, seconds) or seen


def queried(svc: Services, order: PaymentOrder, seconds: float) -> OrderObservation | None:
    try:
        return svc.pay.query(order.trade_no, asked_at=svc.now(), seconds=seconds)
    except UpstreamError as error:
        log.warning("query_failed", order=order.trade_no, error=str(error))
        return None


def refunds_seen(svc: Services, asked: Sequence[Refund], seconds: float) -> list[RefundSeen]:
    """The provider's report on these refunds; unanswered ones are left out."""
    found = []
    for refund in asked:
        currency = refund.amount.currency if refund.amount else "USDT"
        try:
            found.append(svc.pay.query_refund(refund.id, currency, trade_no=refund.trade_no, seconds=seconds))
        except UpstreamError as error:
            log.warning("refund_query_failed", refund=refund.id, error=str(error))
    return found


@dataclass(frozen=True, slots=True)
class _SlotAnswer:
    """`instead`: the same time under a new event, because the first one was cancelled."""

    seen: SlotSeen
    instead: Slot | None = None


UNKNOWN = _SlotAnswer(SlotSeen.UNKNOWN)


def _slot_seen(svc: Services, after: Booking, seconds: float) -> _SlotAnswer:
    """Ask the calendar only if the payment makes the answer matter; `after` is the booking without it. On the built-in
    calendar the booking's claims are the slot, and MongoDB refuses a second owner."""
    slot = after.slot
    if slot is None or payment_of(after) is not Payment.EXACT:
        return UNKNOWN
    is_late = after.state in polling.ENDED
    if is_late and (after.agreed_amount is not None or after.choose_by is not None):
        return UNKNOWN
    if after.state is not State.PAID and not is_late:
        return UNKNOWN
    if is_late and slot.span.start <= svc.now():
        return _SlotAnswer(SlotSeen.LOST)
    if slot.calendar is CalendarKind.BUILTIN:
        return _SlotAnswer(SlotSeen.SECURED)
    try:
        if svc.calendly.is_active(slot.event_uri, seconds=seconds):
            return _SlotAnswer(SlotSeen.SECURED)
        return _booked_again(svc, after, slot, seconds) if is_late else _SlotAnswer(SlotSeen.LOST)
    except UpstreamError as error:
        log.warning("calendar_unknown", booking=after.id, error=str(error))
        return UNKNOWN


def _booked_again(svc: Services, booking: Booking, slot: Slot, seconds: float) -> _SlotAnswer:
    """The event was cancelled when the time to pay was over, and money came late: book the same time again. Without the
    erased name and address nothing can be booked."""
    if booking.erased_at is not None:
        return _SlotAnswer(SlotSeen.LOST)
    person = delivery.opened(svc, booking)
    try:
        found = svc.calendly.book(
            slug=booking.meeting_type.id,
            start=slot.span.start,
            name=person["name"] or person["email"],
            email=person["email"],
            zone=slot.zone,
            token=booking.token,
            made_after=booking.created_at,
            seconds=seconds,
        )
    except SlotTaken:
        return _SlotAnswer(SlotSeen.LOST)
    if not customer_actions.is_as_sold(booking, found.slot):
        svc.calendly.cancel(found.event_uri, said(Message(MessageId.FREED_NOT_AS_PAID)), seconds=seconds)
        return _SlotAnswer(SlotSeen.LOST)
    instead = replace(slot, span=found.span, event_uri=found.event_uri, invitee_uri=found.invitee_uri)
    return _SlotAnswer(SlotSeen.SECURED, instead)


def _order_opened(svc: Services, booking: Booking) -> Booking:
    order = booking.order
    if order is not None and order.is_closed and order.checkout is None:
        trade_no, most = order.trade_no, svc.settings.payment_retry_attempts
        booking = svc.bookings.change(
            booking.id,
            lambda b: payment_orders.lost_checkout(b, trade_no, most_tries=most, now=svc.now()),
            known=booking,
        )
    if payment_orders.may_create(booking, svc.now()):
        booking = payment.open_order(svc, booking, seconds=payment.IN_JOB_SECONDS)
    return booking


def pick_up(svc: Services, booking: Booking, *, seconds: float = 1.0) -> Booking | None:
    """Make the newest Calendly event with this booking's token its slot. None if there is no new one. Raises
    UpstreamError, Refusal."""
    found = svc.calendly.find(booking.token, booking.created_at, seconds=seconds)
    new = [uris for uris in found if not booking.gave_back(uris[0])]
    if not new or booking.holds(new[-1][0]):
        return None
    return booking_flow.take_scheduled(svc, booking.token, *new[-1], customer=None, address="", network="")


def _draft_checked(svc: Services, booking: Booking) -> Booking:
    """Hold a time that was picked in the iframe without the page telling us. Drop a draft after a day, once Calendly
    has answered that there is none."""
    if svc.settings.uses_calendly:
        try:
            picked = svc.calendly.find(booking.token, booking.created_at)
        except UpstreamError as error:
            log.warning("draft_unknown", booking=booking.id, error=str(error))
            return svc.bookings.change(booking.id, lambda b: polling.scheduled(b, svc.now()))
        wanted = [uris for uris in picked if not booking.gave_back(uris[0])]
        if wanted:
            return _taken_up(svc, booking, wanted[-1])
    if booking.created_at + DRAFT_LIFE <= svc.now() and not booking.outbox:
        svc.bookings.drop_draft(booking)
        return booking
    return svc.bookings.change(booking.id, lambda b: polling.scheduled(b, svc.now()))


def _taken_up(svc: Services, booking: Booking, uris: tuple[str, str]) -> Booking:
    try:
        held = booking_flow.take_scheduled(svc, booking.token, *uris, customer=None, address="", network="")
    except (UpstreamError, Refusal) as error:
        log.warning("draft_not_taken_up", booking=booking.id, error=str(error))
        return svc.bookings.change(booking.id, lambda b: polling.scheduled(b, svc.now()))
    return _order_opened(svc, held)
