"""Calendly webhooks: verified, kept as evidence, and turned into a task to ask Calendly about the event.

The content is never trusted; Calendly's API is asked.

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
BIZ_TYPE = "CALENDLY"  # marks these webhooks among the evidence
LONGEST_HEADER = 1024
log = structlog.get_logger()


def connect(svc: Services) -> str:
    """Create one subscription for our URL with our newest signing key. Existing ones are deleted first: Calendly
    neither reveals their key nor lets them be changed. Raises Invalid, UpstreamError."""
    if not svc.settings.uses_calendly:
        raise Invalid("This site runs on its own calendar.")
    if not svc.settings.calendly_keys:
        raise Invalid(
            "CALENDLY_SIGNING_KEYS is missing: any 32 or more random characters, such as `openssl rand -hex 32`."
        )
    url = address(svc)
    for subscription in svc.calendly.subscriptions():
        if subscription.url == url:
            svc.calendly.unsubscribe(subscription.uri)
    svc.calendly.subscribe(url, EVENTS, svc.settings.calendly_keys[0])
    return url


def is_connected(svc: Services) -> bool:
    """True if Calendly still sends all events here."""
    url = address(svc)
    return any(
        subscription.url == url and subscription.is_active and subscription.events >= set(EVENTS)
        for subscription in svc.calendly.subscriptions()
    )


def watch(svc: Services) -> bool:
    """Connect automatically the first time. Calendly silently disables a subscription whose webhooks failed for a day:
    then create it again and tell the owner. Returns True if it was created. Raises UpstreamError."""
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
    """The webhook is durable when this returns. None if it matches no booking: then Calendly is polled soon, as it
    would be anyway. Raises BadSignature, and Busy while MongoDB is away."""
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
    """The evidence record, sealed under the booking's key because it names the customer."""
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
    """Find the booking by its invitee, else by the token our page passed to Calendly."""
    found = svc.bookings.by_claim([Invitee(uri) for uri in webhook.invitee_uris])
    if found is not None or not webhook.token:
        return found
    try:
        return svc.bookings.by_token(webhook.token)
    except NotFound:
        return None
