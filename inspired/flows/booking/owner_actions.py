"""The owner's actions on one booking: notes, letters, resending mails, manual confirmation, erasing.

Moving is in `booking`, refunding in `refunding`.
"""

from inspired.adapters.mongo.bookings import Claimed
from inspired.domain.booking import mails, owner_actions
from inspired.domain.booking.booking import Booking, ByHand, Words
from inspired.domain.booking.outbox import SendEmail
from inspired.domain.booking.states import CalendarKind, HandKind
from inspired.domain.sentences import rails
from inspired.domain.shared.errors import Conflict, SlotTaken, UpstreamError
from inspired.domain.shared.money import Money
from inspired.flows.booking import delivery, refreshing
from inspired.services import Services

ASK_SECONDS = 0.6  # per query made while a page waits
NO_ANSWER = "{asked} does not answer just now, and without its word nothing is marked. Please try again in a minute."
MONEY_IS_KNOWN = "{asked} knows of a payment after all, and its word counts. Nothing was marked by hand."


def note(svc: Services, booking_id: str, who: str, text: str) -> Booking:
    def decide(current: Booking) -> Booking:
        return owner_actions.noted_down(current, _words(svc, current, "note", len(current.notes) + 1, who, text))

    return svc.bookings.change(booking_id, decide)


def write(svc: Services, booking_id: str, who: str, text: str) -> Booking:
    """Write a letter to the customer, sent by mail."""

    def decide(current: Booking) -> Booking:
        words = _words(svc, current, "letter", len(current.letters) + 1, who, text)
        return owner_actions.written(current, words, svc.now())

    return _enqueued(svc, svc.bookings.change(booking_id, decide))


def _words(svc: Services, booking: Booking, field: str, number: int, who: str, text: str) -> Words:
    """The sealed text, bound to its number among the others."""
    owner_actions.refuse_erased(booking)
    key = booking.sealed.key if booking.sealed else b""
    return Words(svc.now(), who, svc.vault.seal(key, booking.id, f"{field}:{number}", text))


def may_send_again(svc: Services, booking: Booking, email: SendEmail) -> bool:
    """True if the mail was sent and is still true."""
    return mails.may_send_again(booking, email) and delivery.still_true(booking, email, svc.now())


def send_again(svc: Services, booking_id: str, name: str) -> SendEmail:
    """Send the mail of this name (`SendEmail.name`) again. Raises Conflict, NotFound."""
    email = mails.find(svc.bookings.get(booking_id), name)

    def decide(current: Booking) -> Booking:
        if not delivery.still_true(current, email, svc.now()):
            raise Conflict("This mail would no longer be true, so it is not sent again.")
        return mails.sent_again(current, email, svc.now())

    _enqueued(svc, svc.bookings.change(booking_id, decide))
    return email


def call_off(svc: Services, booking_id: str, who: str, reason: str, seen: int) -> Booking:
    """Cancel the call without a refund. The reason is kept as a note. `seen`: how many refunds the owner saw. Raises
    Conflict."""

    def decide(current: Booking) -> Booking:
        if len(current.refunds) != seen:
            raise Conflict("Meanwhile another refund was made for this booking. Please look again.")
        noted = owner_actions.noted_down(current, _words(svc, current, "note", len(current.notes) + 1, who, reason))
        return owner_actions.call_off(noted, svc.now())

    return _enqueued(svc, svc.bookings.change(booking_id, decide))


# --- manual confirmation --------------------------------------------------------------------------------------------


def vouch(
    svc: Services, booking_id: str, who: str, *, kind: HandKind, amount: Money, reason: str, evidence: str
) -> Booking:
    """Confirm on the owner's word. The provider is asked first and payable orders are closed: money it knows of is
    recorded and counts instead. Raises Conflict, Invalid, SlotTaken."""
    booking = svc.bookings.get(booking_id)
    word = ByHand(kind, svc.now(), who, amount, evidence, _sealed_reason(svc, booking, reason))
    if kind not in owner_actions.may_vouch(booking, svc.now()):
        raise Conflict("This booking cannot be marked by hand as it stands now. Please look at it again.")
    owner_actions.refuse_amount(booking, word)
    booking = _asked(svc, booking)
    _refuse_lost_event(svc, booking, kind)
    try:
        change = svc.bookings.change(booking.id, lambda b: owner_actions.confirmed_by_hand(b, word, svc.now()))
    except Claimed:
        raise SlotTaken("Its time is taken by another booking by now. Ask the customer for another time.") from None
    return _enqueued(svc, change)


def _asked(svc: Services, booking: Booking) -> Booking:
    """The booking with the provider's current answer for each order. Raises Conflict if an answer is missing, or if
    the provider knows of money."""
    begun = svc.now()
    after = refreshing.ask_and_close(svc, booking, seconds=ASK_SECONDS)
    if _money_seen(after) != _money_seen(booking):
        raise Conflict(MONEY_IS_KNOWN.format(asked=rails.of(after.paid_by).asked))
    if after.state is not booking.state:
        raise Conflict("Meanwhile the booking has changed. Please look at it again.")
    if any(order.was_sent and (order.seen_at is None or order.seen_at < begun) for order in after.orders):
        raise Conflict(NO_ANSWER.format(asked=rails.of(after.rail).asked))
    return after


def _money_seen(booking: Booking) -> list[tuple[str, Money | None]]:
    return [(order.trade_no, order.received) for order in booking.orders if order.has_money]


def _refuse_lost_event(svc: Services, booking: Booking, kind: HandKind) -> None:
    """At Calendly the slot stands while its event is active. Not checked if the owner vouches for the time itself.
    Raises Conflict."""
    slot = booking.slot
    if slot is None or slot.calendar is not CalendarKind.CALENDLY or kind is HandKind.TIME:
        return
    try:
        is_active = svc.calendly.is_active(slot.event_uri, seconds=ASK_SECONDS)
    except UpstreamError:
        raise Conflict("Calendly does not answer just now. Please try again in a minute.") from None
    if not is_active:
        raise Conflict("Its event in Calendly was cancelled, so there is no time. Ask the customer to book again.")


def _sealed_reason(svc: Services, booking: Booking, reason: str) -> bytes:
    owner_actions.refuse_erased(booking)
    key = booking.sealed.key if booking.sealed else b""
    return svc.vault.seal(key, booking.id, "by_hand", reason)


def reason_of(svc: Services, booking: Booking) -> str:
    """Why the owner confirmed it; "" once erased. Raises CannotDecrypt."""
    if booking.by_hand is None or booking.sealed is None:
        return ""
    return svc.vault.open(booking.sealed.key, booking.id, "by_hand", booking.by_hand.reason)


def returned_outside(svc: Services, booking_id: str, amount: Money) -> Booking:
    return _enqueued(
        svc, svc.bookings.change(booking_id, lambda b: owner_actions.returned_outside(b, amount, svc.now()))
    )


# --- erasing --------------------------------------------------------------------------------------------------------


def _enqueued(svc: Services, booking: Booking) -> Booking:
    svc.queue.enqueue("refresh", booking.id)
    return booking
