"""The call as a calendar file (RFC 5545, RFC 5546): one UID per booking, times in UTC, a higher sequence for each move.

By mail it is a request or a cancellation, so that a calendar moves or removes the same entry; as a file it is only
published.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from inspired.domain.shared.slots import Span
from inspired.domain.site.preferences import one_line

ALARM = timedelta(minutes=-15)


class Method(StrEnum):
    PUBLISH = "PUBLISH"
    REQUEST = "REQUEST"
    CANCEL = "CANCEL"


@dataclass(frozen=True, slots=True)
class Invitation:
    """`organizer` and `attendee` are email addresses; a published file invites nobody. Calendars drop invitations to
    oneself, so the organizer's own copy is published too."""

    method: Method
    organizer: str = ""
    attendee: str = ""


PUBLISHED = Invitation(Method.PUBLISH)


def invitation_for(method: Method, *, organizer: str, to: str) -> Invitation:
    if organizer.casefold() != to.casefold():
        return Invitation(method, organizer, to)
    return Invitation(Method.PUBLISH if method is Method.REQUEST else method, organizer)


def entry_text(text: str) -> str:
    """The owner's text as an entry's title or place: one line without control characters, which calendars forbid (RFC
    5545, 3.1). The library escapes commas, semicolons and backslashes."""
    return one_line(text)


def calendar_file(
    invitation: Invitation,
    *,
    uid: str,
    span: Span,
    title: str,
    place: str,
    description: str,
    sequence: int,
    made_at: datetime,
) -> bytes:
    # Eighty modules, which the clock and many a web process never need.
    from icalendar import Alarm, Calendar, Event, vCalAddress

    event = Event()
    event.add("uid", uid)
    event.add("dtstamp", made_at)
    event.add("dtstart", span.start)
    event.add("dtend", span.end)
    title = entry_text(title)
    event.add("summary", title)
    event.add("sequence", sequence)
    event.add("status", "CANCELLED" if invitation.method is Method.CANCEL else "CONFIRMED")
    event.add("description", description)
    if place := entry_text(place):
        event.add("location", place)
    if invitation.organizer:
        event.add("organizer", vCalAddress(f"mailto:{invitation.organizer}"))
    if invitation.attendee:
        event.add("attendee", vCalAddress(f"mailto:{invitation.attendee}"), parameters={"PARTSTAT": "ACCEPTED"})
    if invitation.method is not Method.CANCEL:
        alarm = Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("trigger", ALARM)
        alarm.add("description", title)
        event.add_component(alarm)
    calendar = Calendar()
    calendar.add("prodid", "-//Inspired Analyst//Booking//EN")
    calendar.add("version", "2.0")
    calendar.add("method", str(invitation.method))
    calendar.add_component(event)
    return bytes(calendar.to_ical())
