"""Webhooks of Calendly: verified, and written into the booking they are about as something owed: to ask what became of
its event. What a notice says is never believed; Calendly's API is asked.

https://developer.calendly.com/api-docs/receiving-data-from-scheduled-events-in-real-time-with-webhook-subscriptions
"""

import hashlib

import structlog

from inspired.adapters import calendly
from inspired.adapters.mail import Mail
from inspired.domain import steps
from inspired.domain.booking import Booking
from inspired.domain.errors import Invalid, NotFound, UpstreamError
from inspired.services import Services

EVENTS = ("invitee.created", "invitee.canceled")
log = structlog.get_logger()


def connect(svc: Services) -> str:
    """One subscription to our own address, made anew under our newest signing key. What Calendly has is taken away
    first: it tells no key, and cannot be altered. Raises Invalid, UpstreamError."""
    if not svc.settings.uses_calendly:
        raise Invalid("This site runs on its own calendar.")
    if not svc.settings.calendly_keys:
        raise Invalid(
            "CALENDLY_SIGNING_KEYS is missing: any 32 or more random characters, such as `openssl rand -hex 32`."
        )
    url = address(svc)
    for one in svc.calendly.subscriptions():
        if one.url == url:
            svc.calendly.unsubscribe(one.uri)
    svc.calendly.subscribe(url, EVENTS, svc.settings.calendly_keys[0])
    return url


def is_connected(svc: Services) -> bool:
    """Whether Calendly still sends everything here."""
    url = address(svc)
    return any(one.url == url and one.is_active and one.events >= set(EVENTS) for one in svc.calendly.subscriptions())


def watch(svc: Services) -> bool:
    """Calendly disables a subscription whose webhooks failed for a day, and tells nobody: then it is made anew, and the
    owner is told. True where that was needed."""
    if not svc.settings.uses_calendly or not svc.settings.calendly_keys:
        return False
    try:
        if is_connected(svc):
            return False
        url = connect(svc)
    except UpstreamError as error:
        log.warning("calendar_not_watched", error=str(error))
        return False
    log.warning("calendar_reconnected")
    subject, text, html = svc.letters.write("reconnected", {"url": url, "site_url": svc.settings.site_url})
    mail_id = hashlib.sha256(f"reconnected/{svc.now().isoformat()}".encode()).hexdigest()[:32]
    svc.smtp.send(Mail(mail_id, svc.settings.owner_email, subject, text, html))
    return True


def address(svc: Services) -> str:
    return f"{svc.settings.site_url}/api/calendly/webhook"


def receive(svc: Services, header: str, raw: bytes) -> Booking | None:
    """Durable when it returns; None where the event is nobody's here. Raises BadSignature, and Busy while the database
    is away."""
    notice = calendly.verified(raw, header, svc.settings.calendly_keys)
    booking = _booking_of(svc, notice)
    if booking is None:
        log.info("calendar_notice_of_nobody", what=notice.what)
        return None
    booking = svc.bookings.change(booking.id, lambda b: steps.to_follow(b, notice.id, svc.now()), known=booking)
    svc.bell.ring("refresh", booking.id)
    return booking


def _booking_of(svc: Services, notice: calendly.Notified) -> Booking | None:
    """By the invitee that is its slot, else by the token our own page sent along."""
    found = svc.bookings.by_claim([f"invitee:{uri}" for uri in notice.invitee_uris])
    if found is not None or not notice.token:
        return found
    try:
        return svc.bookings.by_token(notice.token)
    except NotFound:
        return None
