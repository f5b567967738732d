"""The owner's money pages: refunds, stuck refunds, unknown payments, ledger, reconciliation."""

from datetime import datetime, timedelta
from typing import Any

import structlog
from flask import Blueprint, Response, jsonify, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from spectree import Response as Documented

from inspired.domain.booking import customer_actions, ledger
from inspired.domain.booking.balance import kept_of
from inspired.domain.booking.booking import Booking, Refund
from inspired.domain.booking.refunds import AllOfIt, OfOneOrder, PartOfIt, Preview, Wanted, refundable, uncounted
from inspired.domain.booking.states import State
from inspired.domain.sentences import rails
from inspired.domain.sentences.owner_pages import asked_said, lefts, refund_said
from inspired.domain.shared.errors import Conflict, Invalid, NotFound, Refusal
from inspired.domain.shared.money import Money
from inspired.flows.booking import chain_reconciling, payment_webhooks, reconciling, refreshing, refunding
from inspired.services import Services
from inspired.web.admin import booking_details
from inspired.web.admin.booking_details import BEGINNING, person_of
from inspired.web.public.api import json_object, spec
from inspired.web.public.api_document import SESSION
from inspired.web.public.schemas import LONGEST_KEY, Problem, RefundAnswer, RefundHeaders, RefundRequest, parsed
from inspired.web.shared import auth
from inspired.web.shared.current import services
from inspired.web.shared.display_money import balance_rows, may_refund_a_part
from inspired.web.shared.forms import ByHandForm, OrphanForm, RefundConfirmedForm, RefundForm, read
from inspired.web.shared.htmx import go
from inspired.web.shared.refusals import refusals_shown_by

ASK_SECONDS = 1.0
DEPRECATED_SINCE = "@1795910400"  # 2026-11-29, in the format of https://www.rfc-editor.org/rfc/rfc9745
log = structlog.get_logger()

bp = Blueprint("money", __name__, url_prefix="/admin")
bp.before_request(auth.admit)
api_bp = Blueprint("money_api", __name__, url_prefix="/api/admin")
api_bp.before_request(auth.admit_api)


# --- a refund: form, preview, confirmation --------------------------------------------------------------------------


@bp.get("/bookings/<booking_id>/refund")
def refund(booking_id: str, refusal: Refusal | None = None) -> str:
    svc = services()
    booking = svc.bookings.get(booking_id)
    values = {"order": request.args.get("order", ""), **request.form.to_dict(), "request": svc.new_token()}
    alone = {str(order.number): left.shown for order, left in uncounted(booking)}
    return render_template(
        "admin/money/refund.html",
        booking=booking,
        alone=alone,
        only=alone.get(values["order"], ""),
        person=person_of(svc, booking),
        left=refundable(booking),
        lefts=lefts(booking),
        in_parts=may_refund_a_part(booking),
        by_policy=customer_actions.goes_back(booking, svc.now()),
        values=values,
        errors=refusal.fields if isinstance(refusal, Invalid) else {},
        message=str(refusal) if refusal else "",
    )


@bp.post("/bookings/<booking_id>/refund/preview")
@refusals_shown_by(refund)
def refund_preview(booking_id: str) -> ResponseReturnValue:
    """By POST, so that the reason is in no URL. Nothing is changed."""
    svc = services()
    booking = svc.bookings.get(booking_id)
    return preview_page(svc, booking, read(RefundForm, request.form))


def preview_page(svc: Services, booking: Booking, form: RefundForm) -> str:
    """What this refund would do, and the button for it. Raises Invalid, Conflict."""
    preview = refunding.preview(svc, booking, _wanted(booking, form.amount, form.order), cancels=form.wanted)
    return render_template(
        "admin/money/refund_preview.html",
        booking=booking,
        person=person_of(svc, booking),
        form=form,
        preview=preview,
        what=preview.amount.shown
        if form.amount or form.order or len(lefts(booking)) == 1
        else ", ".join(lefts(booking)),
        lefts=lefts(booking),
        by_policy=customer_actions.goes_back(booking, svc.now()),
    )


@bp.post("/bookings/<booking_id>/refund")
@refusals_shown_by(refund)
def refund_submit(booking_id: str) -> ResponseReturnValue:
    svc = services()
    booking = svc.bookings.get(booking_id)
    form = read(RefundConfirmedForm, request.form)
    is_new = not refunding.of_request(svc, booking, form.request)
    after = refunding.refund(
        svc,
        booking_id,
        _wanted(booking, form.amount, form.order),
        cancels=form.wanted,
        note=form.reason,
        request=form.request,
        seen=form.seen,
    )
    if is_new:
        _note_refund(svc, booking_id, form.amount, cancels=form.wanted is True)
    said = refund_said(after, refunding.of_request(svc, after, form.request))
    return go(_page_of(booking_id), said=said if is_new else f"This was done already, and not once more. {said}")


def _note_refund(svc: Services, booking_id: str, amount: str, *, cancels: bool) -> None:
    how = f"{amount or 'all of it'}{', the call is cancelled' if cancels else ''}"
    auth.note(svc, "refunded", booking_id, how)


def _wanted(booking: Booking, amount: str | None, order: int | None) -> Wanted:
    """Raises Invalid."""
    if order and amount:
        raise Invalid(refunding.AS_A_WHOLE)
    if order:
        return OfOneOrder(order)
    return PartOfIt(Money.parse(amount, booking.price.currency)) if amount else AllOfIt()


# --- refunds that are stuck, and asking again -----------------------------------------------------------------------


@bp.post("/bookings/<booking_id>/refunds/<refund_id>/again")
def try_again(booking_id: str, refund_id: str) -> ResponseReturnValue:
    svc = services()
    before = svc.bookings.get(booking_id).find_refund(refund_id)
    refunding.try_again(svc, booking_id, refund_id)
    auth.note(svc, "refund_again", booking_id)
    what = before.amount.shown if before and before.amount else "The refund"
    return go(_page_of(booking_id), said=f"{what} is sent back once more. Under “Money” you see what comes of it.")


def _of_refund(booking_id: str, refund_id: str, refusal: Refusal) -> str:
    return booking_details.booking(booking_id, refusal)


@bp.post("/bookings/<booking_id>/refunds/<refund_id>/by-hand")
@refusals_shown_by(_of_refund)
def by_hand(booking_id: str, refund_id: str) -> ResponseReturnValue:
    svc = services()
    booking = svc.bookings.get(booking_id)
    form = read(ByHandForm, request.form)
    amount = Money.parse(form.amount, _currency(booking, refund_id))
    refunding.settled_by_hand(svc, booking_id, refund_id, amount, form.note)
    auth.note(svc, "refund_by_hand", booking_id, amount.shown)
    told = f"{amount.shown} is written into the books as returned by you. No money moved by this, and no mail goes out."
    return go(_page_of(booking_id), said=told)


def _currency(booking: Booking, refund_id: str) -> str:
    """The refund's own currency, else that of its payment."""
    found = booking.find_refund(refund_id)
    order = booking.find_order(found.trade_no) if found else None
    money = (found and found.amount) or (order and order.received) or booking.price
    return money.currency


def _of_order(booking_id: str, trade_no: str, refusal: Refusal) -> str:
    return booking_details.booking(booking_id, refusal)


@bp.post("/bookings/<booking_id>/agree")
def agree(booking_id: str) -> ResponseReturnValue:
    svc = services()
    after = refunding.agree(svc, booking_id)
    auth.note(svc, "part_agreed", booking_id)
    return go(
        _page_of(booking_id), said=f"Written down: the call stands with {kept_of(after).shown}. No mail goes out."
    )


@bp.post("/bookings/<booking_id>/orders/<trade_no>/let-count")
@refusals_shown_by(_of_order)
def let_count(booking_id: str, trade_no: str) -> ResponseReturnValue:
    svc = services()
    after = refunding.let_count(svc, booking_id, trade_no)
    order = after.find_order(trade_no)
    amount = order.received.shown if order and order.received else "It"
    auth.note(svc, "money_let_count", booking_id, amount)
    return go(_page_of(booking_id), said=f"{amount} counts for this booking now, like any other payment.")


@bp.post("/bookings/<booking_id>/ask")
def ask(booking_id: str) -> ResponseReturnValue:
    """Ask about every order of the booking; a job handles what follows."""
    svc = services()
    booking = svc.bookings.get(booking_id)
    if booking.state is State.DRAFT:
        raise Conflict(f"There is nothing to ask {rails.of(booking.rail).asked} about yet.")
    after, answers = refreshing.ask_about_all(svc, booking, seconds=ASK_SECONDS)
    svc.queue.enqueue("refresh", booking_id)
    return go(_page_of(booking_id), said=asked_said(booking, after, answers))


def _page_of(booking_id: str) -> str:
    """Without a fragment, since the result is shown at the top."""
    return url_for("booking_details.booking", booking_id=booking_id)


# --- the money page -------------------------------------------------------------------------------------------------


@bp.get("/money")
def money(refusal: Invalid | None = None) -> str:
    svc = services()
    tomorrow: datetime = svc.now() + timedelta(days=1)
    balances = ledger.balances(entry for _, entry in svc.ledger.all(BEGINNING, tomorrow))
    return render_template(
        "admin/money/money.html",
        balances=list(balance_rows(balances)),
        orphans=svc.orphans.waiting(),
        cases=svc.cases.waiting(),
        run=svc.runs.get(reconciling.NAME),
        said=request.args.get("reconcile", ""),
        message=str(refusal) if refusal else "",
    )


@bp.post("/money/orphans")
@refusals_shown_by(money, Invalid)
def settle_orphan() -> ResponseReturnValue:
    svc = services()
    form = read(OrphanForm, request.form)
    payment_webhooks.settle_orphan(svc, form.orphan, form.note)
    auth.note(svc, "orphan_settled", form.orphan)
    return go(url_for("money.money"), said="Written down: that payment is settled. No money moved by this.")


@bp.post("/money/reconcile")
def reconcile() -> ResponseReturnValue:
    svc = services()
    started = reconciling.start(svc)
    chain_reconciling.start(svc)
    if started:
        auth.note(svc, "reconciled", "")
    return go(url_for("money.money", reconcile="started" if started else "at-work"))


# --- the API --------------------------------------------------------------------------------------------------------


@api_bp.post("/payments/<booking_id>/refund")
@spec.validate(
    json=RefundRequest,
    headers=RefundHeaders,
    resp=Documented(
        HTTP_200=RefundAnswer,
        HTTP_401=Problem,
        HTTP_403=Problem,
        HTTP_404=Problem,
        HTTP_409=Problem,
        HTTP_422=Problem,
    ),
    security={SESSION: []},
    skip_validation=True,
    tags=["admin"],
)
def refund_payment(booking_id: str) -> Response:
    """Give money back: of the `bookingId` in the list of payments. Needs a login of the last quarter of an hour, as the
    page does, and an `Idempotency-Key` header: the same request under the same key is done once."""
    svc = services()
    auth.refuse_foreign(svc)
    wanted = parsed(RefundRequest, json_object())
    booking = _named(svc, booking_id)
    what, key = _wanted(booking, wanted.amount, wanted.order), request.headers.get("Idempotency-Key", "")
    if not 0 < len(key) <= LONGEST_KEY:
        message = "A refund needs an Idempotency-Key of 1 to 255 characters."
        raise Invalid(message, {"Idempotency-Key": "is missing or too long"})
    before = refunding.of_request(svc, booking, key)
    preview = None if before else refunding.preview(svc, booking, what, cancels=wanted.cancelCall)
    if not wanted.preview:
        booking = refunding.refund(
            svc,
            booking.id,
            what,
            cancels=wanted.cancelCall,
            note=wanted.reason,
            request=key,
            seen=None,
        )
        if preview is not None:
            _note_refund(svc, booking.id, wanted.amount or "", cancels=preview.cancels)
    response = make_response(jsonify(_answer(svc, booking, key, preview, is_preview=wanted.preview)))
    response.headers["Cache-Control"] = "no-store"
    if booking_id != booking.id:
        response.headers["Deprecation"] = DEPRECATED_SINCE
    return response


def _named(svc: Services, booking_id: str) -> Booking:
    """By its id; for one release also by the customer's token, which the list of payments used to return. Raises
    NotFound."""
    try:
        return svc.bookings.get(booking_id)
    except NotFound:
        booking = svc.bookings.by_token(booking_id)
    log.warning("refund_asked_by_token", booking=booking.id)
    return booking


def _answer(svc: Services, booking: Booking, key: str, preview: Preview | None, *, is_preview: bool) -> dict[str, Any]:
    body = {
        "success": True,
        "refunds": [
            _shape(given_back) for given_back in refunding.of_request(svc, booking, key) if given_back.reserves
        ],
        "status": str(booking.state),
        "left": str(refundable(booking)),
        "currency": booking.price.currency,
        "warnings": list(preview.warnings) if preview else [],
    }
    if is_preview and preview is not None:
        body["preview"] = {
            "amount": str(preview.amount),
            "currency": preview.amount.currency,
            "remains": str(preview.remains),
            "cancelsCall": preview.cancels,
            "byPolicy": str(customer_actions.goes_back(booking, svc.now())),
            "blocked": preview.blocked,
        }
    return body


def _shape(given_back: Refund) -> dict[str, Any]:
    return {
        "id": given_back.id,
        "amount": str(given_back.amount),
        "currency": given_back.amount.currency if given_back.amount else None,
        "status": "waiting" if given_back.is_stuck else "done" if given_back.is_gone else "under_way",
        "reason": str(given_back.cause),
    }
