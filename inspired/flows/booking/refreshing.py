"""Refreshing a booking from the provider and the calendar. Every trigger ends here: webhook, timer, click, restart."""

from collections.abc import Callable, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog

from inspired.adapters.mongo.bookings import Claimed
from inspired.domain.booking import customer_actions, lifecycle, payment_orders, polling, refunds
from inspired.domain.booking import delivery as outbox_rules
from inspired.domain.booking.balance import Payment, payment_of
from inspired.domain.booking.booking import DRAFT_LIFE, Booking, PaymentOrder, Refund, Slot
from inspired.domain.booking.lifecycle import OrderObservation, SlotSeen
from inspired.domain.booking.rails import CAPABILITIES
from inspired.domain.booking.refunds import RefundSeen
from inspired.domain.booking.states import CalendarKind, State
from inspired.domain.sentences.customer import said
from inspired.domain.shared.batches import batches
from inspired.domain.shared.errors import Refusal, SlotTaken, UpstreamError
from inspired.domain.shared.messages import Message, MessageId
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import delivery, payment, refunding, wallet_refunds
from inspired.services import Services

ENQUEUE_AGAIN = timedelta(seconds=15)  # after this, work that was enqueued and not done is enqueued again
AT_ONCE = 8  # bookings of a batch processed in parallel: one waits for the provider while another is saved
A_LETTER_TAKES = timedelta(milliseconds=50)
LONGEST_WAIT = timedelta(minutes=2)  # for mails whose jobs were lost with the queue
MAILED_TOGETHER = 25  # bookings per mail job
log = structlog.get_logger()
T = TypeVar("T")


def refresh(svc: Services, booking_id: str, webhooks: Sequence[OrderObservation] = ()) -> Booking:
    """Update the booking from the provider and the calendar, then process its outbox. Safe at any time, repeatedly and
    concurrently."""
    return delivery.deliver(svc, update(svc, booking_id, webhooks))


def update_and_enqueue(
    svc: Services, booking_id: str, webhooks: Sequence[OrderObservation] = (), told: Sequence[RefundSeen] = ()
) -> Booking:
    """For jobs: mails wait behind other bookings' payments."""
    until = _mails_until(svc)
    booking = update(svc, booking_id, webhooks, told, mails_until=until)
    _enqueue_mails(svc, [booking], until)
    return booking


def update_answered(svc: Services, booking: Booking, answers: Sequence[OrderObservation]) -> Booking:
    """The same for a job that has read the booking and queried some of its orders. `answers`: as in `ask`."""
    until = _mails_until(svc)
    booking = _gone_on(svc, ask(svc, booking, answers=answers, mails_until=until))
    _enqueue_mails(svc, [booking], until)
    return booking


def update_batch(svc: Services, booking_ids: Sequence[str]) -> None:
    """The same for many bookings, read and saved together. One that fails does not stop the others; it becomes due
    again soon."""
    until = _mails_until(svc)
    found = list(svc.bookings.among(booking_ids))
    drafts = [booking for booking in found if booking.state is State.DRAFT]
    others = [booking for booking in found if booking.state is not State.DRAFT]
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        with svc.logs.together():
            answers = list(pool.map(partial(_attempted, partial(_found_out, svc)), others))
        asked = [findings for findings in answers if findings is not None]
        after = _saved_together(svc, asked, until)
        updated = list(pool.map(partial(_attempted, partial(_gone_on, svc)), after))
        updated += pool.map(partial(_attempted, partial(_draft_checked, svc)), drafts)
        _put_off(svc, {booking.id for booking in found} - {booking.id for booking in updated if booking is not None})
    finally:
        # At the job's time limit, running updates end by their own timeouts and the rest is not started.
        pool.shutdown(cancel_futures=True)
    _enqueue_mails(svc, [booking for booking in updated if booking is not None], until)


def _attempted(step: Callable[[Booking], T | None], booking: Booking) -> T | None:
    try:
        return step(booking)
    except Exception:
        log.exception("booking_not_updated", booking=booking.id)
        return None


def _saved_together(svc: Services, asked: Sequence["_Findings"], mails_until: datetime | None) -> list[Booking]:
    found = {findings.booking.id: findings for findings in asked}

    def decide(booking: Booking) -> Booking:
        return _attempted(lambda b: found[b.id].decided(svc, b, mails_until), booking) or booking

    saved, unsaved = svc.bookings.change_together([findings.booking for findings in asked], decide)
    alone = [_attempted(lambda b: found[b.id].saved(svc, mails_until, again=True), booking) for booking in unsaved]
    return [*saved, *(booking for booking in alone if booking is not None)]


def _put_off(svc: Services, failed: Set[str]) -> None:
    """So that bookings that fail again and again are not always the first that the clock finds."""
    now = svc.now()
    svc.bookings.lease(sorted(failed), now, now + ENQUEUE_AGAIN)


def _mails_until(svc: Services) -> datetime:
    """Until when mails that are enqueued now are leased to their job: the longer, the more mails wait before them."""
    wait = ENQUEUE_AGAIN + svc.queue.mails_waiting() * A_LETTER_TAKES * MAILED_TOGETHER
    return svc.now() + min(wait, LONGEST_WAIT) + outbox_rules.ROUND


def _enqueue_mails(svc: Services, bookings: Sequence[Booking], until: datetime) -> None:
    now = svc.now()
    owing = [booking for booking in bookings if delivery.is_for_job(booking, now, until)]
    for batch in batches(owing, MAILED_TOGETHER):
        svc.queue.enqueue_mail("deliver", delivery.lease_out(until), *(booking.id for booking in batch))


def update(
    svc: Services,
    booking_id: str,
    webhooks: Sequence[OrderObservation] = (),
    told: Sequence[RefundSeen] = (),
    *,
    mails_until: datetime | None = None,
) -> Booking:
    """`refresh` without mails and other outbox tasks: a slow mail server must not hold up a payment."""
    booking = svc.bookings.get(booking_id)
    if booking.state is State.DRAFT:
        return _draft_checked(svc, booking)
    return _gone_on(svc, ask(svc, booking, webhooks, told, mails_until=mails_until))


def _gone_on(svc: Services, booking: Booking) -> Booking:
    """What else is due at the provider: a new order, refunds."""
    return refunding.send_due(svc, _order_opened(svc, booking))


def ask(
    svc: Services,
    booking: Booking,
    webhooks: Sequence[OrderObservation] = (),
    told: Sequence[RefundSeen] = (),
    *,
    answers: Sequence[OrderObservation] = (),
    seconds: float = 3.0,
    mails_until: datetime | None = None,
) -> Booking:
    """Ask the slow questions first, then save their result in one versioned write.

    `answers`: what queries of the caller just found out; these orders are not queried once more. A webhook is none.
    `mails_until`: until when the mails are leased to the job that the caller enqueues for them.
    """
    return _found_out(svc, booking, webhooks, told, answers=answers, seconds=seconds).saved(svc, mails_until)


@dataclass(frozen=True, slots=True)
class _Findings:
    """What provider and calendar answered about a booking, which they were asked about as `booking`."""

    booking: Booking
    seen: Sequence[OrderObservation]
    returned: Sequence[RefundSeen]
    slot: "_SlotAnswer"

    def saved(self, svc: Services, mails_until: datetime | None, *, again: bool = False) -> Booking:
        """`again`: another process has changed the booking meanwhile."""
        known = None if again else self.booking
        try:
            return svc.bookings.change(
                self.booking.id, lambda current: self.decided(svc, current, mails_until), known=known
            )
        except Claimed:
            if self.returned:  # a transfer that another refund has: what else was found is saved without it
                return replace(self, returned=()).saved(svc, mails_until, again=again)
            # A late payment wanted its time back, but another booking has it now.
            return svc.bookings.change(
                self.booking.id, lambda current: self.decided(svc, current, mails_until, SlotSeen.LOST)
            )

    def decided(
        self, svc: Services, current: Booking, mails_until: datetime | None, said: SlotSeen | None = None
    ) -> Booking:
        """`said`: about the slot, if it is not what the calendar said."""
        settled = self._settled(current, said or self.slot.seen, svc)
        now = svc.now()  # settle first, so that the tasks it adds are due by `now`
        settled = polling.looked_at(current, settled, now)
        if mails_until is None or refunds.is_calling(settled, now):
            return settled
        return outbox_rules.leased_to_job(settled, now, mails_until)

    def _settled(self, current: Booking, said: SlotSeen, svc: Services) -> Booking:
        # The calendar was asked about the old slot; the customer may have moved meanwhile.
        still, instead = current.slot is not None and current.slot == self.booking.slot, self.slot.instead
        if instead is not None:
            moved = replace(current, slot=instead) if still else current
            after = lifecycle.settle(moved, self.seen, said if still else SlotSeen.UNKNOWN, svc.now(), self.returned)
            if after.holds(instead.event_uri):
                return after
            current = customer_actions.event_unwanted(current, instead.event_uri, svc.now())
        return lifecycle.settle(current, self.seen, said if still else SlotSeen.UNKNOWN, svc.now(), self.returned)


def _found_out(
    svc: Services,
    booking: Booking,
    webhooks: Sequence[OrderObservation] = (),
    told: Sequence[RefundSeen] = (),
    *,
    answers: Sequence[OrderObservation] = (),
    seconds: float = 3.0,
) -> _Findings:
    # A webhook makes the order worth querying at once, even after the booking's end.
    known = [*webhooks, *answers]
    told_of = lifecycle.settle(booking, known, SlotSeen.UNKNOWN, svc.now()) if known else booking
    seen = [*known, *orders_seen(svc, told_of, answers, seconds)]
    returned = [*told, *refunds_seen(svc, booking, refunds.to_ask(booking), seconds)]
    slot = _slot_seen(svc, lifecycle.settle(booking, seen, SlotSeen.UNKNOWN, svc.now(), returned), seconds)
    return _Findings(booking, seen, returned, slot)


def ask_about_all(svc: Services, booking: Booking, *, seconds: float) -> tuple[Booking, int]:
    """The same for every order ever sent, settled ones too, which reveals refunds made in the provider's console. Also
    returns how many of these queries were answered."""
    sent = (queried(svc, one, seconds) for one in booking.orders if one.was_sent)
    seen = [one for one in sent if one is not None]
    return ask(svc, booking, answers=seen, seconds=seconds), len(seen)


def ask_and_close(svc: Services, booking: Booking, *, seconds: float) -> Booking:
    """Query every order ever sent and close those still payable."""
    asked = ((one, queried(svc, one, seconds)) for one in booking.orders if one.was_sent)
    seen = [_closed(svc, order, answer, seconds) for order, answer in asked if answer is not None]
    return ask(svc, booking, answers=seen, seconds=seconds)


def orders_seen(
    svc: Services, booking: Booking, answers: Sequence[OrderObservation], seconds: float
) -> list[OrderObservation]:
    """What is new beside these answers. An order that must not stay payable is closed."""
    now, found = svc.now(), list[OrderObservation]()
    known = {answer.trade_no: answer for answer in answers}
    closing = polling.orders_to_close(booking, now)
    for order in polling.orders_to_ask(booking, now):
        before = known.get(order.trade_no)
        seen = before or queried(svc, order, seconds)
        if seen is not None and order in closing:
            seen = _closed(svc, order, seen, seconds)
        if seen is not None and seen is not before:
            found.append(seen)
    return found


def _closed(svc: Services, order: PaymentOrder, seen: OrderObservation, seconds: float) -> OrderObservation:
    """The order that was seen like this is closed and queried again, unless it cannot be paid any more: most have
    expired by themselves."""
    if seen.status is None or seen.status.is_closed or seen.status.has_money:
        return seen
    try:
        svc.rails[order.rail].close(order.trade_no, seconds=seconds)
    except UpstreamError as error:
        log.warning("close_failed", order=order.trade_no, error=str(error))
    return queried(svc, order, seconds) or seen


def queried(svc: Services, order: PaymentOrder, seconds: float) -> OrderObservation | None:
    try:
        return svc.rails[order.rail].query(order.trade_no, asked_at=svc.now(), seconds=seconds)
    except UpstreamError as error:
        log.warning("query_failed", order=order.trade_no, error=str(error))
        return None


def refunds_seen(svc: Services, booking: Booking, asked: Sequence[Refund], seconds: float) -> list[RefundSeen]:
    """The provider's report on these refunds; unanswered ones are left out."""
    found = []
    for refund in asked:
        currency = refund.amount.currency if refund.amount else "USDT"
        try:
            if not CAPABILITIES[booking.rail_of(refund)].sends_refunds:
                found.append(wallet_refunds.seen(svc, booking, refund, seconds=seconds))
                continue
            rail = svc.rail_of(booking, refund)
            found.append(rail.query_refund(refund.id, currency, trade_no=refund.trade_no, seconds=seconds))
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
    return booking_flow.take_scheduled(svc, booking.token, *new[-1], customer=None, address="")


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
        held = booking_flow.take_scheduled(svc, booking.token, *uris, customer=None, address="")
    except (UpstreamError, Refusal) as error:
        log.warning("draft_not_taken_up", booking=booking.id, error=str(error))
        return svc.bookings.change(booking.id, lambda b: polling.scheduled(b, svc.now()))
    return _order_opened(svc, held)
