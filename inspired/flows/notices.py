"""Webhooks of Binance Pay: verified, written down, acknowledged; worked on by a job that asks the provider.

https://developers.binance.com/docs/binance-pay/webhook-common · …/order-notification
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from inspired.adapters.binance import NoticeHeaders, read_json, read_moment, read_money, read_text
from inspired.adapters.mail import Mail
from inspired.adapters.mongo import Notice
from inspired.domain.booking import Booking, Remote, booking_id_of
from inspired.domain.errors import NotFound, UpstreamError
from inspired.domain.lifecycle import Seen
from inspired.domain.money import Money
from inspired.flows import refreshing
from inspired.services import Services

TELL_FOR = timedelta(days=2)  # how long the owner is tried to be told of a payment nobody knows
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a notice says. `biz_id` is the order's prepay id, as text (it does not fit 64 bits for sure)."""

    biz_type: str
    biz_id: str
    biz_status: str
    trade_no: str
    money: Money | None
    transaction_id: str
    paid_at: datetime | None
    data_hash: str


def receive(svc: Services, headers: NoticeHeaders, raw: bytes) -> bool:
    """Verify, write, ring. Returns only when the notice is durable; False where it was known already.

    Raises BadSignature; UpstreamError while certificates cannot be fetched; Busy while the database is away.
    """
    svc.pay.verify_notice(headers, raw, seconds=1.5)
    facts = read_notice(raw)
    booking = _booking_of(svc, facts.trade_no)
    notice_id = f"{facts.biz_type}:{facts.biz_id}:{facts.biz_status}:{facts.data_hash}"
    if booking is not None and booking.sealed is not None:
        owner, key = booking.id, booking.sealed.key
    else:
        owner, key = notice_id, svc.vault.new_key(notice_id)
    is_new = svc.logs.add_notice(
        Notice(
            id=notice_id,
            at=svc.now(),
            biz_type=facts.biz_type,
            biz_status=facts.biz_status,
            trade_no=facts.trade_no,
            booking_id=booking.id if booking else "",
            raw=svc.vault.seal(key, owner, "notice", raw.decode("utf-8", "replace")),
            key=key,
            key_owner=owner,
            headers={
                "serial": headers.serial,
                "timestamp": headers.timestamp,
                "nonce": headers.nonce,
                "signature": headers.signature,
            },
            work_at=svc.now(),
        )
    )
    svc.bell.ring_for_notice("work_notice", notice_id)
    return is_new


def work(svc: Services, notice_id: str) -> None:
    """What follows from a notice: our own question to the provider. Safe to run twice."""
    notice = svc.logs.get(notice_id)
    if notice.work_at is None:
        return
    svc.logs.lease(notice.id, svc.now() + timedelta(milliseconds=svc.settings.webhook_retry_delay_ms))
    if notice.biz_type not in ("PAY", "PAY_REFUND"):
        return svc.logs.finished(notice.id, "ignored: not about an order")
    booking = _booking_of(svc, notice.trade_no)
    if booking is None:
        return _orphan(svc, notice)
    facts = read_notice(svc.vault.open(notice.key, notice.key_owner, "notice", notice.raw).encode())
    seen = (
        []
        if facts.biz_status != "PAY_SUCCESS"
        else [
            Seen(
                trade_no=facts.trade_no,
                asked_at=notice.at,
                status=Remote.PAID,
                money=facts.money,
                transaction_id=facts.transaction_id,
                paid_at=facts.paid_at,
                by_query=False,
            )
        ]
    )
    after = refreshing.update_and_ring(svc, booking.id, seen)
    svc.logs.finished(notice.id, f"applied: {after.state}")


def read_notice(raw: bytes) -> Facts:
    """Tolerant of everything but the signature: what cannot be read is empty, and the query decides anyway."""
    outer = _object(raw)
    data_text = outer.get("data")
    data_raw = data_text.encode("utf-8", "replace") if isinstance(data_text, str) else raw
    data = _object(data_raw) if isinstance(data_text, str) else data_text if isinstance(data_text, dict) else {}
    return Facts(
        biz_type=read_text(outer.get("bizType"), 32),
        biz_id=read_text(outer.get("bizIdStr") or outer.get("bizId"), 64),
        biz_status=read_text(outer.get("bizStatus"), 32),
        trade_no=read_text(data.get("merchantTradeNo"), 32),
        money=read_money(data.get("totalFee"), data.get("currency")),
        transaction_id=read_text(data.get("transactionId"), 128),
        paid_at=read_moment(data.get("transactTime")),
        data_hash=hashlib.sha256(data_raw).hexdigest()[:16],
    )


def _booking_of(svc: Services, trade_no: str) -> Booking | None:
    try:
        booking = svc.bookings.get(booking_id_of(trade_no))
    except NotFound:
        return None
    return booking if booking.find_attempt(trade_no) else None


def _orphan(svc: Services, notice: Notice) -> None:
    """Signed, but about no order of ours. Not dropped: the owner is told, and it stays in the log."""
    context = {
        "biz_status": notice.biz_status,
        "trade_no": notice.trade_no,
        "at": notice.at.isoformat(" ", "seconds"),
        "site_url": svc.settings.site_url,
    }
    subject, text, html = svc.letters.write("orphan", context)
    mail_id = hashlib.sha256(notice.id.encode()).hexdigest()[:32]
    try:
        svc.smtp.send(Mail(mail_id, svc.settings.owner_email, subject, text, html))
    except UpstreamError as error:
        log.warning("orphan_unsent", notice=notice.id, error=str(error))
        if svc.now() - notice.at < TELL_FOR:
            return
    svc.logs.finished(notice.id, "orphan")


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = read_json(raw)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
