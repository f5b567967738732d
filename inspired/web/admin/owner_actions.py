"""The owner's actions on one booking: each button's consequence is explained on a page or beside it."""

from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from inspired.domain.booking import customer_actions, owner_actions
from inspired.domain.booking.balance import kept_of, nothing
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.states import HandKind, State
from inspired.domain.sentences import owner, rails
from inspired.domain.sentences.owner_pages import lefts
from inspired.domain.shared.errors import Conflict, Invalid, Refusal
from inspired.domain.shared.money import Money
from inspired.domain.shared.timezones import in_words
from inspired.flows.booking import booking as bookings
from inspired.flows.booking import owner_actions as flow
from inspired.flows.site import retention
from inspired.services import Services
from inspired.web.admin import booking_details
from inspired.web.admin.booking_details import person_of
from inspired.web.admin.money import preview_page
from inspired.web.public.booking import times_of
from inspired.web.shared import auth
from inspired.web.shared.current import services
from inspired.web.shared.forms import (
    AgainForm,
    AmountForm,
    CallOffConfirmedForm,
    CallOffForm,
    LetterForm,
    NoteForm,
    OwnersMoveForm,
    OwnTimeForm,
    RefundForm,
    VouchForm,
    read,
)
from inspired.web.shared.htmx import go, wants_fragment
from inspired.web.shared.refusals import refusals_shown_by

bp = Blueprint("owner_actions", __name__, url_prefix="/admin/bookings/<booking_id>")
bp.before_request(auth.admit)


# --- notes, mails, letters ------------------------------------------------------------------------------------------


@bp.post("/notes")
@refusals_shown_by(booking_details.booking)
def note(booking_id: str) -> ResponseReturnValue:
    svc = services()
    form = read(NoteForm, request.form)
    flow.note(svc, booking_id, _who(svc), form.text)
    return _done(svc, booking_id, "note", said="Your note is kept. The customer does not see it.")


@bp.post("/mails")
@refusals_shown_by(booking_details.booking)
def send_again(booking_id: str) -> ResponseReturnValue:
    svc = services()
    form = read(AgainForm, request.form)
    email = flow.send_again(svc, booking_id, form.mail)
    way = "comes to you" if email.template.is_to_owner else "goes out to the customer"
    said = f"The mail “{owner.EMAILS[email.template]}” {way} once more."
    return _done(svc, booking_id, "mail_again", form.mail, said=said)


@bp.get("/letter")
def letter(booking_id: str, refusal: Refusal | None = None) -> str:
    svc = services()
    return _page("letter", svc, svc.bookings.get(booking_id), refusal)


@bp.post("/letter")
@refusals_shown_by(letter)
def letter_submit(booking_id: str) -> ResponseReturnValue:
    svc = services()
    form = read(LetterForm, request.form)
    flow.write(svc, booking_id, _who(svc), form.text)
    return _done(svc, booking_id, "letter", said="Your letter goes out to the customer by mail.")


# --- the customer's own page -----------------------------------------------------------------------------------------


@bp.get("/customers-page")
def customers_page(booking_id: str) -> ResponseReturnValue:
    """This page allows cancelling with a refund as the customer, so opening it is audited first."""
    svc = services()
    booking = svc.bookings.get(booking_id)
    auth.note(svc, "opened_customers_page", booking_id)
    return redirect(url_for("booking.show", token=booking.token), 303)


# --- moving ---------------------------------------------------------------------------------------------------------


@bp.get("/move")
def move(booking_id: str, refusal: Refusal | None = None) -> str:
    svc = services()
    booking = svc.bookings.get(booking_id)
    times = times_of(booking.meeting_type, url=request.path, mine=booking.id, from_form=request.form.to_dict())
    if wants_fragment() and refusal is None:
        return render_template("booking/_times.html", times=times)
    return _page(
        "move",
        svc,
        booking,
        refusal,
        times=times,
        allowed=owner_actions.may_move(booking, svc.now()),
        uses_calendly=svc.settings.uses_calendly,
    )


@bp.post("/move")
@refusals_shown_by(move)
def move_submit(booking_id: str) -> ResponseReturnValue:
    """To one of the times shown, or to one typed in by the owner's clock."""
    svc = services()
    if "date" in request.form:
        own = read(OwnTimeForm, request.form)
        start, seen = datetime.combine(own.date, own.time, ZoneInfo(svc.settings.owner_timezone)), own.seen
    else:
        form = read(OwnersMoveForm, request.form)
        start, seen = form.start, form.seen
    after = bookings.move_by_owner(svc, booking_id, start, seen)
    when = in_words(after.slot.span, svc.settings.owner_timezone) if after.slot else ""
    said = f"The call is moved to {when}. The old time is free for others. The customer and you get a mail."
    return _done(svc, booking_id, "moved", start.isoformat(), said=said)


# --- cancelling -----------------------------------------------------------------------------------------------------


@bp.get("/call-off")
def call_off(booking_id: str, refusal: Refusal | None = None) -> str:
    svc = services()
    booking = svc.bookings.get(booking_id)
    kept = kept_of(booking)
    return _page(
        "call_off",
        svc,
        booking,
        refusal,
        allowed=owner_actions.may_call_off(booking),
        has_money=booking.state is State.CONFIRMED and kept > nothing(kept.currency),
        kept=kept,
        by_policy=customer_actions.goes_back(booking, svc.now()),
    )


@bp.post("/call-off/preview")
@refusals_shown_by(call_off)
def call_off_preview(booking_id: str) -> ResponseReturnValue:
    """By POST, so that the reason is in no URL. With a refund, it becomes an ordinary refund preview."""
    svc = services()
    booking = svc.bookings.get(booking_id)
    form = read(CallOffForm, request.form)
    if not owner_actions.may_call_off(booking):
        raise Conflict("This booking can no longer be cancelled.")
    if (amount := _to_return(svc, booking, form)) is not None:
        asked = {"amount": amount, "reason": form.reason, "cancels": "yes", "request": svc.new_token()}
        return preview_page(svc, booking, read(RefundForm, asked))
    return _page("call_off_preview", svc, booking, form=form, lefts=lefts(booking))


def _to_return(svc: Services, booking: Booking, form: CallOffForm) -> str | None:
    """The amount in the refund form's format: "" means all. None: nothing goes back."""
    match form.money:
        case "all":
            return ""
        case "policy":
            amount = customer_actions.goes_back(booking, svc.now())
            return None if amount.is_nothing else str(amount)
        case "part":
            if not form.amount:
                raise Invalid("Please say how much goes back.", {"amount": "Please say how much goes back."})
            return form.amount
    return None


@bp.post("/call-off")
@refusals_shown_by(call_off)
def call_off_submit(booking_id: str) -> ResponseReturnValue:
    svc = services()
    form = read(CallOffConfirmedForm, request.form)
    after = flow.call_off(svc, booking_id, _who(svc), form.reason, form.seen)
    said = "The call is cancelled, and no money goes back. Its time is free for others. The customer is told by mail."
    if after.state is State.PENDING:
        said = (
            f"The booking ends as soon as {rails.of(after.rail).asked} says that its order is closed; until then its "
            "time stays held. The customer gets no mail; their page says that you cancelled it."
        )
    return _done(svc, booking_id, "called_off", "no money goes back", said=said)


# --- manual confirmation --------------------------------------------------------------------------------------------


@bp.get("/by-hand")
def by_hand(booking_id: str, refusal: Refusal | None = None) -> str:
    svc = services()
    booking = svc.bookings.get(booking_id)
    kinds = [str(hand_kind) for hand_kind in owner_actions.may_vouch(booking, svc.now())]
    return _page("by_hand", svc, booking, refusal, kinds=kinds)


@bp.post("/by-hand")
@refusals_shown_by(by_hand)
def by_hand_submit(booking_id: str) -> ResponseReturnValue:
    svc = services()
    booking = svc.bookings.get(booking_id)
    currency = booking.price.currency
    form = read(VouchForm, request.form)
    kind = HandKind(form.kind)
    amount = Money.parse(form.amount or "0", currency) if kind is HandKind.OUTSIDE else nothing(currency)
    if kind is HandKind.GIFT and form.amount:
        raise Invalid("Please check the marked fields.", {"amount": "A gift has none. Did the money come, perhaps?"})
    flow.vouch(svc, booking_id, _who(svc), kind=kind, amount=amount, reason=form.reason, evidence=form.evidence)
    what = {
        HandKind.OUTSIDE: f"{amount.shown} came by another way, on your word",
        HandKind.GIFT: "as a gift",
        HandKind.TIME: "you vouch for its time",
    }
    said = f"The call is confirmed by hand: {what[kind]}. The customer and you get the mails of a confirmed call."
    return _done(svc, booking_id, "by_hand", f"{kind}, {amount.shown}", said=said)


@bp.post("/returned-outside")
@refusals_shown_by(booking_details.booking)
def returned_outside(booking_id: str) -> ResponseReturnValue:
    svc = services()
    booking = svc.bookings.get(booking_id)
    form = read(AmountForm, request.form)
    flow.returned_outside(svc, booking_id, Money.parse(form.amount, booking.price.currency))
    said = f"Written into the books: you sent {form.amount} {booking.price.currency} back. No money moved by this."
    return _done(svc, booking_id, "returned_outside", form.amount, said=said)


# --- erasing --------------------------------------------------------------------------------------------------------


@bp.get("/erase")
def erase(booking_id: str, refusal: Refusal | None = None) -> str:
    svc = services()
    booking = svc.bookings.get(booking_id)
    return _page("erase", svc, booking, refusal, why_not=owner_actions.why_not_erase(booking, svc.now()))


@bp.post("/erase")
@refusals_shown_by(erase)
def erase_submit(booking_id: str) -> ResponseReturnValue:
    svc = services()
    retention.erase(svc, booking_id)
    return _done(svc, booking_id, "erased", said="Erased for good: nothing personal of this booking is left here.")


# --- helpers --------------------------------------------------------------------------------------------------------


def _page(name: str, svc: Services, booking: Booking, refusal: Refusal | None = None, **more: object) -> str:
    return render_template(
        f"admin/owner_actions/{name}.html",
        booking=booking,
        person=person_of(svc, booking),
        values=request.form.to_dict(),
        errors=refusal.fields if isinstance(refusal, Invalid) else {},
        message=str(refusal) if refusal else "",
        now=svc.now(),
        **more,
    )


def _who(svc: Services) -> str:
    return auth.session_of(svc).person_id


def _done(svc: Services, booking_id: str, what: str, detail: str = "", *, said: str) -> ResponseReturnValue:
    """Write the audit entry and go back to the booking, which shows the result."""
    auth.note(svc, what, booking_id, detail)
    return go(url_for("booking_details.booking", booking_id=booking_id), said=said)
