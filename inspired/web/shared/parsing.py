"""Parsers for URL parameters. They never raise; None means unreadable.

Dates far away are clamped to the ends of our calendar, beyond which MongoDB and Python's time zones do not work.
"""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
LARGEST = 10**9
LONGEST = 64  # characters: longer than any moment or number we use


def moment(text: str, zone: ZoneInfo | None = None) -> datetime | None:
    """ISO 8601, in UTC. Without an offset it is in `zone`, or UTC. A "+" in a URL may have become a space."""
    text = text[:LONGEST].strip()
    try:
        found = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        found = found if found.tzinfo else datetime.combine(found.date(), found.time(), zone or UTC)
    except ValueError:
        return None
    if not EARLIEST.year <= found.year < LATEST.year:
        return EARLIEST if found.year < EARLIEST.year else LATEST
    return found.astimezone(UTC)


def day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text[:LONGEST].strip())
    except ValueError:
        return None
    return min(max(found, EARLIEST.date()), LATEST.date())


def number(text: str) -> int | None:
    """A whole number, clamped to the largest one used."""
    try:
        found = int(text[:LONGEST])
    except ValueError:
        return None
    return min(max(found, -LARGEST), LARGEST)
