"""The product's pulse: thousands of pages asking every two seconds whether anything is new.

An unchanged booking costs one round trip to Redis, which counts the poll, reads the hint and says whether it is time
to bring the booking's check forward. Whoever knows a newer edition than the hint, or finds none, is answered from the
database. Nobody is ever shown an older state than was shown before.
"""

from dataclasses import dataclass
from functools import lru_cache

import limits as counting

from inspired.adapters.hints import Hint
from inspired.domain.booking import Booking, State
from inspired.domain.errors import NotFound, TooMany
from inspired.services import Services, hint_of
from inspired.web.current import services
from inspired.web.limits import Counter

LONGEST_TOKEN = 64
_polls_here = Counter(lambda svc: svc.settings.rate_limit_status, "status")


@dataclass(frozen=True, slots=True)
class Pulsed:
    """What is known now; `booking` only where the database was read."""

    hint: Hint
    booking: Booking | None


def news(token: str, known: int | None) -> Booking | None:
    """The booking, or None where the page's edition `known` is still the newest. Raises TooMany, NotFound."""
    svc = services()
    pulsed = look(svc, token, known)
    if known is not None and pulsed.hint.edition == known:
        return None
    return pulsed.booking or svc.bookings.by_token(token)


def look(svc: Services, token: str, known: int | None) -> Pulsed:
    """Count this poll and tell the newest edition. Raises TooMany, NotFound."""
    if len(token) > LONGEST_TOKEN:
        raise NotFound("There is no such booking.")
    amount, window = _limit(svc.settings.rate_limit_status)
    pulse = svc.hints.pulse(token, window)
    if pulse is None:
        _polls_here.count_here(svc, svc.vault.fingerprint("limit", token))
        return _from_database(svc, token, nudge=True)
    if pulse.count > amount:
        raise TooMany("This page asks too often. Please wait a moment.")
    if pulse.hint is None or (known is not None and pulse.hint.edition < known):
        return _from_database(svc, token, nudge=True)
    if pulse.nudge:
        booking = svc.bookings.by_token(token)
        svc.bookings.check_soon(booking.id, svc.now())
    return Pulsed(pulse.hint, None)


def _from_database(svc: Services, token: str, *, nudge: bool) -> Pulsed:
    booking = svc.bookings.by_token(token)
    hint = hint_of(booking)
    svc.hints.publish(token, hint)
    if nudge and _wants_a_check(svc, booking):
        svc.bookings.check_soon(booking.id, svc.now())
    return Pulsed(hint, booking)


def _wants_a_check(svc: Services, booking: Booking) -> bool:
    """While a page is open, a live order is asked about at least every 15 s."""
    attempt = booking.attempt
    if booking.state is not State.PENDING or attempt is None or not attempt.is_payable:
        return False
    last = attempt.seen_at or attempt.created_at
    return (svc.now() - last).total_seconds() >= 14


@lru_cache
def _limit(notation: str) -> tuple[int, int]:
    """The tightest of the limits named: how many, in how many seconds."""
    items = counting.parse_many(notation)
    item = min(items, key=lambda one: one.amount / one.get_expiry())
    return item.amount, item.get_expiry()
