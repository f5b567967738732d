"""A booking's money as its mails state it: every amount once, so that the lines add up."""

from dataclasses import dataclass

from inspired.domain.booking.balance import kept_of, received_of, refunded
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.states import Cause
from inspired.domain.shared.money import Money

TOO_MUCH = (Cause.SURPLUS, Cause.SECOND)


@dataclass(frozen=True, slots=True)
class Statement:
    """In the price's currency: `received` = `too_much` + `before` + `goes_back` + `kept`.

    `too_much` never belonged to the call and is returned separately. `goes_back` was requested when the call ended or
    later, `before` earlier. Each counts from the request, done or not.
    """

    received: Money
    too_much: Money
    before: Money
    goes_back: Money
    kept: Money

    @property
    def paid(self) -> Money:
        """The part of the received money that was paid for the call."""
        return self.received - self.too_much


def statement(booking: Booking) -> Statement:
    currency, ended = booking.price.currency, booking.ended_at
    ours = [one for one in booking.refunds if one.reserves and one.amount and one.amount.currency == currency]
    for_the_call = [one for one in ours if one.cause not in TOO_MUCH]
    at_the_end = [one for one in for_the_call if ended is not None and one.requested_at >= ended]
    return Statement(
        received=received_of(booking),
        too_much=refunded((one for one in ours if one.cause in TOO_MUCH), currency),
        before=refunded((one for one in for_the_call if one not in at_the_end), currency),
        goes_back=refunded(at_the_end, currency),
        kept=kept_of(booking),
    )
