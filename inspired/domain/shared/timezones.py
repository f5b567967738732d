"""One format for times on pages, in mails and calendar files: with the zone's name and its offset on that day."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from inspired.domain.shared.slots import Span


def zone(name: str) -> ZoneInfo:
    """The zone, or UTC if the name is unknown: never guess a zone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def is_zone(name: str) -> bool:
    return zone(name).key == name


def offset(moment: datetime) -> str:
    """ "UTC+05:30", or "UTC" for no offset."""
    minutes = (moment.utcoffset() or timedelta()) // timedelta(minutes=1)
    if not minutes:
        return "UTC"
    sign = "+" if minutes > 0 else "−"
    return f"UTC{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def named(moment: datetime) -> str:
    """The zone and offset of a local time: "Europe/Berlin, UTC+01:00", or just "UTC"."""
    name = str(moment.tzinfo)
    return name if name == offset(moment) else f"{name}, {offset(moment)}"


def in_words(span: Span, zone_name: str) -> str:
    """ "Tuesday 24 November 2026, 14:00 to 14:45 (Europe/Berlin, UTC+01:00)" """
    start, end = span.start.astimezone(zone(zone_name)), span.end.astimezone(zone(zone_name))
    return f"{start:%A} {start.day} {start:%B %Y}, {start:%H:%M} to {end:%H:%M} ({named(start)})"


def ago(moment: datetime, now: datetime) -> str:
    """ "just now", "a minute ago", "4 hours ago" """
    for unit, name in ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute")):
        if number := max(now - moment, timedelta()) // unit:
            return f"{number} {name}s ago" if number > 1 else f"{'an' if name == 'hour' else 'a'} {name} ago"
    return "just now"


def moment_in_words(moment: datetime, zone_name: str) -> str:
    """ "24 November 2026, 14:00 (Europe/Berlin, UTC+01:00)" """
    local = moment.astimezone(zone(zone_name))
    return f"{local.day} {local:%B %Y, %H:%M} ({named(local)})"
