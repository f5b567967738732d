"""Webhooks of Calendly: verified, kept as evidence, and written into the booking they are about as something owed: to
ask what became of its event. What a notice says is never believed; Calendly's API is asked.

https://developer.calendly.com/api-docs/receiving-data-from-scheduled-events-in-real-time-with-webhook-subscriptions
"""

import structlog

from inspired.adapters.mongo.payment_logs import Webhook
from inspired.adapters.providers import calendly
from inspired.domain.booking import customer_actions
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.claims import Invitee
from inspired.domain.shared.errors import Invalid, NotFound
from inspired.flows.shared import owner_notifications
from inspired.services import Services

EVENTS = ("invitee.created", "invitee.canceled")
BIZ_TYPE = "CALENDLY"  # among the notices of the evidence
LONGEST_HEADER = 1024
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
    """Connected the first time by itself. Calendly disables a subscription whose webhooks failed for a day, and tells
    nobody: then it is made anew, and the owner is told. True where it was made. Raises UpstreamError."""
    if not svc.settings.uses_calendly or not svc.settings.calendly_keys:
        return False
    if is_connected(svc):
        svc.calendly_sync_state.connected()
        return False
    was_connected = svc.calendly_sync_state.get().connected
    url = connect(svc)
    log.warning("calendar_connected", again=was_connected)
    if was_connected:
        owner_notifications.owner(svc, "reconnected", svc.now().isoformat(), url=url)
    svc.calendly_sync_state.connected()
    return True


def address(svc: Services) -> str:
    return f"{svc.settings.site_url}/api/calendly/webhook"


def receive(svc: Services, header: str, raw: bytes) -> Booking | None:
    """Durable when it returns. None where the event is nobody's here: Calendly is looked at soon, and would have been
    without it. Raises BadSignature, and Busy while the database is away."""
    webhook = calendly.verified(raw, header, svc.settings.calendly_keys)
    svc.calendly_sync_state.noticed(svc.now())
    booking = _booking_of(svc, webhook)
    kept = _kept(svc, webhook, booking, header, raw)
    svc.logs.add_webhook(kept)
    if booking is None:
        log.info("calendar_notice_of_nobody", what=webhook.what)
        svc.queue.enqueue_mail("watch_calendar")
        svc.logs.finished(kept, "nobody's here: Calendly is looked at", svc.now())
        return None
    booking = svc.bookings.change(
        booking.id, lambda b: customer_actions.to_follow(b, webhook.id, svc.now()), known=booking
    )
    svc.logs.finished(kept, "Calendly is asked what became of the event", svc.now())
    svc.queue.enqueue("refresh", booking.id)
    return booking


def _kept(svc: Services, webhook: calendly.Notified, booking: Booking | None, header: str, raw: bytes) -> Webhook:
    """For the evidence: sealed under the booking's key, since it names its customer."""
    webhook_id = f"{BIZ_TYPE}:{webhook.id}"
    if booking is not None and booking.sealed is not None:
        owner, key = booking.id, booking.sealed.key
    else:
        owner, key = webhook_id, svc.vault.new_key(webhook_id)
    return Webhook(
        id=webhook_id,
        at=svc.now(),
        biz_type=BIZ_TYPE,
        biz_status=webhook.what,
        trade_no="",
        booking_id=booking.id if booking else "",
        raw=svc.vault.seal(key, owner, "notice", raw.decode("utf-8", "replace")),
        key=key,
        key_owner=owner,
        headers={"signature": header[:LONGEST_HEADER]},
        work_at=None,
    )


def _booking_of(svc: Services, webhook: calendly.Notified) -> Booking | None:
    """By the invitee that is its slot, else by the token our own page sent along."""
    found = svc.bookings.by_claim([Invitee(uri) for uri in webhook.invitee_uris])
    if found is not None or not webhook.token:
        return found
    try:
        return svc.bookings.by_token(webhook.token)
    except NotFound:
        return None
