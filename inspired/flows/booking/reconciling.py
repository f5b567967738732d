"""Reconciliation of each booking with its provider, the calendar and the ledger.

Nightly and on demand. What asking or posting again corrects is corrected at once; everything else becomes a case for
the owner. A second run finds the same and changes nothing.
"""

from datetime import timedelta

import structlog

from inspired.adapters.mongo.ledger_store import Run
from inspired.domain.booking import customer_actions, lifecycle
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.lifecycle import SlotSeen
from inspired.domain.booking.outbox import CancelEvent, PostLedger
from inspired.domain.booking.reconciliation import Answers, Difference, EventSeen, Kind, Step, differences
from inspired.domain.booking.states import CalendarKind, RefundStatus, State
from inspired.domain.sentences import owner_pages, rails
from inspired.domain.sentences.customer import said
from inspired.domain.shared.errors import Invalid, UpstreamError
from inspired.domain.shared.messages import Message, MessageId
from inspired.flows.booking import refreshing
from inspired.flows.shared import owner_notifications, paging
from inspired.services import Services

NAME = "reconcile"
DAYS = timedelta(days=35)
SECONDS = 3.0
log = structlog.get_logger()


def start(svc: Services, *, after: timedelta = DAYS) -> bool:
    """Start with the bookings of the last `after`; jobs continue. False if a run is in progress."""
    started = paging.start(svc, NAME, after=svc.now() - after)
    svc.queue.enqueue_mail("turn_page", NAME)
    return started


def turn_page(svc: Services) -> bool:
    """Process the next page. True while there is more."""
    return paging.turn(svc, NAME, lambda booking: _counted(svc, booking), lambda run: _finished(svc, run))


def _counted(svc: Services, booking: Booking) -> paging.Counts:
    if booking.state is State.DRAFT:
        return {}
    found, left = reconcile(svc, booking)
    opened = svc.cases.record(left, svc.now())
    closed = svc.cases.close_others(booking.id, left, svc.now())
    return {
        "bookings": 1,
        "found": len(found),
        "healed": len(found) - len(left),
        "opened": opened,
        "closed": closed,
    }


def reconcile(svc: Services, booking: Booking) -> tuple[tuple[Difference, ...], tuple[Difference, ...]]:
    """The differences found, and those left after automatic correction."""
    found = _found(svc, booking)
    if not found:
        return (), ()
    # A worker may have changed the booking between our read and the answers: only a lasting difference counts.
    booking = svc.bookings.get(booking.id)
    answers = ask(svc, booking)
    found = differences(booking, answers)
    if not any(difference.step is not Step.OWNER for difference in found):
        return found, found
    _brought_in_line(svc, booking, answers, found)
    left = _found(svc, svc.bookings.get(booking.id))
    for difference in found:
        log.warning(
            "difference",
            booking=booking.id,
            kind=str(difference.kind),
            subject=difference.subject,
            healed=difference not in left,
        )
    return found, left


def _found(svc: Services, booking: Booking) -> tuple[Difference, ...]:
    return differences(booking, ask(svc, booking))


def ask(svc: Services, booking: Booking) -> Answers:
    """Everything the provider, the calendar and the ledger hold about one booking."""
    sent = [order for order in booking.orders if order.was_sent]
    orders = (refreshing.queried(svc, order, SECONDS) for order in sent)
    ours = (refund for refund in booking.refunds if refund.status is not RefundStatus.EXTERNAL)
    known = [refund for refund in ours if refund.tries and not refund.replaced_by]
    is_posted = not booking.owes(PostLedger)
    return Answers(
        orders=tuple(observation for observation in orders if observation is not None),
        refunds=tuple(refreshing.refunds_seen(svc, booking, known, SECONDS)),
        event=_event(svc, booking),
        posted=svc.ledger.of(booking.id) if is_posted else None,
    )


def _event(svc: Services, booking: Booking) -> EventSeen | None:
    slot = booking.slot
    if slot is None or slot.calendar is not CalendarKind.CALENDLY or slot.span.start <= svc.now():
        return None
    if booking.owes(CancelEvent):
        return None
    try:
        found = svc.calendly.scheduled(slot.event_uri, slot.invitee_uri, seconds=SECONDS)
    except UpstreamError as error:
        return EventSeen(slot.event_uri, None) if error.code == "404" else None
    except Invalid:
        return None
    return EventSeen(slot.event_uri, found.span if found.active else None)


def _brought_in_line(svc: Services, booking: Booking, answers: Answers, found: tuple[Difference, ...]) -> None:
    for difference in found:
        try:
            _stepped(svc, booking, difference)
        except UpstreamError as error:
            log.warning("not_brought_in_line", booking=booking.id, kind=str(difference.kind), error=str(error))
    fresh = ask(svc, booking)
    svc.bookings.change(
        booking.id, lambda b: lifecycle.settle(b, fresh.orders, SlotSeen.UNKNOWN, svc.now(), fresh.refunds)
    )
    refreshing.refresh(svc, booking.id)


def _stepped(svc: Services, booking: Booking, difference: Difference) -> None:
    match difference.kind:
        case Kind.LEDGER:
            svc.ledger.post(booking.id, booking.ledger)
        case Kind.STILL_PAYABLE:
            order = booking.find_order(difference.subject)
            if order is not None:
                svc.rails[order.rail].close(order.trade_no, seconds=SECONDS)
        case Kind.CALL_WITHOUT_EVENT | Kind.EVENT_MOVED:
            occasion = f"reconciled:{svc.now():%Y%m%dT%H%M%S}"
            svc.bookings.change(booking.id, lambda b: customer_actions.to_follow(b, occasion, svc.now()))
        case Kind.EVENT_WITHOUT_CALL:
            svc.calendly.cancel(difference.subject, said(Message(MessageId.FREED_UNPAID)), seconds=SECONDS)


def _finished(svc: Services, run: Run) -> None:
    """Tell the owner about new cases only."""
    log.info("reconciled", **run.counts)
    if not run.counts.get("opened"):
        return
    cases = svc.cases.waiting()
    owner_notifications.owner(
        svc,
        "reconciled",
        run.started_at.isoformat(),
        cases=[_told(svc, case.difference) for case in cases[:20]],
        count=len(cases),
        asked=", ".join(rails.of(rail).asked for rail in svc.rails_on),
        admin_url=f"{svc.settings.site_url}/admin/money",
    )


def _told(svc: Services, difference: Difference) -> tuple[str, str, str]:
    """The difference in a sentence, what each side says, and where the booking is."""
    where = f"bookings/{difference.booking_id}" if difference.booking_id else "sweeps"
    link = f"{svc.settings.site_url}/admin/{where}"
    return owner_pages.difference(difference), difference.told, link
