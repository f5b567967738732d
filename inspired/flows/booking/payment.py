"""Creating the payment order: once in the request, then by jobs, then by the customer's button."""

from math import ceil

from inspired.adapters.redis.throttle import Breaker, HeldBack
from inspired.domain.booking import payment_orders
from inspired.domain.booking.booking import Booking, Checkout, PaymentOrder
from inspired.domain.booking.rails import CAPABILITIES, Method, RailId, rail_for
from inspired.domain.monitoring.health import is_silent
from inspired.domain.sentences import rails
from inspired.domain.shared.errors import Conflict, Paused, UpstreamError
from inspired.domain.shared.languages import Text
from inspired.domain.shared.networks import Network, units_of
from inspired.flows.booking import payment_limits
from inspired.services import Services

IN_REQUEST_SECONDS = 1.9
IN_JOB_SECONDS = 5.0
GATE_SECONDS = 300  # Retry-After while the site is not open yet
WORKER_SECONDS = 30  # … while no worker runs
REFUSED_SECONDS = 120  # … while every call is refused, which somebody has to fix


def standing(svc: Services, rail: RailId) -> Breaker:
    return svc.rails[rail].state()


def usual(svc: Services, network: Network | None) -> RailId:
    """The rail for a caller who names no method: the network has no effect where the usual rail is not on chain."""
    is_chosen = network is not None and CAPABILITIES[svc.usual].network is not None
    return RailId(network) if is_chosen and network is not None else svc.usual


def offered(svc: Services) -> tuple[RailId, ...]:
    """The rails by which a new booking can be paid now, in the order they are offered in."""
    return tuple(rail for rail in svc.rails_on if not is_away(svc.rails[rail].state()) and svc.rails[rail].has_room())


def wanted(svc: Services, rail: RailId | None) -> RailId:
    """The rail a customer chose, or the first that is offered if there was no choice. Raises Conflict if it is not
    offered now, Paused while none is."""
    refuse_while_paused(svc, rail)
    return rail or next(iter(offered(svc)), svc.usual)


def chosen(svc: Services, method: Method | None, network: Network | None) -> RailId:
    """The same by method and network. Without a method the first that is offered; where only chains are set up, the
    network that is named."""
    if method is None and (network is None or CAPABILITIES[svc.usual].network is None):
        return wanted(svc, None)
    return wanted(svc, rail_for(method or Method.ON_CHAIN, network))


def is_away(breaker: Breaker) -> bool:
    """True if its provider does not answer, or refuses every call."""
    return breaker.open or breaker.refusal is not None


def checkout_of(svc: Services, booking: Booking) -> Checkout | None:
    """How the newest order is paid, if its rail vouches for it: an address that somebody else put into the database is
    not shown."""
    order = booking.order
    if order is None or order.checkout is None or not svc.rails[order.rail].vouches_for(order.trade_no, order.checkout):
        return None
    return order.checkout


def uri_of(booking: Booking) -> str | None:
    """EIP-681, for the button "Open in wallet" on EVM networks: never as the QR code, since some wallets send to the
    first address they find, which here is the token's. https://eips.ethereum.org/EIPS/eip-681"""
    order = booking.order
    network = CAPABILITIES[order.rail].network if order else None
    if order is None or order.checkout is None or network is None or not network.facts.is_evm:
        return None
    facts, units = network.facts, units_of(network, order.still_to_pay)
    return f"ethereum:{facts.usdt}@{facts.chain_id}/transfer?address={order.checkout.qr_content}&uint256={units}"


def refuse_while_paused(svc: Services, rail: RailId | None = None) -> None:
    """Called before anything new is offered or held. Raises Conflict if another rail than this one could be used,
    Paused while none can: none is set up, all do not answer or refuse every call, no worker runs, or this version was
    not rehearsed."""
    refuse_unopened(svc)
    refuse_unworked(svc)
    there = offered(svc)
    if there and (rail is None or rail in there):
        return
    if there:
        raise Conflict("This way to pay is not available at the moment. Nothing was held. Please choose another one.")
    on = svc.rails_on
    if is_refused(svc):
        raise Paused(
            Text.of(
                "Payments are paused, because {why} at the moment. Nothing was held and nothing is owed. The owner has "
                "been told. Please try again later.",
                why=rails.refusing(on),
            ),
            retry_after=REFUSED_SECONDS,
        )
    ends = [breaker.until for breaker in (standing(svc, one) for one in on) if breaker.open and breaker.until]
    if ends:
        raise Paused(
            Text.of(
                "Payments are paused, because {why} at the moment. Nothing was held and nothing is owed. Please try "
                "again in a minute.",
                why=rails.silent(on),
            ),
            retry_after=max(1, ceil((min(ends) - svc.now()).total_seconds())),
        )
    if not offered(svc):  # all addresses are given out
        raise Paused(
            "Payments are paused, because no way to pay can be offered at the moment. Nothing was held and nothing is "
            "owed. Please try again later.",
            retry_after=REFUSED_SECONDS,
        )


def is_refused(svc: Services) -> bool:
    """True if every provider there is answers and refuses every call: a revoked key, an unserved region."""
    return all(standing(svc, rail).refusal is not None for rail in svc.rails_on)


def is_open(svc: Services) -> bool:
    """False where nothing can be paid at all: no rail is set up, or with real money the drills were not all green for
    this version."""
    return svc.gate.is_open() and bool(svc.rails_on)


def refuse_unopened(svc: Services) -> None:
    """Earlier payments continue. Raises Paused."""
    if not is_open(svc):
        raise Paused(
            "This site takes no payments yet. Nothing was held and nothing is owed. Please come back later.",
            retry_after=GATE_SECONDS,
        )


def refuse_unworked(svc: Services) -> None:
    """Without a worker nothing sold would be confirmed. Raises Paused if no worker loop has turned for two minutes; a
    release and the longest job take less."""
    if not is_worked(svc):
        raise Paused(
            "Payments are paused, because this site could not confirm one at the moment. Nothing was held and nothing "
            "is owed. Please try again in a few minutes.",
            retry_after=WORKER_SECONDS,
        )


def is_worked(svc: Services) -> bool:
    return not is_silent(svc.workers.last_turn(), svc.now())


def is_paused(svc: Services) -> bool:
    """For pages: True if nothing new is offered now."""
    return not svc.gate.is_open() or not is_worked(svc) or not offered(svc)


def open_order(svc: Services, booking: Booking, *, seconds: float) -> Booking:
    """Create the newest order if it is due. If that fails, the booking stands and says so.

    The try is counted and leased before the call, so that concurrent calls create it once and a crash is noticed.
    """
    leased, is_ours = _leased(svc, booking)
    return open_held_order(svc, leased, seconds=seconds) if is_ours else leased


def open_held_order(svc: Services, booking: Booking, *, seconds: float) -> Booking:
    """The same for a booking whose newest order is already leased to the caller (as `hold_time` leaves it)."""
    order = booking.order
    if order is None:
        return booking
    if (found := payment_limits.above(svc, booking, order.amount)) is not None:
        window = found.window
        return svc.bookings.change(
            booking.id, lambda b: payment_orders.above_limit(b, order.trade_no, svc.now(), window), known=booking
        )
    try:
        checkout = svc.rails[order.rail].create(
            trade_no=order.trade_no,
            price=order.amount,
            title=booking.meeting_type.title,
            reference=booking.meeting_type.id,
            expires_at=order.expires_at or svc.now(),
            page_url=f"{svc.settings.site_url}/booking/{booking.token}",
            seconds=seconds,
        )
    except UpstreamError as error:
        return _failed(svc, booking, order, error)
    return svc.bookings.change(
        booking.id, lambda b: payment_orders.created(b, order.trade_no, checkout, svc.now()), known=booking
    )


def try_again(svc: Services, token: str) -> Booking:
    """The page's button, after the automatic tries failed or the order was closed."""
    booking = svc.bookings.by_token(token)
    if not payment_orders.may_try_again(booking, svc.now()):
        return booking
    booking = svc.bookings.change(booking.id, lambda b: payment_orders.try_again(b, svc.now()), known=booking)
    booking = open_order(svc, booking, seconds=IN_REQUEST_SECONDS)
    svc.queue.enqueue("refresh", booking.id)
    return booking


def _leased(svc: Services, booking: Booking) -> tuple[Booking, bool]:
    """The current booking, and whether the caller got the lease to create its order."""

    def decide(current: Booking) -> Booking | None:
        now = svc.now()
        return payment_orders.creating(current, now) if payment_orders.may_create(current, now) else None

    return svc.bookings.claim(booking.id, decide, known=booking)


def _failed(svc: Services, booking: Booking, order: PaymentOrder, error: UpstreamError) -> Booking:
    # A call that never left us used up none of the tries: retry for as long as there is time.
    most_tries = order.tries + 1 if isinstance(error, HeldBack) else svc.settings.payment_retry_attempts
    return svc.bookings.change(
        booking.id,
        lambda b: payment_orders.create_failed(
            b,
            order.trade_no,
            uncertain=error.maybe_applied,
            retryable=error.retryable,
            most_tries=most_tries,
            now=svc.now(),
            why=str(error),
        ),
        known=booking,
    )
