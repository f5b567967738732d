"""Describes the catalogue in words, for the audit log's entries about changes to meeting types or the calendar."""

from collections.abc import Iterable
from datetime import timedelta

from inspired.domain.catalogue.availability import Availability, Week, days_off_in_words, in_words, special_in_words
from inspired.domain.catalogue.meeting_types import MeetingType
from inspired.domain.sentences.values import in_hours

MINUTE = timedelta(minutes=1)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def type_in_words(meeting_type: MeetingType) -> dict[str, str]:
    """All its fields, by their names on the owner's page."""
    policy, rules = meeting_type.policy, meeting_type.rules
    return {
        "name": meeting_type.title,
        "length": f"{meeting_type.minutes} minutes",
        "price": meeting_type.price.shown,
        "above the limit of one customer": "allowed by you" if meeting_type.above_limit else "",
        "in one sentence": meeting_type.summary,
        "what is in it": ", ".join(meeting_type.includes),
        "all of the money back": f"until {in_hours(policy.full_until)} before",
        "a part back": f"{policy.part_percent} % until {in_hours(policy.part_until)} before",
        "can be moved": f"until {in_hours(policy.move_until)} before",
        "time to choose": in_hours(policy.choice_time),
        "a short payment": "may be completed" if policy.top_up else "goes back",
        "kept free": f"{rules.before // MINUTE} minutes before, {rules.after // MINUTE} after",
        "one start to the next": f"{rules.step // MINUTE} minutes",
        "notice": in_hours(rules.notice),
        "days ahead": str(rules.horizon.days),
        "most on one day": str(rules.most_per_day or "no limit"),
        "hours of its own": "; ".join(_open_days(rules.week)) if rules.week else "",
        "reminders": ", ".join(f"{hours} h before" for hours in meeting_type.reminders),
        "questions": "; ".join(
            f"{asked.text} *" if asked.is_required else asked.text for asked in meeting_type.questions
        ),
        "where it takes place": meeting_type.place,
    }


def calendar_in_words(calendar: Availability) -> dict[str, str]:
    return {
        **{day: in_words(hours) or "no calls" for day, hours in zip(WEEKDAYS, calendar.week, strict=True)},
        "other hours on single days": "; ".join(special_in_words(calendar.special).splitlines()),
        "days off": "; ".join(days_off_in_words(calendar.days_off).splitlines()),
    }


def list_in_words(listed: Iterable[tuple[str, bool]]) -> dict[str, str]:
    """Each call's name in the owner's order, marked if it is hidden."""
    return {"order": ", ".join(f"{title} (hidden)" if hidden else title for title, hidden in listed)}


def _open_days(week: Week) -> list[str]:
    return [f"{day} {in_words(hours)}" for day, hours in zip(WEEKDAYS, week, strict=True) if hours]
