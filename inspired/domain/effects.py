"""What a booking owes the outside world: claimed before it is done, ticked off after, tried again ever more slowly."""

from dataclasses import replace
from datetime import datetime, timedelta

from inspired.domain.booking import Booking
from inspired.domain.schedule import scheduled

EFFECT_LEASE = timedelta(seconds=60)
LONGEST_BACKOFF = timedelta(minutes=10)
ALERT_AT_TRY = 8
MOST_MAIL_TRIES = 300  # about two days of a mail server that is down


def claimed_effect(booking: Booking, name: str, now: datetime) -> Booking:
    """Somebody does it now. Counted before it is done, so that a job that kills its worker still counts."""
    effects = tuple(
        replace(effect, tries=effect.tries + 1, due=now + EFFECT_LEASE) if effect.name == name else effect
        for effect in booking.effects
    )
    return scheduled(replace(booking, effects=effects), now)


def effect_done(booking: Booking, name: str, now: datetime, note: str = "") -> Booking:
    if name in booking.delivered:
        return booking
    effects = tuple(effect for effect in booking.effects if effect.name != name)
    booking = replace(booking, effects=effects, delivered=booking.delivered | {name})
    return scheduled(booking.noted(now, "done", f"{name} {note}".strip()), now)


def effect_failed(booking: Booking, name: str, now: datetime, *, for_good: bool = False) -> Booking:
    """Tried again, ever more slowly. A mail that was refused for good, or for two days, is given up; and told."""
    effect = next((one for one in booking.effects if one.name == name), None)
    if effect is None:
        return booking
    is_mail = name.startswith(("send:", "alert:"))
    if is_mail and (for_good or effect.tries >= MOST_MAIL_TRIES):
        booking = effect_done(booking, name, now, "given up")
        return booking if name.startswith("alert:") else scheduled(booking.owing(now, "alert:undelivered"), now)
    wait = min(timedelta(seconds=2 ** min(effect.tries, 10)), LONGEST_BACKOFF)
    effects = tuple(replace(one, due=now + wait) if one.name == name else one for one in booking.effects)
    booking = replace(booking, effects=effects)
    if effect.tries == ALERT_AT_TRY and not name.startswith("alert:"):
        booking = booking.owing(now, "alert:undelivered")
    return scheduled(booking, now)
