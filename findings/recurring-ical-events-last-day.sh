#!/usr/bin/env bash
# recurring-ical-events 3.8.2: guess: a series of all-day events until 4 March, of which an EXDATE with a time zone leaves
# out 3 March, is on 2 and 4 March. Seen: with the zone America/New_York 4 March is lost too; with Europe/Berlin it is not.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet recurring-ical-events==3.8.2 icalendar==7.3.0
"$folder/venv/bin/python" - <<'P'
import icalendar
import recurring_ical_events

def days(zone):
    text = "\r\n".join((
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//a//b//EN", "BEGIN:VEVENT", "UID:1", "DTSTAMP:20270101T000000Z",
        "DTSTART;VALUE=DATE:20270302", "RRULE:FREQ=DAILY;UNTIL=20270304", f"EXDATE;TZID={zone}:20270303T000000",
        "END:VEVENT", "END:VCALENDAR", ""))
    found = recurring_ical_events.of(icalendar.Calendar.from_ical(text)).between((2027, 2, 25), (2027, 3, 10))
    return sorted(str(one["DTSTART"].dt) for one in found)

seen = {zone: days(zone) for zone in ("Europe/Berlin", "America/New_York")}
print(seen)
assert seen == {"Europe/Berlin": ["2027-03-02", "2027-03-04"], "America/New_York": ["2027-03-02"]}
P
