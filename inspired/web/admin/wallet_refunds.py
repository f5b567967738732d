"""Refunds that the owner sends from a wallet."""

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from inspired.domain.booking import wallet_refunds as rules
from inspired.domain.booking.booking import Booking
from inspired.domain.shared.errors import Conflict, Invalid, NotFound, Refusal
from inspired.flows.booking import wallet_refunds
from inspired.flows.site import receiving
from inspired.web.admin.booking_details import person_of
from inspired.web.shared import auth
from inspired.web.shared.current import services
from inspired.web.shared.forms import TransactionForm, read
from inspired.web.shared.htmx import go
from inspired.web.shared.refusals import refusals_shown_by

bp = Blueprint("wallet_refunds", __name__, url_prefix="/admin")
bp.before_request(auth.admit)


@bp.get("/bookings/<booking_id>/refunds/<refund_id>/wallet")
def send(booking_id: str, refund_id: str, refusal: Refusal | None = None) -> str:
    """Amount, network and address, once the customer has confirmed one; else what is waited for."""
    svc = services()
    booking, me = svc.bookings.get(booking_id), auth.session_of(svc).person_id
    refund = booking.find_refund(refund_id)
    network = rules.network_of(booking, refund) if refund else None
    if refund is None or network is None or refund.amount is None:
        raise NotFound("There is no such refund to be sent from a wallet.")
    above, why_not, wanted = wallet_refunds.two_owners_above(svc), "", None
    try:
        wanted = wallet_refunds.to_send(svc, booking, refund_id, me)
    except Conflict as conflict:
        why_not = str(conflict)
    return render_template(
        "admin/wallet_refunds/send.html",
        booking=booking,
        person=person_of(svc, booking),
        refund=refund,
        network=network,
        wanted=wanted,
        why_not=why_not,
        may_approve=(refund.waits_for_wallet or refund.waits_for_customer)
        and not refund.approved_by
        and rules.needs_second_owner(refund, wallet_refunds.owners(svc), above),
        wallets=receiving.wallets_shown(svc, network.facts.kind),
        kind=network.facts.kind,
        values=request.form.to_dict(),
        errors=refusal.fields if isinstance(refusal, Invalid) else {},
        message=str(refusal) if refusal else "",
    )


@bp.post("/bookings/<booking_id>/refunds/<refund_id>/wallet")
@refusals_shown_by(send)
def send_submit(booking_id: str, refund_id: str) -> ResponseReturnValue:
    svc = services()
    form, me = read(TransactionForm, request.form), auth.session_of(svc).person_id
    after = wallet_refunds.enter_transaction(svc, booking_id, refund_id, form.transaction, me)
    return _said(after, refund_id)


@bp.post("/bookings/<booking_id>/refunds/<refund_id>/find")
@refusals_shown_by(send)
def find(booking_id: str, refund_id: str) -> ResponseReturnValue:
    """Instead of the hash: what came from a named wallet since the customer confirmed the address."""
    svc = services()
    me = auth.session_of(svc).person_id
    return _said(wallet_refunds.find_transaction(svc, booking_id, refund_id, me), refund_id)


def _said(after: Booking, refund_id: str) -> ResponseReturnValue:
    svc, booking_id = services(), after.id
    refund = after.find_refund(refund_id)
    if refund is None or refund.sent_with is None or refund.amount is None:
        raise Conflict("Meanwhile this refund was changed. Please look again.")
    auth.note(svc, "refund_sent_from_wallet", booking_id, f"{refund.amount.shown}, {refund.sent_with.log.tx_hash}")
    told = (
        "has gone back: the transaction is final, and the customer is told by mail."
        if refund.is_gone
        else "was seen, and is not final yet. It is asked about until it is, and then the customer is told by mail."
    )
    return go(_page_of(booking_id), said=f"The refund of {refund.amount.shown} {told}")


@bp.post("/bookings/<booking_id>/refunds/<refund_id>/approve")
@refusals_shown_by(send)
def approve(booking_id: str, refund_id: str) -> ResponseReturnValue:
    svc = services()
    after = wallet_refunds.approve(svc, booking_id, refund_id, auth.session_of(svc).person_id)
    refund = after.find_refund(refund_id)
    amount = refund.amount.shown if refund and refund.amount else ""
    auth.note(svc, "refund_approved", booking_id, amount)
    return go(_page_of(booking_id), said=f"You have approved the refund of {amount}. Another owner sends it.")


def _page_of(booking_id: str) -> str:
    return url_for("booking_details.booking", booking_id=booking_id)
