"""The customer names an address for refunds on chain, and confirms it on the page that a mail leads to."""

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from inspired.adapters.crypto.vault import CannotDecrypt
from inspired.domain.booking import wallet_refunds as rules
from inspired.domain.booking.booking import Booking
from inspired.domain.shared.errors import Conflict, NotFound, Refusal
from inspired.domain.shared.languages import Text
from inspired.domain.shared.networks import Network
from inspired.flows.booking import wallet_refunds
from inspired.services import Services
from inspired.web.shared import languages, rate_limits
from inspired.web.shared.current import services
from inspired.web.shared.forms import AddressForm, read
from inspired.web.shared.htmx import go
from inspired.web.shared.refusals import refusals_shown_by

bp = Blueprint("refund_address", __name__, url_prefix="/booking/<token>/refund-address/<network>")


@bp.get("")
def address(token: str, network: str, refusal: Refusal | None = None) -> str:
    """Where the money goes, and the form for another address. What was typed is not repeated: it may be a secret that
    was pasted by mistake."""
    svc, wanted = services(), _network(network)
    booking = languages.booking_of(svc, token)
    if wanted not in rules.networks(booking) and refusal is None:
        raise NotFound(Text.of("Nothing of this booking can go back on {network}.", network=wanted.facts.name))
    named = booking.refund_address(wanted)
    return render_template(
        "booking/refund_address.html",
        booking=booking,
        network=wanted,
        waiting=rules.waiting_on(booking, wanted),
        named=named,
        shown=_shown(svc, booking, wanted),
        minimum=wallet_refunds.minimum(svc),
        message=str(refusal) if refusal else "",
    )


@bp.post("")
@rate_limits.choosing
@refusals_shown_by(address)
def address_submit(token: str, network: str) -> ResponseReturnValue:
    form = read(AddressForm, request.form)
    wallet_refunds.name_address(services(), token, _network(network), form.address)
    return go(url_for("refund_address.address", token=token, network=network))


@bp.get("/<secret>")
def confirm(token: str, network: str, secret: str) -> ResponseReturnValue:
    """Changes nothing: scanners of mails fetch every link."""
    svc, wanted = services(), _network(network)
    booking = languages.booking_of(svc, token)
    try:
        wallet_refunds.refuse_outdated(svc, booking, wanted, secret)
    except Conflict as conflict:
        page = render_template("booking/refund_address_outdated.html", booking=booking, message=str(conflict))
        return page, conflict.status
    return render_template(
        "booking/refund_address_confirm.html",
        booking=booking,
        network=wanted,
        secret=secret,
        shown=_shown(svc, booking, wanted),
    )


@bp.post("/<secret>")
@rate_limits.choosing
def confirm_submit(token: str, network: str, secret: str) -> ResponseReturnValue:
    wallet_refunds.confirm_address(services(), token, _network(network), secret)
    return go(url_for("booking.show", token=token))


def _network(name: str) -> Network:
    try:
        return Network(name)
    except ValueError:
        raise NotFound("There is no such network.") from None


def _shown(svc: Services, booking: Booking, network: Network) -> str:
    """ "" without an address, and for one that was not put there by us."""
    try:
        return wallet_refunds.address_of(svc, booking, network)
    except CannotDecrypt:
        return ""
