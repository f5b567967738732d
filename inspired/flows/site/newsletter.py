"""Newsletter with double opt-in. Answers never reveal whether an address is known."""

from dataclasses import replace
from datetime import timedelta

from inspired.adapters.mail.smtp import Mail
from inspired.adapters.process.languages import language
from inspired.domain.booking.booking import Sealed
from inspired.domain.shared.errors import NotFound, UpstreamError
from inspired.domain.shared.languages import current, reading
from inspired.domain.site import newsletter
from inspired.domain.site.newsletter import Subscriber
from inspired.flows.booking.refreshing import ENQUEUE_AGAIN
from inspired.services import Services


def subscribe(svc: Services, email: str) -> None:
    """Mail the opt-in question to the address. The answer is the same for new and known addresses."""
    now = svc.now()
    index = svc.vault.blind_index("newsletter", email)
    known = svc.subscribers.by_email(index)
    if known is None:
        known = _new(svc, email, index)
        if not svc.subscribers.add(known):
            return
    else:
        known = svc.subscribers.change(known.id, lambda s: newsletter.asked_again(s, now))
    if known.mail_due is not None:
        svc.queue.enqueue_mail("newsletter_mail", known.id)


def find(svc: Services, token: str) -> Subscriber:
    found = svc.subscribers.by_token(token) if token else None
    if found is None:
        raise NotFound("This link is not valid.")
    return found


def confirm(svc: Services, token: str) -> Subscriber:
    return svc.subscribers.change(find(svc, token).id, lambda s: newsletter.confirmed(s, svc.now()))


def unsubscribe(svc: Services, token: str) -> Subscriber:
    return svc.subscribers.change(find(svc, token).id, newsletter.unsubscribed)


def address_of(svc: Services, subscriber: Subscriber) -> str:
    return svc.vault.open(subscriber.sealed.key, subscriber.id, "email", subscriber.sealed.email)


def send_opt_in(svc: Services, subscriber_id: str) -> None:
    """Send the opt-in mail. Counted and postponed before sending, so that only one of two workers sends it."""
    now = svc.now()

    def decide(subscriber: Subscriber) -> Subscriber | None:
        # The sweep postpones it when it enqueues it, so what is due within that time is due now.
        if subscriber.mail_due is None or subscriber.mail_due > now + ENQUEUE_AGAIN:
            return None
        wait = timedelta(seconds=min(60 * 2**subscriber.mail_tries, 3600))
        return replace(subscriber, mail_due=now + wait, mail_tries=subscriber.mail_tries + 1)

    subscriber, is_mine = svc.subscribers.claim(subscriber_id, decide)
    if not is_mine:
        return
    link = f"{svc.settings.site_url}/newsletter/{subscriber.token}"
    with reading(language(subscriber.language)):
        subject, text, html = svc.mail_templates.write("opt_in", {"link": link, "site_url": svc.settings.site_url})
    to = address_of(svc, subscriber)
    mail = Mail(f"{subscriber.id}-{subscriber.version}", to, subject, text, html, unsubscribe=link)
    try:
        svc.smtp.send(mail)
    except UpstreamError as error:
        if error.retryable:
            return
    svc.subscribers.change(subscriber_id, lambda s: replace(s, mail_due=None))


def _new(svc: Services, email: str, index: str) -> Subscriber:
    subscriber_id, now = svc.new_id(), svc.now()
    key = svc.vault.new_key(subscriber_id)
    sealed = Sealed(key=key, email=svc.vault.seal(key, subscriber_id, "email", email.strip()))
    return Subscriber(
        id=subscriber_id,
        token=svc.new_token(),
        sealed=sealed,
        email_index=index,
        created_at=now,
        asked_at=now,
        mail_due=now,
        language=current().code,
    )
