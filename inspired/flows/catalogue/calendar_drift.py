"""Differences between Calendly's event types and the catalogue: link, length, price, place, questions and groups."""

import re
from collections.abc import Iterator
from decimal import Decimal

from inspired.adapters.providers.calendly import EventType
from inspired.domain.catalogue.meeting_types import MeetingType
from inspired.services import Services

AMOUNT = re.compile(
    r"(?:[$€£]|\bUSDT?\s)\s?(\d{1,6}(?:\.\d{1,2})?)|\b(\d{1,6}(?:\.\d{1,2})?)\s?(?:[$€£]|USDT?\b|dollars?\b)"
)


def drift(svc: Services) -> list[str]:
    """One sentence per difference, for the owner. Raises UpstreamError."""
    if not svc.settings.uses_calendly:
        return []
    there = svc.calendly.event_types()
    return [
        told
        for meeting_type in svc.catalogue.types()
        for told in (
            *_told(svc, meeting_type, there.get(meeting_type.id)),
            *_told_to_customers(svc, meeting_type, there.get(meeting_type.id)),
        )
    ]


def _told(svc: Services, ours: MeetingType, theirs: EventType | None) -> Iterator[str]:
    if theirs is None:
        yield f"{ours.title}: Calendly has no active event type with the link “{ours.id}”, so nobody can book it."
        return
    lengths = theirs.lengths(in_frame=svc.settings.in_frame)
    others = [str(option) for option in theirs.options if option != ours.minutes]
    if ours.minutes not in lengths:
        there = " or ".join(map(str, lengths))
        yield f"{ours.title}: {ours.minutes} minutes here, {there} at Calendly. Until they agree, nobody can book it."
    elif others:
        yield (
            f"{ours.title}: at Calendly customers can choose {' or '.join(others)} minutes too, which have no price "
            f"here: such a time is refused. Offer {ours.minutes} minutes alone there, and another type for the others."
        )
    if theirs.is_paid:
        yield f"{ours.title}: Calendly collects money for it too, so customers would pay twice. Turn that off there."
    if not theirs.is_for_one:
        yield f"{ours.title}: at Calendly it is for groups; cancelling one booking would cancel everybody’s."


def _told_to_customers(svc: Services, ours: MeetingType, theirs: EventType | None) -> Iterator[str]:
    """Differences in what Calendly's own pages and mails say."""
    if theirs is None:
        return
    named = [before or after for before, after in AMOUNT.findall(theirs.says)]
    if named and ours.price.amount not in map(Decimal, named):
        yield f"{ours.title}: {ours.price.shown} here, while Calendly’s page speaks of {', '.join(named)}."
    place = ours.place or svc.settings.meeting_place
    places = [where or kind.replace("_", " ") for kind, where in theirs.places]
    if place and places and place not in places:
        yield f"{ours.title}: it takes place at {place} here, and by {', '.join(places)} at Calendly."
    if theirs.asks and not svc.settings.in_frame:
        yield f"{ours.title}: Calendly wants an answer to “{theirs.asks[0]}”, which this site does not ask there."
