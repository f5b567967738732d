"""The JSON API of the plan. No cookie, no form token: the booking's token is the key. Documented in openapi.json."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, jsonify, make_response, request
from spectree import Response as Documented
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import CAPABILITIES, RailId, method_of
from inspired.domain.booking.states import State
from inspired.domain.booking.status import iso, public_status
from inspired.domain.catalogue.meeting_types import MeetingType, answered
from inspired.domain.shared.errors import Invalid, NotFound
from inspired.domain.shared.slots import Span
from inspired.domain.shared.timezones import is_zone, zone
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import payment, refreshing
from inspired.flows.booking.booking import Customer
from inspired.flows.shared import idempotency, mail_reachability
from inspired.flows.site import newsletter
from inspired.services import status_message
from inspired.web.public import api_document, status_poll
from inspired.web.public.schemas import (
    LONGEST_KEY,
    CreateAnswer,
    CreateHeaders,
    CreateRequest,
    MeetingTypesAnswer,
    NewsletterAnswer,
    NewsletterChange,
    NewsletterQuery,
    NewsletterRequest,
    PaymentMethodsAnswer,
    Problem,
    SlotsAnswer,
    SlotsQuery,
    StatusAnswer,
    StatusHeaders,
    VerifyAnswer,
    VerifyRequest,
    parsed,
)
from inspired.web.shared import parsing, rate_limits
from inspired.web.shared.current import services, visitor_address

VERIFY_SECONDS = 1.0

bp = Blueprint("api", __name__, url_prefix="/api")
spec = api_document.of_the_api(
    title="Inspired Analyst", version="1", description="Book a one-to-one call and pay it in USDT."
)


@bp.get("/openapi.json")
def openapi() -> Response:
    """This API, described."""
    svc = services()
    return jsonify(api_document.completed(spec, title=svc.preferences.now().brand.name, site_url=svc.settings.site_url))


@bp.get("/meeting-types")
@spec.validate(resp=Documented(HTTP_200=MeetingTypesAnswer), skip_validation=True, tags=["booking"])
def meeting_types() -> Response:
    """What can be booked."""
    return jsonify(meetingTypes=[_type_shape(meeting_type) for meeting_type in services().catalogue.types()])


@bp.get("/payment-methods")
@spec.validate(resp=Documented(HTTP_200=PaymentMethodsAnswer), skip_validation=True, tags=["booking"])
def payment_methods() -> Response:
    """How a new booking can be paid now. `minutes`: how long a payment usually takes until it is confirmed."""
    svc = services()
    there = payment.offered(svc)
    return jsonify(
        methods=[
            {
                "method": str(method_of(rail)),
                "network": CAPABILITIES[rail].network,
                "available": rail in there,
                "minutes": dict(zip(("from", "to"), CAPABILITIES[rail].minutes, strict=True)),
            }
            for rail in svc.rails_on
        ]
    )


@bp.get("/meeting-types/<type_id>/slots")
@spec.validate(
    query=SlotsQuery,
    resp=Documented(HTTP_200=SlotsAnswer, HTTP_404=Problem, HTTP_422=Problem, HTTP_503=Problem),
    skip_validation=True,
    tags=["booking"],
)
def slots(type_id: str) -> Response:
    """Free times, ascending. `start` is what create takes as `slotStart`."""
    svc = services()
    meeting_type = svc.catalogue.type(type_id)
    payment.refuse_while_paused(svc)
    zone_name = request.args.get("tz") or svc.settings.owner_timezone
    if not is_zone(zone_name):
        raise Invalid("This time zone is not known.", {"tz": "must be an IANA name such as Europe/Berlin"})
    start = _asked_time("from", zone_name, svc.now()) or svc.now()
    end = _asked_time("to", zone_name, svc.now()) or start + timedelta(days=7)
    found = booking_flow.free_times(svc, meeting_type, Span(start, end))
    local = zone(zone_name)
    return jsonify(
        slots=[
            {"start": call.start.astimezone(local).isoformat(), "end": call.end.astimezone(local).isoformat()}
            for call in found
        ]
    )


@bp.post("/payments/create")
@rate_limits.creating
@spec.validate(
    json=CreateRequest,
    headers=CreateHeaders,
    resp=Documented(
        HTTP_201=CreateAnswer,
        HTTP_202=CreateAnswer,
        HTTP_404=Problem,
        HTTP_409=Problem,
        HTTP_422=Problem,
        HTTP_429=Problem,
        HTTP_503=Problem,
    ),
    skip_validation=True,
    tags=["payments"],
)
def create() -> Response:
    """Hold a slot and open its payment. Send an `Idempotency-Key` header to be safe to repeat."""
    svc, body = services(), json_object()
    wanted = parsed(CreateRequest, body)
    make = _maker(wanted)
    key = request.headers.get("Idempotency-Key")
    if key is None:
        status, booking = make(svc.new_token())
    elif 0 < len(key) <= LONGEST_KEY:
        token = wanted.bookingId or svc.new_token()
        status, booking = idempotency.once(svc, key, body, token, make)
    else:
        raise Invalid("An Idempotency-Key has 1 to 255 characters.", {"Idempotency-Key": "has a wrong length"})
    return make_response(_create_answer(booking), status)


@bp.get("/payments/status/<token>")
@spec.validate(
    headers=StatusHeaders,
    resp=Documented(HTTP_200=StatusAnswer, HTTP_304=None, HTTP_404=Problem, HTTP_429=Problem),
    skip_validation=True,
    tags=["payments"],
)
def status(token: str) -> Response:
    """Where the booking stands. Send the last ETag as `If-None-Match` to be told only what is new (304)."""
    svc, known = services(), status_poll.known_version(request.headers.get("If-None-Match"))
    hint = status_poll.look(svc, token, known).hint
    if hint.body.startswith(status_poll.DRAFT_BODY):
        raise NotFound("There is no such booking.")
    code, headers, body = status_poll.status_answer(hint, known, svc.now())
    return Response(body, code, headers, content_type="application/json")


@bp.post("/payments/verify")
@rate_limits.verifying
@spec.validate(
    json=VerifyRequest,
    resp=Documented(HTTP_200=VerifyAnswer, HTTP_404=Problem, HTTP_422=Problem, HTTP_429=Problem),
    skip_validation=True,
    tags=["payments"],
)
def verify() -> Response:
    """Ask the payment’s provider or network now. `verified` is true only where our own question found money that
    matches and nobody can take back."""
    svc = services()
    booking = _public(svc.bookings.by_token(parsed(VerifyRequest, json_object()).bookingId))
    booking = status_poll.shown(svc, refreshing.ask(svc, booking, seconds=VERIFY_SECONDS))
    svc.queue.enqueue("refresh", booking.id)
    details = {**public_status(booking, status_message(booking)), "serverTime": iso(svc.now())}
    verified = booking.state in (State.PAID, State.CONFIRMED) and any(order.proven for order in booking.orders)
    return jsonify(success=True, verified=verified, details=details)


@bp.post("/newsletter")
@rate_limits.subscribing
@spec.validate(
    json=NewsletterRequest,
    resp=Documented(HTTP_202=NewsletterAnswer, HTTP_422=Problem, HTTP_429=Problem),
    skip_validation=True,
    tags=["newsletter"],
)
def newsletter_subscribe() -> tuple[Response, int]:
    """Ask for the opt-in mail. The answer is the same whether the address is known or not."""
    email = str(parsed(NewsletterRequest, json_object()).email)
    mail_reachability.refuse_unreachable(services(), email, "email")
    newsletter.subscribe(services(), email)
    return jsonify(success=True), 202


@bp.get("/newsletter")
@spec.validate(
    query=NewsletterQuery,
    resp=Documented(HTTP_200=NewsletterAnswer, HTTP_404=Problem),
    skip_validation=True,
    tags=["newsletter"],
)
def newsletter_show() -> Response:
    """The subscription that `?token=` (from the mail) opens."""
    found = newsletter.find(services(), request.args.get("token", ""))
    return jsonify(success=True, status=str(found.state))


@bp.put("/newsletter")
@spec.validate(
    query=NewsletterQuery,
    json=NewsletterChange,
    resp=Documented(HTTP_200=NewsletterAnswer, HTTP_404=Problem, HTTP_422=Problem),
    skip_validation=True,
    tags=["newsletter"],
)
def newsletter_change() -> Response:
    """Confirm (also without a body) or unsubscribe, with the `?token=` of the mail."""
    svc, token = services(), request.args.get("token", "")
    newsletter.find(svc, token)
    wanted = parsed(NewsletterChange, json_object() if request.get_data() else {})
    flow = newsletter.confirm if wanted.action == "confirm" else newsletter.unsubscribe
    return jsonify(success=True, status=str(flow(svc, token).state))


def _maker(wanted: CreateRequest) -> Callable[[str], tuple[int, Booking]]:
    """How this request makes a booking with a given token. Validated before an idempotency key is used up."""
    svc = services()
    try:
        meeting_type = svc.catalogue.type(wanted.meetingTypeId)
    except NotFound as error:
        raise Invalid(error.message, {"meetingTypeId": "is not known"}) from None
    if wanted.timeZone is not None and not is_zone(wanted.timeZone):
        raise Invalid("This time zone is not known.", {"timeZone": "must be an IANA name such as Europe/Berlin"})
    in_frame = svc.settings.in_frame
    held = (_calendly_hold if in_frame else _builtin_hold)(wanted, meeting_type)
    opened = payment.open_order if in_frame else payment.open_held_order

    def make(token: str) -> tuple[int, Booking]:
        rail = payment.usual(svc, wanted.network)
        if not in_frame or wanted.method is not None:
            rail = payment.chosen(svc, wanted.method, wanted.network)
        elif wanted.bookingId is None:  # once the time is picked in the iframe, refusing would leave an event behind
            payment.refuse_unopened(svc)
        booking = opened(svc, held(token, rail), seconds=payment.IN_REQUEST_SECONDS)
        svc.queue.enqueue("refresh", booking.id)
        return (201 if booking.order and booking.order.checkout else 202), booking

    return make


def _builtin_hold(wanted: CreateRequest, meeting_type: MeetingType) -> Callable[[str, RailId], Booking]:
    start = wanted.slotStart
    if start is None:
        raise Invalid("Please choose a time.", {"slotStart": "is missing"})
    if wanted.bookingId is not None or wanted.calendly is not None:
        raise Invalid("This site uses its own calendar.", {"calendly": "is not used here"})
    zone_name = wanted.timeZone or _zone_of(start)
    answers = answered(meeting_type, wanted.answers or [])
    return lambda token, rail: booking_flow.hold_time(
        services(),
        meeting_type,
        start.astimezone(UTC),
        zone_name,
        _customer(wanted, answers),
        rail=rail,
        network=_network(wanted, rail),
        token=token,
    )


def _calendly_hold(wanted: CreateRequest, meeting_type: MeetingType) -> Callable[[str, RailId], Booking]:
    uris, draft_token = wanted.calendly, wanted.bookingId
    if wanted.slotStart is not None:
        raise Invalid("Times are chosen in Calendly's calendar here.", {"slotStart": "is not used here"})
    if uris is None or draft_token is None:
        missing = "bookingId" if draft_token is None else "calendly"
        raise Invalid("Choose a time in the Calendly frame first.", {missing: "is missing"})
    if services().bookings.by_token(draft_token).meeting_type.id != meeting_type.id:
        raise Invalid("This booking is for another kind of call.", {"meetingTypeId": "does not match the booking"})
    return lambda token, rail: booking_flow.take_scheduled(
        services(),
        draft_token,
        uris.eventUri,
        uris.inviteeUri,
        customer=_customer(wanted),
        address=visitor_address(),
        rail=rail,
        network=_network(wanted, rail),
    )


def _network(wanted: CreateRequest, rail: RailId) -> str:
    """What is stored: on chain the rail's, else whatever the caller named, which has no effect."""
    return str(CAPABILITIES[rail].network or wanted.network or "")


def _customer(wanted: CreateRequest, answers: tuple[tuple[str, str], ...] = ()) -> Customer:
    """`answers` belong to the meeting type's questions, in their order."""
    mail_reachability.refuse_unreachable(services(), str(wanted.customerEmail), "customerEmail")
    return Customer(str(wanted.customerEmail), wanted.customerName or "", visitor_address(), answers)


def _zone_of(start: datetime) -> str:
    """The owner's zone if the offset fits it, else UTC, since an offset alone names no zone."""
    owner = services().settings.owner_timezone
    return owner if start.astimezone(zone(owner)).utcoffset() == start.utcoffset() else "UTC"


def _create_answer(booking: Booking) -> Response:
    order, svc = booking.order, services()
    checkout = payment.checkout_of(svc, booking)
    network = CAPABILITIES[order.rail].network if order else None
    return jsonify(
        success=True,
        bookingId=booking.token,
        merchantTradeNo=order.trade_no if order else None,
        method=str(method_of(order.rail)) if order else None,
        network=str(network) if network else None,
        binanceOrderId=checkout.prepay_id if checkout and network is None else None,
        paymentAddress=checkout.qr_content if checkout and network is not None else None,
        paymentUri=payment.uri_of(booking) if checkout else None,
        qrCodeUrl=f"{svc.settings.site_url}/booking/{booking.token}/qr.svg" if checkout else None,
        deepLinkUrl=(checkout.deep_link or checkout.universal_url or None) if checkout else None,
        checkoutUrl=(checkout.checkout_url or None) if checkout else None,
        amount=str(order.amount if order else booking.price),
        currency=booking.price.currency,
        status=str(booking.state),
        expiresAt=iso(booking.expires_at),
        serverTime=iso(svc.now()),
    )


def _public(booking: Booking) -> Booking:
    if booking.state is State.DRAFT:
        raise NotFound("There is no such booking.")
    return booking


def _type_shape(meeting_type: MeetingType) -> dict[str, Any]:
    return {
        "id": meeting_type.id,
        "title": meeting_type.title,
        "minutes": meeting_type.minutes,
        "price": str(meeting_type.price),
        "currency": meeting_type.price.currency,
        "questions": [{"text": question.text, "required": question.is_required} for question in meeting_type.questions],
    }


def json_object() -> dict[str, Any]:
    """The body as an object. Anything that is not a JSON object is refused before anything is done."""
    if not request.is_json:
        raise UnsupportedMediaType
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError):
        raise BadRequest from None
    if not isinstance(body, dict):
        raise Invalid("Please send a JSON object.", {"body": "must be an object"})
    return body


def _asked_time(name: str, zone_name: str, now: datetime) -> datetime | None:
    """RFC 3339, "now", or a date or time without offset in the given zone."""
    text = request.args.get(name, "").strip()
    if not text or text == "now":
        return now if text else None
    moment = parsing.moment(text, zone(zone_name))
    if moment is None or not parsing.EARLIEST < moment < parsing.LATEST:
        raise Invalid("This time cannot be read.", {name: "must be RFC 3339, e.g. 2026-11-24T09:00:00Z"})
    return moment
