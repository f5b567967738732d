"""The customer's pages: choose a time, hold it, pay, be confirmed. The logic is in flows."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from urllib.parse import urlsplit

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from inspired.domain.booking import customer_actions
from inspired.domain.booking.balance import kept_of
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import CAPABILITIES, RailId
from inspired.domain.booking.states import State
from inspired.domain.catalogue.meeting_types import MeetingType, answered
from inspired.domain.sentences import rails
from inspired.domain.sentences.customer import said, text_of
from inspired.domain.shared.errors import (
    Conflict,
    Invalid,
    NotFound,
    OtherLength,
    Paused,
    Refusal,
    TooMany,
    UpstreamError,
)
from inspired.domain.shared.languages import translated
from inspired.domain.shared.messages import Message, MessageId
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Facts
from inspired.domain.shared.timezones import is_zone
from inspired.domain.site import assurances
from inspired.flows.booking import booking as bookings
from inspired.flows.booking import delivery, other_rail, payment, refreshing, refunding, sent_transaction
from inspired.flows.booking.booking import Customer
from inspired.flows.reporting import counting
from inspired.flows.shared import idempotency, mail_reachability
from inspired.services import Services
from inspired.web.public import status_poll
from inspired.web.shared import languages, parsing, rate_limits
from inspired.web.shared.current import services, visitor_address
from inspired.web.shared.display import Day, capital, days_of, millis, qr_svg, zone_list
from inspired.web.shared.display_money import consequence, moves_here, moving_of
from inspired.web.shared.forms import BookingForm, CancelForm, MoveForm, ScheduledForm, TermsForm, TimeForm, read
from inspired.web.shared.htmx import go, wants_fragment
from inspired.web.shared.refusals import refusals_shown_by

DAYS_PER_PAGE = 5
CHECK_SECONDS = 1.0
MINUTE = timedelta(minutes=1)
LOOK_AGAIN_SECONDS = 30
bp = Blueprint("booking", __name__)


# --- choosing a time ------------------------------------------------------------------------------------------------


@bp.get("/book/<type_id>")
def start(type_id: str) -> ResponseReturnValue:
    meeting_type = services().catalogue.type(type_id)
    if request.method == "GET" and not wants_fragment():
        counting.visited(services(), meeting_type.id)
    if payment.is_paused(services()) and not wants_fragment():
        return _paused(meeting_type)
    if _in_frame():
        return render_template("booking/start_calendly.html", type=meeting_type, errors={})
    if wants_fragment():
        return render_template("booking/_times.html", times=times_of(meeting_type))
    return _booking_form(meeting_type, {"form_token": services().new_token()})


@bp.post("/book/<type_id>")
@rate_limits.creating
def start_submit(type_id: str) -> ResponseReturnValue:
    meeting_type = services().catalogue.type(type_id)
    try:
        booking = _drafted(meeting_type) if _in_frame() else _held(meeting_type)
    except Refusal as refusal:
        if isinstance(refusal, Paused) and wants_fragment():
            raise  # the form keeps all input, and the message is shown above it
        wait = {"Retry-After": str(refusal.retry_after)} if isinstance(refusal, Paused | TooMany) else {}
        return _asked_again(meeting_type, refusal), refusal.status, wait
    except UpstreamError:
        # Sending the same form again continues where this one stopped.
        return render_template("booking/unsure.html", values=request.form.to_dict()), 503
    return go(_page_of(booking))


def _drafted(meeting_type: MeetingType) -> Booking:
    form, svc = read(TermsForm, request.form), services()
    return bookings.start_draft(svc, meeting_type, payment.wanted(svc, form.pay_by or None))


def _held(meeting_type: MeetingType) -> Booking:
    """One booking per form: pressing the button twice leads to the same booking."""
    svc = services()
    form, answers = _filled_in(meeting_type)
    customer = Customer(form.email, form.name, visitor_address(), answers)
    body = {"type": meeting_type.id, **form.model_dump(mode="json"), "answers": answers}
    key = svc.vault.fingerprint("form", f"{form.form_token} {sorted(body.items())}")

    def make(token: str) -> tuple[int, Booking]:
        rail = payment.wanted(svc, form.pay_by or None)
        network = str(CAPABILITIES[rail].network or "")
        booking = bookings.hold_time(
            svc, meeting_type, form.start, form.tz, customer, rail=rail, network=network, token=token
        )
        booking = payment.open_held_order(svc, booking, seconds=payment.IN_REQUEST_SECONDS)
        svc.queue.enqueue("refresh", booking.id)  # for the mail with the payment link
        return 201, booking

    return idempotency.once(svc, key=f"form:{key}", body=body, token=svc.new_token(), make=make)[1]


def _filled_in(meeting_type: MeetingType) -> tuple[BookingForm, tuple[tuple[str, str], ...]]:
    """The form and the answers. Raises Invalid with the errors of both."""
    asked = range(len(meeting_type.questions))
    wrong: list[Invalid] = []
    form, answers = None, None
    try:
        form = read(BookingForm, request.form)
        mail_reachability.refuse_unreachable(services(), form.email, "email")
    except Invalid as refusal:
        wrong.append(refusal)
    try:
        answers = answered(meeting_type, [request.form.get(f"answer_{place}", "") for place in asked])
    except Invalid as refusal:
        wrong.append(refusal)
    if form is None or answers is None or wrong:
        raise Invalid.of_all(wrong)
    return form, answers


def _asked_again(meeting_type: MeetingType, refusal: Refusal) -> str:
    """The form with the message and everything that was typed."""
    errors = refusal.fields if isinstance(refusal, Invalid) else {}
    if _in_frame():
        return render_template("booking/start_calendly.html", type=meeting_type, errors=errors, message=str(refusal))
    return _booking_form(meeting_type, request.form.to_dict(), errors, str(refusal))


def _booking_form(
    meeting_type: MeetingType, values: dict[str, str], errors: dict[str, str] | None = None, message: str = ""
) -> str:
    template = "booking/_form.html" if wants_fragment() else "booking/start.html"
    times = times_of(meeting_type, from_form=values)
    return render_template(
        template, type=meeting_type, times=times, values=values, errors=errors or {}, message=message
    )


@dataclass(frozen=True, slots=True)
class Times:
    """One page of free times. `chosen` was picked before; `kept` is its day with only that time, if it is still free
    but on another page; `earlier` and `later` are the first days of the neighbouring pages.

    While payments are paused there are no times, and the choice is only kept. `is_open` is false if this site takes no
    payments yet, `is_worked` if no worker runs; `is_refused`: the provider answers but refuses all our calls;
    otherwise it does not answer.
    """

    url: str
    zone: str
    zones: list[str]
    is_guess: bool
    days: list[Day]
    chosen: str
    kept: Day | None
    earlier: date | None
    later: date | None
    is_paused: bool
    is_open: bool
    is_worked: bool
    is_refused: bool


def times_of(
    meeting_type: MeetingType, *, url: str = "", mine: str = "", from_form: dict[str, str] | None = None
) -> Times:
    """From the URL, or from a form sent again. `url`: the page on which an existing booking changes its time, which
    does not depend on the provider."""
    svc, asked = services(), {**(from_form or {}), **request.args.to_dict()}
    owner_zone, wanted = svc.settings.owner_timezone, asked.get("tz", "")
    zone = wanted if is_zone(wanted) else owner_zone
    is_paused = not url and payment.is_paused(svc)
    free = [] if is_paused else bookings.all_free_times(svc, meeting_type, mine=mine)
    days = days_of(free, zone, owner_zone)
    chosen = asked.get("start", "")
    first = _first_day(days, asked.get("from", ""), chosen)
    elsewhere = (*days[:first], *days[first + DAYS_PER_PAGE :])
    return Times(
        url=url or url_for("booking.start", type_id=meeting_type.id),
        zone=zone,
        zones=zone_list(zone, owner_zone),
        is_guess=zone != wanted,
        days=days[first : first + DAYS_PER_PAGE],
        chosen=chosen,
        kept=next((only for day in elsewhere if (only := _only(day, chosen)) is not None), None),
        earlier=days[max(0, first - DAYS_PER_PAGE)].date if first else None,
        later=days[first + DAYS_PER_PAGE].date if len(days) > first + DAYS_PER_PAGE else None,
        is_paused=is_paused,
        is_open=payment.is_open(svc),
        is_worked=payment.is_worked(svc),
        is_refused=payment.is_refused(svc),
    )


def _only(day: Day, chosen: str) -> Day | None:
    """This day with only the chosen time; None if it is not on it."""
    choices = tuple(choice for choice in day.choices if choice.value == chosen)
    return replace(day, choices=choices) if choices else None


def _first_day(days: list[Day], asked: str, chosen: str) -> int:
    """The index of the first day at or after the requested one; without one, the start of the page with the chosen
    time."""
    wanted = parsing.day(asked)
    if wanted is None:
        with_chosen = (i for i, day in enumerate(days) if any(choice.value == chosen for choice in day.choices))
        return next(with_chosen, 0) // DAYS_PER_PAGE * DAYS_PER_PAGE
    return next((i for i, day in enumerate(days) if day.date >= wanted), max(0, len(days) - DAYS_PER_PAGE))


# --- the booking's own page -----------------------------------------------------------------------------------------


@bp.get("/booking/<token>")
def show(token: str) -> ResponseReturnValue:
    svc = services()
    booking = status_poll.shown(svc, languages.booking_of(svc, token))
    if booking.state is State.DRAFT:
        return _paused(booking.meeting_type) if payment.is_paused(svc) else _with_frame(svc, booking)
    return render_template("booking/show.html", **_payment_context(svc, booking, request.args.get("asked", "")))


@bp.post("/booking/<token>/scheduled")
@rate_limits.choosing
def scheduled(token: str) -> ResponseReturnValue:
    """Calendly's iframe reported a picked time. The flow verifies it at Calendly."""
    svc, form, address = services(), read(ScheduledForm, request.form), visitor_address()
    try:
        booking = bookings.take_scheduled(svc, token, form.event_uri, form.invitee_uri, customer=None, address=address)
    except OtherLength as refusal:
        return _with_frame(svc, languages.booking_of(svc, token), str(refusal))
    except UpstreamError:
        return render_template("booking/unread.html", form=form), 503
    booking = payment.open_order(svc, booking, seconds=payment.IN_REQUEST_SECONDS)
    svc.queue.enqueue("refresh", booking.id)
    return go(_page_of(booking))


@bp.post("/booking/<token>/picked")
@rate_limits.choosing
def picked(token: str) -> ResponseReturnValue:
    """The way back from Calendly's own page, which does not notify us, so Calendly is asked; unless a webhook arrived
    since the page was shown."""
    svc = services()
    booking = languages.booking_of(svc, token)
    if booking.state is not State.DRAFT and parsing.number(request.form.get("v", "")) != booking.status_version:
        return go(_page_of(booking))
    try:
        after = refreshing.pick_up(svc, booking)
    except OtherLength as refusal:
        return _with_frame(svc, booking, str(refusal))
    except UpstreamError:
        return render_template("booking/away.html", booking=booking), 503
    if after is None:
        return _with_frame(
            svc, booking, translated("Calendly does not show a new time of yours yet. Please pick one first.")
        )
    after = payment.open_order(svc, after, seconds=payment.IN_REQUEST_SECONDS)
    svc.queue.enqueue("refresh", after.id)
    return go(_page_of(after))


@bp.get("/booking/<token>/payment", endpoint="payment")
def poll(token: str) -> ResponseReturnValue:
    """The page's poll. 204 while its version is the latest; our clock in the header keeps the countdown right."""
    svc = services()
    booking = status_poll.news(token, parsing.number(request.args.get("v", "")))
    if booking is None:
        return Response(status=204, headers={"X-Now": str(millis(svc.now()))})
    if "frame" in request.args:  # a time was accepted another way: by a webhook, or in another window
        return go(_page_of(booking))
    return render_template("booking/_payment.html", **_payment_context(svc, languages.followed(booking)))


@bp.post("/booking/<token>/retry")
@rate_limits.verifying
def retry(token: str) -> ResponseReturnValue:
    return _answer(payment.try_again(services(), token))


@bp.post("/booking/<token>/pay-by")
@rate_limits.verifying
def pay_by(token: str) -> ResponseReturnValue:
    """Another way to pay than the one chosen first."""
    rail = next((one for one in RailId if one == request.form.get("pay_by")), None)
    if rail is None:
        raise Invalid("Please choose a way to pay.", {"pay_by": "is not a way to pay"})
    return _answer(other_rail.choose(services(), token, rail))


@bp.post("/booking/<token>/check")
@rate_limits.verifying
def check(token: str) -> ResponseReturnValue:
    """“I have paid”: ask now what would otherwise be asked within seconds."""
    svc = services()
    booking, begun = languages.booking_of(svc, token), svc.now()
    if booking.is_open and booking.state is not State.DRAFT:
        booking = status_poll.shown(svc, refreshing.ask(svc, booking, seconds=CHECK_SECONDS))
        svc.queue.enqueue("refresh", booking.id)
    order = booking.order
    is_silent = order is not None and order.is_payable and (order.seen_at is None or order.seen_at < begun)
    return _answer(booking, "no" if is_silent else "yes")


@bp.get("/booking/<token>/sent")
def sent(token: str, refusal: Refusal | None = None, result: str = "") -> str:
    """“I sent it”: the form, and what we see of the transaction."""
    booking = languages.booking_of(services(), token)
    if not sent_transaction.networks_of(booking):
        raise NotFound("This booking is not paid on chain.")
    problem = str(refusal) if refusal else ""
    return render_template("booking/sent.html", booking=booking, message=problem, result=result)


@bp.post("/booking/<token>/sent")
@rate_limits.verifying
@refusals_shown_by(sent)
def sent_submit(token: str) -> ResponseReturnValue:
    svc = services()
    booking = languages.booking_of(svc, token)
    found = sent_transaction.look(svc, booking, request.form.get("transaction", ""))
    return sent(token, result=said(found))


@bp.get("/booking/<token>/time")
def time(token: str) -> ResponseReturnValue:
    svc = services()
    booking = _changeable(svc, token)
    if not _in_frame():
        return _time_form(booking)
    return _on_to_calendly(svc, booking) if booking.state is State.CONFIRMED else _with_frame(svc, booking)


@bp.post("/booking/<token>/time")
@rate_limits.choosing
def time_submit(token: str) -> ResponseReturnValue:
    svc = services()
    booking = _changeable(svc, token)
    if _in_frame() and booking.state is State.CONFIRMED:
        raise Conflict(text_of(assurances.moving(in_calendly=True)))
    try:
        booking = _to_another_time(svc, booking)
    except Refusal as refusal:
        return _time_form(languages.booking_of(svc, token), str(refusal)), refusal.status
    return go(_page_of(booking))


def _to_another_time(svc: Services, booking: Booking) -> Booking:
    if booking.state is State.CONFIRMED:
        move = read(MoveForm, request.form)
        return bookings.move(svc, booking.token, move.start, move.tz, move.seen)
    form = read(TimeForm, request.form)
    choose = bookings.change_time if booking.choose_by is None else bookings.choose_another_time
    return choose(svc, booking.token, form.start, form.tz)


@bp.get("/booking/<token>/give-up")
def give_up(token: str) -> ResponseReturnValue:
    svc = services()
    booking = languages.booking_of(svc, token)
    if booking.state not in (State.DRAFT, State.PENDING) or booking.cancel_requested:
        return go(_page_of(booking))
    return render_template("booking/give_up.html", booking=booking)


@bp.post("/booking/<token>/give-up")
def give_up_submit(token: str) -> ResponseReturnValue:
    return go(_page_of(bookings.give_up(services(), token)))


@bp.get("/booking/<token>/money-back")
def money_back(token: str) -> ResponseReturnValue:
    svc = services()
    booking = languages.booking_of(svc, token)
    if not customer_actions.may_choose(booking, svc.now()):
        return go(_page_of(booking))
    return render_template("booking/money_back.html", booking=booking, amount=kept_of(booking))


@bp.post("/booking/<token>/money-back")
def money_back_submit(token: str) -> ResponseReturnValue:
    return go(_page_of(refunding.money_back(services(), token)))


@bp.get("/booking/<token>/cancel")
def cancel(token: str) -> ResponseReturnValue:
    svc = services()
    booking = languages.booking_of(svc, token)
    if not customer_actions.may_cancel(booking, svc.now()):
        return go(_page_of(booking))
    return _cancel_page(svc, booking)


@bp.post("/booking/<token>/cancel")
def cancel_submit(token: str) -> ResponseReturnValue:
    """Only for the refund the page showed, since it falls over time."""
    svc, form = services(), read(CancelForm, request.form)
    booking = languages.booking_of(svc, token)
    amount = Money.parse(form.told, booking.price.currency)
    try:
        return go(_page_of(refunding.cancel(svc, token, amount)))
    except Conflict as conflict:
        booking = languages.booking_of(svc, token)
        if not customer_actions.may_cancel(booking, svc.now()):
            raise
        return _cancel_page(svc, booking, str(conflict)), conflict.status


@bp.get("/booking/<token>/qr.svg")
def qr_code(token: str) -> Response:
    """The live order's QR code as a picture; `qrCodeUrl` of the JSON API points here."""
    booking = languages.booking_of(services(), token)
    checkout = payment.checkout_of(services(), booking)
    if checkout is None or booking.order is None or not booking.order.is_payable:
        raise NotFound("There is nothing to pay here now.")
    headers = {"Cache-Control": "no-store"}
    code = qr_svg(checkout.qr_content, rails.of(booking.order.rail).code)
    return Response(str(code), mimetype="image/svg+xml", headers=headers)


@bp.get("/booking/<token>/call.ics")
def call_file(token: str) -> Response:
    svc = services()
    booking = languages.booking_of(svc, token)
    if booking.state is not State.CONFIRMED:
        raise NotFound("There is nothing to enter into a calendar before the booking is confirmed.")
    headers = {"Content-Disposition": "attachment; filename=call.ics", "Cache-Control": "no-store"}
    return Response(delivery.call_as_file(svc, booking), mimetype="text/calendar", headers=headers)


# --- helpers --------------------------------------------------------------------------------------------------------


def _paused(meeting_type: MeetingType) -> ResponseReturnValue:
    """Shown instead of times. The page reloads itself."""
    svc = services()
    page = render_template(
        "booking/paused.html",
        type=meeting_type,
        seconds=LOOK_AGAIN_SECONDS,
        is_open=payment.is_open(svc),
        is_worked=payment.is_worked(svc),
        is_refused=payment.is_refused(svc),
    )
    return page, 503, {"Retry-After": str(LOOK_AGAIN_SECONDS)}


def _in_frame() -> bool:
    return services().settings.in_frame


def _page_of(booking: Booking) -> str:
    return url_for("booking.show", token=booking.token)


def _changeable(svc: Services, token: str) -> Booking:
    booking = languages.booking_of(svc, token)
    if customer_actions.may_choose(booking, svc.now()) or moves_here(booking, svc.now()):
        return booking
    if booking.state is State.CONFIRMED:
        raise Conflict(text_of(assurances.too_late_to_move(booking.meeting_type.policy)))
    late = booking.expires_at is not None and booking.expires_at <= svc.now()
    if booking.state is not State.PENDING or booking.cancel_requested or late:
        raise Conflict("The time can be changed only while the booking waits for its payment.")
    return booking


def _cancel_page(svc: Services, booking: Booking, message: str = "") -> str:
    result = consequence(booking, svc.now())
    return render_template("booking/cancel.html", booking=booking, result=result, message=message, now=svc.now())


def _time_form(booking: Booking, message: str = "") -> str:
    url = url_for("booking.time", token=booking.token)
    times = times_of(booking.meeting_type, url=url, mine=booking.id, from_form=request.form.to_dict())
    if wants_fragment() and not message:
        return render_template("booking/_times.html", times=times)
    moving = moving_of(booking, services().now()) if booking.state is State.CONFIRMED else None
    return render_template("booking/time.html", booking=booking, times=times, message=message, moving=moving)


def _with_frame(svc: Services, booking: Booking, message: str = "") -> ResponseReturnValue:
    """Calendly's page for this booking in an iframe, and as a plain link, with known data filled in."""
    host = urlsplit(svc.settings.site_url).netloc
    accent = svc.preferences.now().brand.colour.lstrip("#")
    asked = {**delivery.opened(svc, booking), "primary_color": accent}
    try:
        page_url = svc.calendly.page_url(booking.meeting_type.id, booking.token, **asked)
        frame_url = svc.calendly.frame_url(booking.meeting_type.id, booking.token, host, **asked)
    except UpstreamError:
        return render_template("booking/away.html", booking=booking), 503
    page = render_template(
        "booking/frame.html",
        booking=booking,
        frame_url=frame_url,
        frame_origin=svc.settings.calendly_frame_origin,
        page_url=page_url,
        message=message,
    )
    return page, 409 if message else 200


def _on_to_calendly(svc: Services, booking: Booking) -> ResponseReturnValue:
    """Redirect to Calendly's reschedule page for this call; changes there are followed."""
    if booking.slot is None:
        raise Conflict("No time is chosen yet.")
    try:
        url = svc.calendly.move_url(booking.slot.invitee_uri)
    except UpstreamError:
        return render_template("booking/away.html", booking=booking), 503
    if not url.startswith(f"{svc.settings.calendly_frame_origin}/"):
        return render_template("booking/away.html", booking=booking), 503
    return redirect(url, 303)


def _answer(booking: Booking, asked: str = "") -> ResponseReturnValue:
    """After a button on the payment page: the fragment, or the whole page."""
    if not wants_fragment():
        return go(url_for("booking.show", token=booking.token, asked=asked or None))
    return render_template("booking/_payment.html", **_payment_context(services(), booking, asked))


@dataclass(frozen=True, slots=True)
class WayToPay:
    """`hint`: from where, how long it takes, and what it costs. `minutes`: how many there are to pay."""

    rail: RailId
    name: str
    hint: str
    is_recommended: bool
    minutes: str


@bp.app_template_global()
def ways_to_pay() -> list[WayToPay]:
    """How a new booking can be paid now. What is not set up or not working is not offered."""
    return [_way(rail) for rail in payment.offered(services())]


def _way(rail: RailId) -> WayToPay:
    words, network = rails.of(rail), CAPABILITIES[rail].network
    name = f"{words.rail} ({network})" if network else words.rail
    minutes = services().settings.expiry_of(rail) / MINUTE
    hint = said(Message.of(MessageId.WAY_TO_PAY, rail=rail, time=f"{minutes:g}"))
    return WayToPay(rail, name, capital(hint), rail is RailId.TRC20, f"{minutes:g}")


def _facts_of(rail: RailId) -> Facts | None:
    """Of the rail's network; None if it has none."""
    network = CAPABILITIES[rail].network
    return network.facts if network else None


def _asked_note(booking: Booking, asked: str) -> str:
    """`asked`: whether the provider answered just now ("yes", "no"); anything else if the button was not pressed."""
    words = rails.of(booking.rail)
    if asked == "yes":
        return translated("We asked {asked} just now.", asked=words.asked)
    return translated("{rail} did not answer just now.", rail=words.rail) if asked == "no" else ""


def _payment_context(svc: Services, booking: Booking, asked: str = "") -> dict[str, object]:
    return {
        "booking": booking,
        "now": svc.now(),
        "note": _asked_note(booking, asked),
        "is_answered": asked == "yes",
        "standing": payment.standing(svc, booking.rail),
        "checkout": payment.checkout_of(svc, booking),
        "network": _facts_of(booking.order.rail) if booking.order else None,
        "paid_on": _facts_of(booking.paid_by),
        "payment_uri": payment.uri_of(booking),
        "other_ways": [_way(rail) for rail in other_rail.choices(svc, booking)],
        "place": delivery.place_of(svc, booking),
    }
