"""Where the event types at Calendly are not what the site offers: renamed, of another length, collecting money."""

from collections.abc import Iterator

from inspired.adapters.calendly import EventType
from inspired.domain.meeting_types import MeetingType
from inspired.services import Services


def drift(svc: Services) -> list[str]:
    """A sentence for each difference, for the owner. Raises UpstreamError."""
    if not svc.settings.uses_calendly:
        return []
    there = svc.calendly.event_types()
    return [told for one in svc.offer.types() for told in _told(one, there.get(one.id))]


def _told(ours: MeetingType, theirs: EventType | None) -> Iterator[str]:
    if theirs is None:
        yield f"{ours.title}: Calendly has no active event type with the link “{ours.id}”, so nobody can book it."
        return
    if theirs.minutes != ours.minutes:
        yield f"{ours.title}: {ours.minutes} minutes here, {theirs.minutes} at Calendly."
    if theirs.is_paid:
        yield f"{ours.title}: Calendly collects money for it too, so customers would pay twice. Turn that off there."
    if not theirs.is_for_one:
        yield f"{ours.title}: at Calendly it is for groups; cancelling one booking would cancel everybody’s."
