"""The call as a calendar file (RFC 5545): one UID per booking, times in UTC."""

from datetime import datetime

from icalendar import Calendar, Event

from inspired.domain.slots import Span


def calendar_file(
    *, uid: str, span: Span, title: str, place: str, description: str, sequence: int, made_at: datetime
) -> bytes:
    event = Event()
    event.add("uid", uid)
    event.add("dtstamp", made_at)
    event.add("dtstart", span.start)
    event.add("dtend", span.end)
    event.add("summary", title)
    event.add("sequence", sequence)
    event.add("status", "CONFIRMED")
    event.add("description", description)
    if place:
        event.add("location", place)
    calendar = Calendar()
    calendar.add("prodid", "-//Inspired Analyst//Booking//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(event)
    return bytes(calendar.to_ical())
