"""Time zones as calendar files name them, and recurrence rules.

Zones: IANA names, Windows names and their display texts, offsets, and definitions in the file itself (VTIMEZONE, RFC
5545 3.6.5).
"""

import re
from bisect import bisect_right
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from dateutil.rrule import rrulestr

OFFSET = re.compile(r"(?:utc|gmt)? ?([+-])(\d{1,2})(?::?(\d\d))?(?::?\d\d)?")
SHOWN = re.compile(r"\((?:utc|gmt)(?: ?([+-]\d{1,2}(?::?\d\d)?))?\) ?(.*)")
COUNT = re.compile(r"\bCOUNT=([^;]*)", re.IGNORECASE)
EVERY = re.compile(r"\bINTERVAL=(\d+)", re.IGNORECASE)
STEPS = {"DAILY": timedelta(days=1), "WEEKLY": timedelta(weeks=1)}
MOST_DIGITS = 6
UTC_NAMES = {"z", "utc", "gmt", "zulu", "coordinated universal time", "greenwich mean time", "tzone://microsoft/utc"}
# Windows' display texts, where they are more than the zone's name without "Standard".
SHOWN_BY_WINDOWS = {
    "international date line west": "Dateline Standard Time",
    "coordinated universal time-11": "UTC-11",
    "aleutian islands": "Aleutian Standard Time",
    "hawaii": "Hawaiian Standard Time",
    "marquesas islands": "Marquesas Standard Time",
    "alaska": "Alaskan Standard Time",
    "coordinated universal time-09": "UTC-09",
    "baja california": "Pacific Standard Time (Mexico)",
    "coordinated universal time-08": "UTC-08",
    "pacific time (us & canada)": "Pacific Standard Time",
    "pacific time (us and canada)": "Pacific Standard Time",
    "arizona": "US Mountain Standard Time",
    "chihuahua, la paz, mazatlan": "Mountain Standard Time (Mexico)",
    "la paz, mazatlan": "Mountain Standard Time (Mexico)",
    "mountain time (us & canada)": "Mountain Standard Time",
    "mountain time (us and canada)": "Mountain Standard Time",
    "yukon": "Yukon Standard Time",
    "central america": "Central America Standard Time",
    "central time (us & canada)": "Central Standard Time",
    "central time (us and canada)": "Central Standard Time",
    "easter island": "Easter Island Standard Time",
    "guadalajara, mexico city, monterrey": "Central Standard Time (Mexico)",
    "saskatchewan": "Canada Central Standard Time",
    "bogota, lima, quito, rio branco": "SA Pacific Standard Time",
    "bogota, lima, quito": "SA Pacific Standard Time",
    "chetumal": "Eastern Standard Time (Mexico)",
    "eastern time (us & canada)": "Eastern Standard Time",
    "eastern time (us and canada)": "Eastern Standard Time",
    "haiti": "Haiti Standard Time",
    "havana": "Cuba Standard Time",
    "indiana (east)": "US Eastern Standard Time",
    "turks and caicos": "Turks And Caicos Standard Time",
    "asuncion": "Paraguay Standard Time",
    "atlantic time (canada)": "Atlantic Standard Time",
    "caracas": "Venezuela Standard Time",
    "cuiaba": "Central Brazilian Standard Time",
    "georgetown, la paz, manaus, san juan": "SA Western Standard Time",
    "santiago": "Pacific SA Standard Time",
    "newfoundland": "Newfoundland Standard Time",
    "araguaina": "Tocantins Standard Time",
    "brasilia": "E. South America Standard Time",
    "cayenne, fortaleza": "SA Eastern Standard Time",
    "city of buenos aires": "Argentina Standard Time",
    "buenos aires": "Argentina Standard Time",
    "montevideo": "Montevideo Standard Time",
    "punta arenas": "Magallanes Standard Time",
    "saint pierre and miquelon": "Saint Pierre Standard Time",
    "salvador": "Bahia Standard Time",
    "coordinated universal time-02": "UTC-02",
    "greenland": "Greenland Standard Time",
    "azores": "Azores Standard Time",
    "cabo verde is.": "Cape Verde Standard Time",
    "dublin, edinburgh, lisbon, london": "GMT Standard Time",
    "greenwich mean time : dublin, edinburgh, lisbon, london": "GMT Standard Time",
    "monrovia, reykjavik": "Greenwich Standard Time",
    "sao tome": "Sao Tome Standard Time",
    "casablanca": "Morocco Standard Time",
    "amsterdam, berlin, bern, rome, stockholm, vienna": "W. Europe Standard Time",
    "amsterdam, berlin, bern, rom, stockholm, wien": "W. Europe Standard Time",
    "belgrade, bratislava, budapest, ljubljana, prague": "Central Europe Standard Time",
    "brussels, copenhagen, madrid, paris": "Romance Standard Time",
    "sarajevo, skopje, warsaw, zagreb": "Central European Standard Time",
    "west central africa": "W. Central Africa Standard Time",
    "amman": "Jordan Standard Time",
    "athens, bucharest": "GTB Standard Time",
    "athens, bucharest, istanbul": "GTB Standard Time",
    "beirut": "Middle East Standard Time",
    "cairo": "Egypt Standard Time",
    "chisinau": "E. Europe Standard Time",
    "damascus": "Syria Standard Time",
    "gaza, hebron": "West Bank Standard Time",
    "harare, pretoria": "South Africa Standard Time",
    "helsinki, kyiv, riga, sofia, tallinn, vilnius": "FLE Standard Time",
    "jerusalem": "Israel Standard Time",
    "juba": "South Sudan Standard Time",
    "kaliningrad": "Kaliningrad Standard Time",
    "khartoum": "Sudan Standard Time",
    "tripoli": "Libya Standard Time",
    "windhoek": "Namibia Standard Time",
    "baghdad": "Arabic Standard Time",
    "istanbul": "Turkey Standard Time",
    "kuwait, riyadh": "Arab Standard Time",
    "minsk": "Belarus Standard Time",
    "moscow, st. petersburg": "Russian Standard Time",
    "moscow, st. petersburg, volgograd": "Russian Standard Time",
    "nairobi": "E. Africa Standard Time",
    "volgograd": "Volgograd Standard Time",
    "tehran": "Iran Standard Time",
    "abu dhabi, muscat": "Arabian Standard Time",
    "astrakhan, ulyanovsk": "Astrakhan Standard Time",
    "baku": "Azerbaijan Standard Time",
    "izhevsk, samara": "Russia Time Zone 3",
    "port louis": "Mauritius Standard Time",
    "saratov": "Saratov Standard Time",
    "tbilisi": "Georgian Standard Time",
    "yerevan": "Caucasus Standard Time",
    "kabul": "Afghanistan Standard Time",
    "ashgabat, tashkent": "West Asia Standard Time",
    "ekaterinburg": "Ekaterinburg Standard Time",
    "islamabad, karachi": "Pakistan Standard Time",
    "astana": "Central Asia Standard Time",
    "chennai, kolkata, mumbai, new delhi": "India Standard Time",
    "sri jayawardenepura": "Sri Lanka Standard Time",
    "kathmandu": "Nepal Standard Time",
    "dhaka": "Bangladesh Standard Time",
    "omsk": "Omsk Standard Time",
    "novosibirsk": "N. Central Asia Standard Time",
    "yangon (rangoon)": "Myanmar Standard Time",
    "bangkok, hanoi, jakarta": "SE Asia Standard Time",
    "barnaul, gorno-altaysk": "Altai Standard Time",
    "hovd": "W. Mongolia Standard Time",
    "krasnoyarsk": "North Asia Standard Time",
    "tomsk": "Tomsk Standard Time",
    "beijing, chongqing, hong kong, urumqi": "China Standard Time",
    "irkutsk": "North Asia East Standard Time",
    "kuala lumpur, singapore": "Singapore Standard Time",
    "perth": "W. Australia Standard Time",
    "taipei": "Taipei Standard Time",
    "ulaanbaatar": "Ulaanbaatar Standard Time",
    "eucla": "Aus Central W. Standard Time",
    "chita": "Transbaikal Standard Time",
    "osaka, sapporo, tokyo": "Tokyo Standard Time",
    "pyongyang": "North Korea Standard Time",
    "seoul": "Korea Standard Time",
    "yakutsk": "Yakutsk Standard Time",
    "adelaide": "Cen. Australia Standard Time",
    "darwin": "AUS Central Standard Time",
    "brisbane": "E. Australia Standard Time",
    "canberra, melbourne, sydney": "AUS Eastern Standard Time",
    "guam, port moresby": "West Pacific Standard Time",
    "hobart": "Tasmania Standard Time",
    "vladivostok": "Vladivostok Standard Time",
    "lord howe island": "Lord Howe Standard Time",
    "bougainville island": "Bougainville Standard Time",
    "chokurdakh": "Russia Time Zone 10",
    "magadan": "Magadan Standard Time",
    "norfolk island": "Norfolk Standard Time",
    "sakhalin": "Sakhalin Standard Time",
    "solomon is., new caledonia": "Central Pacific Standard Time",
    "anadyr, petropavlovsk-kamchatsky": "Russia Time Zone 11",
    "auckland, wellington": "New Zealand Standard Time",
    "coordinated universal time+12": "UTC+12",
    "fiji": "Fiji Standard Time",
    "chatham islands": "Chatham Islands Standard Time",
    "coordinated universal time+13": "UTC+13",
    "nuku'alofa": "Tonga Standard Time",
    "samoa": "Samoa Standard Time",
    "kiritimati island": "Line Islands Standard Time",
}


@cache
def _known() -> dict[str, str]:
    """IANA name by every known name, in lower case."""
    # Most files need none of these, and the import loads all of icalendar.
    from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

    windows = {name.casefold(): zone for name, zone in WINDOWS_TO_OLSON.items()}
    shown = {words: windows[name.casefold()] for words, name in SHOWN_BY_WINDOWS.items() if name.casefold() in windows}
    return {**shown, **windows, **{name.casefold(): name for name in available_timezones()}}


@cache
def named(name: str) -> tzinfo | None:
    """The zone of this name, or None if it is unknown. A name that is only an offset gives that offset."""
    with suppress(ValueError, LookupError, OSError):
        return ZoneInfo(name)
    words = " ".join(name.replace("\\", "").strip().strip("/").split()).casefold()
    if words in UTC_NAMES:
        return UTC
    if (zone := _by_words(words)) is not None:
        return zone
    for place, sign in enumerate(words):  # e.g. /freeassociation.sourceforge.net/Europe/Berlin
        if sign == "/" and name.strip().startswith("/") and (zone := _by_words(words[place + 1 :])) is not None:
            return zone
    if (match := SHOWN.fullmatch(words)) is not None:
        return _by_words(match[2]) or _offset(match[1] or "+0")
    return _offset(words)


def _by_words(words: str) -> ZoneInfo | None:
    daylight = words.replace("daylight", "standard").replace("summer time", "standard time")
    for spelling in (words, daylight, words.removesuffix(" time") + " standard time"):
        if spelling in _known():
            return ZoneInfo(_known()[spelling])
    return None


def _offset(words: str) -> timezone | None:
    match = OFFSET.fullmatch(words)
    if match is None or int(match[2]) > 14 or int(match[3] or 0) > 59:
        return None
    offset = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
    return timezone(-offset if match[1] == "-" else offset)


# --- zones defined in the file --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Observance:
    """A STANDARD or DAYLIGHT part: from each of `onsets` (on the clock before the change) the offset is `after`."""

    onsets: tuple[datetime, ...]
    before: timedelta
    after: timedelta


class OwnZone(tzinfo):
    """A zone defined by the file's VTIMEZONE. A repeated hour means the first one; a skipped one is moved forward."""

    def __init__(self, observances: Iterable[Observance]) -> None:
        changes = sorted(
            (onset - observance.before, observance) for observance in observances for onset in observance.onsets
        )
        self._changes = [moment for moment, _ in changes]
        self._offsets = [changes[0][1].before, *(observance.after for _, observance in changes)]

    def utcoffset(self, moment: datetime | None) -> timedelta:
        if moment is None:
            return self._offsets[0]
        wall = moment.replace(tzinfo=None)
        # Offsets are at most a day, so the right one is among those in force within a day.
        first = bisect_right(self._changes, wall - timedelta(days=1))
        last = bisect_right(self._changes, wall + timedelta(days=1))
        for place in range(first, last + 1):
            if bisect_right(self._changes, wall - self._offsets[place]) == place:
                return self._offsets[place]
        return self._offsets[max(0, bisect_right(self._changes, wall - self._offsets[first]) - 1)]

    def fromutc(self, moment: datetime) -> datetime:
        return moment + self._offsets[bisect_right(self._changes, moment.replace(tzinfo=None))]

    def dst(self, moment: datetime | None) -> timedelta:
        return timedelta()

    def tzname(self, moment: datetime | None) -> str:
        return "its own"


def told_offset(text: str) -> timedelta:
    """The offset of TZOFFSETFROM or TZOFFSETTO. Raises ValueError."""
    zone = _offset(text.strip())
    if zone is None:
        raise ValueError("no offset")
    return zone.utcoffset(None)


# --- rules ----------------------------------------------------------------------------------------------------------


def repeated(start: datetime, rule: str, low: datetime, high: datetime) -> list[datetime]:
    """The times from `low` to `high` at which this RRULE, started at `start`, occurs; all without a zone. May take
    forever; raises ValueError and similar for an invalid rule."""
    if (count := COUNT.search(rule)) is not None and len(count[1]) > MOST_DIGITS:
        raise ValueError("more often than anybody can count")
    return list(rrulestr(rule, dtstart=_brought_near(start, rule.upper(), low)).between(low, high, inc=True))


def _brought_near(start: datetime, rule: str, low: datetime) -> datetime:
    """Move a daily or weekly start forward along its own rule, so that occurrences long ago need not be enumerated."""
    unit = next((length for name, length in STEPS.items() if f"FREQ={name}" in rule), None)
    every = EVERY.search(rule)
    if unit is None or "COUNT" in rule or (every is not None and not int(every[1])):
        return start
    step = unit * (int(every[1]) if every else 1)
    return start + max(0, (low - start) // step - 1) * step
