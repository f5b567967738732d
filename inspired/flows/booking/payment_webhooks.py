"""Binance Pay webhooks: verified, saved, acknowledged; a job then asks the provider."""

import hashlib
from datetime import timedelta

import structlog

from inspired.adapters.mail.smtp import Mail
from inspired.adapters.mongo.ledger_store import Orphan
from inspired.adapters.mongo.payment_logs import RejectedWebhook, Webhook
from inspired.adapters.mongo.spellings import applied_out
from inspired.adapters.providers.binance import WebhookHeaders
from inspired.adapters.providers.binance_webhooks import Facts, is_about_an_order, read_webhook
from inspired.domain.booking import ledger
from inspired.domain.booking.booking import Booking, booking_id_of
from inspired.domain.booking.delivery import LEASE
from inspired.domain.booking.lifecycle import OrderObservation
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.refunds import RefundSeen
from inspired.domain.booking.states import Remote
from inspired.domain.shared.errors import NotFound, UpstreamError
from inspired.flows.booking import refreshing
from inspired.flows.shared import owner_notifications
from inspired.services import Services

KEPT_OF_REFUSED = 4096  # bytes
LONGEST_HEADER = 1024
REFUSALS_AN_HOUR = 200
TELL_FOR = timedelta(days=2)  # how long to try to mail the owner about a payment for an unknown order
log = structlog.get_logger()


def receive(svc: Services, headers: WebhookHeaders, raw: bytes) -> bool:
    """Verify, save, enqueue. Returns only once the webhook is durable; False if it was known already.

    Raises BadSignature; UpstreamError while certificates cannot be fetched; Busy while MongoDB is away.
    """
    svc.binance.verify_webhook(headers, raw, seconds=1.5, order=lambda: _order_of_ours(svc, raw))
    facts = read_webhook(raw)
    booking = booking_of(svc, facts.trade_no)
    webhook_id = f"{facts.biz_type}:{facts.biz_id}:{facts.biz_status}:{facts.data_hash}"
    if booking is not None and booking.sealed is not None:
        owner, key = booking.id, booking.sealed.key
    else:
        owner, key = webhook_id, svc.vault.new_key(webhook_id)
    is_new = svc.logs.add_webhook(
        Webhook(
            id=webhook_id,
            at=svc.now(),
            biz_type=facts.biz_type,
            biz_status=facts.biz_status,
            trade_no=facts.trade_no,
            booking_id=booking.id if booking else "",
            raw=svc.vault.seal(key, owner, "notice", raw.decode("utf-8", "replace")),
            key=key,
            key_owner=owner,
            headers=_kept(headers),
            work_at=svc.now(),
        )
    )
    svc.queue.enqueue_webhook("work_webhook", webhook_id)
    return is_new


def _order_of_ours(svc: Services, raw: bytes) -> str:
    """The number of our order that the body names, else "". This proves nothing yet; but only Binance, the customer and
    we know such a number."""
    trade_no = read_webhook(raw).trade_no
    is_number = trade_no.isascii() and trade_no.isalnum()
    return trade_no if is_number and booking_of(svc, trade_no) is not None else ""


def work(svc: Services, webhook_id: str) -> None:
    """Process a webhook by querying the provider. Safe to run twice."""
    webhook = svc.logs.get(webhook_id)
    if webhook.work_at is None:
        return
    svc.logs.lease(webhook.id, svc.now() + timedelta(milliseconds=svc.settings.webhook_retry_delay_ms))
    if not is_about_an_order(webhook.biz_type):
        return svc.logs.finished(webhook, "ignored: not about an order", svc.now())
    facts = read_webhook(svc.vault.open(webhook.key, webhook.key_owner, "notice", webhook.raw).encode())
    booking = booking_of(svc, webhook.trade_no)
    if booking is None:
        return _orphan(svc, webhook, facts)
    after = refreshing.update_and_enqueue(svc, booking.id, payments(webhook, facts), _refunds(svc, facts))
    svc.logs.finished(webhook, applied_out(after.state), svc.now())


def payments(webhook: Webhook, facts: Facts) -> list[OrderObservation]:
    if not facts.tells_of_payment:
        return []
    observation = OrderObservation(
        trade_no=facts.trade_no,
        asked_at=webhook.at,
        status=Remote.PAID,
        money=facts.money,
        commission=facts.commission,
        prepay_id=facts.biz_id,
        transaction_id=facts.transaction_id,
        paid_at=facts.paid_at,
        by_query=False,
    )
    return [observation]


def _refunds(svc: Services, facts: Facts) -> list[RefundSeen]:
    """A refund webhook only triggers a query of the provider for the outcome, also for an id that is not ours."""
    if not facts.tells_of_refund:
        return []
    currency = facts.money.currency if facts.money else "USDT"
    return [svc.binance.query_refund(facts.refund_id, currency, trade_no=facts.trade_no)]


def booking_of(svc: Services, trade_no: str) -> Booking | None:
    try:
        booking = svc.bookings.get(booking_id_of(trade_no))
    except NotFound:
        return None
    return booking if booking.find_order(trade_no) else None


def _orphan(svc: Services, webhook: Webhook, facts: Facts) -> None:
    """Signed, but for no order of ours. The money is kept, booked as owed to an unknown payer, and reported to the
    owner."""
    if not facts.tells_of_payment:
        return svc.logs.finished(webhook, "ignored: no order of ours, and no payment", svc.now())
    orphan = Orphan(webhook.id, webhook.at, webhook.trade_no, facts.money, facts.transaction_id, open_since=webhook.at)
    svc.orphans.add(orphan)
    if facts.money is not None:
        svc.ledger.post(webhook.id, [ledger.orphan(webhook.id, RailId.BINANCE_PAY, facts.money, webhook.at)])
    now = svc.now()
    if not svc.orphans.tell(orphan.id, now, now + LEASE):
        return  # another worker is mailing; the webhook stays due until that is done
    context = {
        "biz_status": webhook.biz_status,
        "trade_no": webhook.trade_no,
        "amount": facts.money.shown if facts.money else "an amount that cannot be read",
        "at": webhook.at.isoformat(" ", "seconds"),
        "site_url": svc.settings.site_url,
    }
    subject, text, html = svc.mail_templates.write("orphan", context)
    mail_id = hashlib.sha256(webhook.id.encode()).hexdigest()[:32]
    try:
        owner_notifications.everybody(svc, "alerts", lambda to: Mail(mail_id, to, subject, text, html))
    except UpstreamError as error:
        log.warning("orphan_unsent", webhook=webhook.id, error=str(error))
        if svc.now() - webhook.at < TELL_FOR:
            return
    svc.logs.finished(webhook, "orphan", svc.now())


def settle_orphan(svc: Services, orphan_id: str, note: str) -> None:
    """The owner records what became of the money; the books follow, once.

    Post to the books first: if that repeats after a crash, it posts only once. In the other order, a crash would leave
    the books wrong and nothing would correct them.
    """
    orphan = svc.orphans.get(orphan_id)
    if orphan.money is not None:
        svc.ledger.post(orphan_id, [ledger.orphan_settled(orphan_id, RailId.BINANCE_PAY, orphan.money, svc.now())])
    svc.orphans.settle(orphan_id, note, svc.now())


def refused(svc: Services, headers: WebhookHeaders, raw: bytes, why: str) -> None:
    """Keep a webhook that failed verification too, truncated and sealed, up to a number per hour."""
    body = raw[:KEPT_OF_REFUSED].decode("utf-8", "replace")
    refusal_id = f"refused:{svc.new_id()}"
    key = svc.vault.new_key(refusal_id)
    refusal = RejectedWebhook(
        refusal_id, svc.now(), why, _kept(headers), svc.vault.seal(key, refusal_id, "notice", body), key
    )
    svc.logs.add_rejected(refusal, most=REFUSALS_AN_HOUR, within=timedelta(hours=1))


def _kept(headers: WebhookHeaders) -> dict[str, str]:
    return {
        "serial": headers.serial[:LONGEST_HEADER],
        "timestamp": headers.timestamp[:LONGEST_HEADER],
        "nonce": headers.nonce[:LONGEST_HEADER],
        "signature": headers.signature[:LONGEST_HEADER],
    }
