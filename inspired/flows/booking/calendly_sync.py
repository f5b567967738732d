"""Polls Calendly every ten minutes for changes made there, with or without a webhook.

Events booked directly in Calendly become bookings with some hours to pay. Moved or cancelled events are followed. The
owner is told of event types that differ from the catalogue and of a subscription that ended.
"""

from datetime import timedelta

import structlog

from inspired.adapters.providers.calendly import Scheduled, Upcoming
from inspired.domain.booking import customer_actions
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.claims import Invitee
from inspired.domain.booking.outbox import CancelStrayEvents, SyncEvent
from inspired.domain.booking.states import Flag, State
from inspired.domain.catalogue.meeting_types import MeetingType
from inspired.domain.shared.errors import NotFound, Refusal, UpstreamError
from inspired.flows.booking import booking as bookings
from inspired.flows.booking import calendar_webhooks
from inspired.flows.catalogue import calendar_drift
from inspired.flows.shared import owner_notifications
from inspired.services import Services

EVERY = timedelta(minutes=10)
SETTLED = timedelta(minutes=10)  # before that, the page the event was picked on, or the draft's own check, picks it up
TOLD_AFTER = timedelta(hours=1)  # for a Calendly that does not answer; a refusal is reported at once
NEVER_ALLOWED = ("401", "403")
log = structlog.get_logger()


def look(svc: Services) -> None:
    """Safe at any time, also concurrently."""
    if not svc.settings.uses_calendly or svc.calendly.is_short:
        return
    before, now = svc.calendly_sync_state.get(), svc.now()
    try:
        _events(svc)
        found = tuple(calendar_drift.drift(svc))
        calendar_webhooks.watch(svc)
    except UpstreamError as error:
        since = before.trouble_since or now
        is_due = error.code in NEVER_ALLOWED or now - since >= TOLD_AFTER
        log.warning("calendar_not_watched", error=str(error))
        svc.calendly_sync_state.failed(str(error), since, told=before.trouble_told)
        if is_due and not before.trouble_told:
            owner_notifications.owner(svc, "calendar_trouble", since.isoformat(), trouble=str(error), code=error.code)
            svc.calendly_sync_state.failed(str(error), since, told=True)
        return
    if set(found) - set(before.told_drift):
        owner_notifications.owner(svc, "drift", now.isoformat(), drift=found)
    svc.calendly_sync_state.looked(now, found)


def _events(svc: Services) -> None:
    """Compare both ways: events without a booking, and bookings whose event is gone."""
    known = svc.calendly.event_types()
    types = {known[listed.type.id].uri: listed.type for listed in svc.catalogue.now().types if listed.type.id in known}
    now = svc.now()
    upcoming = svc.calendly.upcoming(now)
    ours = svc.bookings.events_after(now)
    for event in upcoming:
        if event.event_uri not in ours and event.event_type_uri in types:
            _of_nobody(svc, types[event.event_type_uri], event)
    there = {event.event_uri for event in upcoming}
    for booking_id in (ours[uri] for uri in ours if uri not in there):
        _followed(svc, svc.bookings.get(booking_id))


def _of_nobody(svc: Services, meeting_type: MeetingType, event: Upcoming) -> None:
    scheduled = svc.calendly.invited(event.event_uri)
    if scheduled is None:
        return
    before = svc.bookings.by_claim([Invitee(uri) for uri in (scheduled.invitee_uri, scheduled.old_invitee_uri) if uri])
    if before is not None:
        _followed(svc, before)
        return
    booking = _by_token(svc, scheduled)
    if booking is not None and booking.state is State.DRAFT and not booking.gave_back(scheduled.event_uri):
        svc.queue.enqueue("refresh", booking.id)
    elif (
        booking is not None
        and customer_actions.may_choose(booking, svc.now())
        and not booking.gave_back(scheduled.event_uri)
    ):
        _chosen(svc, booking, scheduled)
    elif booking is None or _is_left(svc, booking, event):
        _taken_in(svc, meeting_type, scheduled, event)


def _chosen(svc: Services, booking: Booking, scheduled: Scheduled) -> None:
    """The new time for a booking already paid: the customer must not be asked to pay again."""
    try:
        bookings.take_scheduled(
            svc, booking.token, scheduled.event_uri, scheduled.invitee_uri, customer=None, address=""
        )
    except Refusal as refusal:
        log.warning("choice_not_taken_up", booking=booking.id, error=str(refusal))
        return
    svc.queue.enqueue("refresh", booking.id)


def _by_token(svc: Services, scheduled: Scheduled) -> Booking | None:
    try:
        return svc.bookings.by_token(scheduled.token) if scheduled.token else None
    except NotFound:
        return None


def _is_left(svc: Services, booking: Booking, event: Upcoming) -> bool:
    """True for an event that carries the token of a booking which no longer needed it."""
    is_old = event.made_at + SETTLED <= svc.now()
    tidies = booking.owes(CancelStrayEvents)
    return is_old and booking.state is not State.PENDING and not tidies and not booking.gave_back(event.event_uri)


def _taken_in(svc: Services, meeting_type: MeetingType, scheduled: Scheduled, event: Upcoming) -> None:
    # Before this version passed its rehearsal nobody is asked to pay: the event waits for a later poll.
    if not svc.settings.calendly_orphan_hours or not svc.gate.is_open():
        return
    if scheduled.span.end - scheduled.span.start != timedelta(minutes=meeting_type.minutes):
        # In Calendly the customer may pick another length, which has no price here. The event itself shows what to do,
        # so that the next poll makes up for one that failed half-way.
        svc.calendly.cancel(scheduled.event_uri, _not_sold(svc, meeting_type))
        log.info("orphan_refused", event_type=meeting_type.id)
        return
    booking = bookings.take_in(svc, meeting_type, scheduled)
    if booking is None:
        return
    log.info("orphan_taken_in", booking=booking.id)
    last = svc.calendly_sync_state.get().last_notice_at
    if last is None or last < event.made_at:
        svc.calendly_sync_state.found_by_looking()
    svc.queue.enqueue("refresh", booking.id)


def _not_sold(svc: Services, meeting_type: MeetingType) -> str:
    """Calendly mails this to the invitee."""
    return (
        f"{meeting_type.title} takes {meeting_type.minutes} minutes, and another length cannot be booked. "
        f"Please choose a time of {meeting_type.minutes} minutes, best here: {svc.settings.site_url}"
    )


def _followed(svc: Services, booking: Booking) -> None:
    """Record it as a task, as a webhook would."""
    is_decided = booking.cancel_requested or booking.choose_by is not None or Flag.SLOT_LOST in booking.flags
    is_owed = booking.owes(SyncEvent)
    if booking.state not in (State.PENDING, State.PAID, State.CONFIRMED) or is_decided or is_owed:
        return
    svc.calendly_sync_state.found_by_looking()
    occasion = f"look:{svc.now():%Y%m%dT%H%M%S}"
    svc.bookings.change(booking.id, lambda b: customer_actions.to_follow(b, occasion, svc.now()))
    svc.queue.enqueue("refresh", booking.id)
