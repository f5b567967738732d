"""One format for times on pages, in mails and calendar files: with the zone's name and its offset on that day."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from inspired.domain.shared.languages import counted, current, translated
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
    times = translated("{start} to {end}", start=current().clock(start), end=current().clock(end))
    return f"{current().full_date(start)}, {times} ({named(start)})"


def ago(moment: datetime, now: datetime) -> str:
    """ "just now", "a minute ago", "4 hours ago" """
    passed = max(now - moment, timedelta())
    if days := passed // timedelta(days=1):
        return counted("a day ago", "{number} days ago", days)
    if hours := passed // timedelta(hours=1):
        return counted("an hour ago", "{number} hours ago", hours)
    if minutes := passed // timedelta(minutes=1):
        return counted("a minute ago", "{number} minutes ago", minutes)
    return translated("just now")


def moment_in_words(moment: datetime, zone_name: str) -> str:
    """ "24 November 2026, 14:00 (Europe/Berlin, UTC+01:00)" """
    local = moment.astimezone(zone(zone_name))
    return f"{current().long_date(local)}, {current().clock(local)} ({named(local)})"
