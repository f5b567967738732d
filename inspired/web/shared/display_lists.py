"""Template helpers for the owner's lists: issues that need a person, filter options, results."""

from datetime import datetime

from flask import Flask

from inspired.domain.booking import attention
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.search_index import ATTENTION
from inspired.domain.booking.states import Flag
from inspired.domain.catalogue.meeting_types import MeetingType
from inspired.domain.sentences import owner, owner_pages
from inspired.domain.shared.timezones import zone
from inspired.flows.booking.bulk_jobs import ASKED, UNANSWERED

OUTCOMES = {
    ASKED: "asked, nothing new",
    UNANSWERED: "no answer: please ask again later",
}


def init_app(app: Flask) -> None:
    app.jinja_env.filters.update(
        matter=owner_pages.matter,
        undelivered=undelivered,
        was_given_up=attention.was_given_up,
        hour=hour,
        pair=lambda value: (value, value),
        flag_pair=flag_pair,
        type_pair=type_pair,
        outcome=outcome,
    )


def undelivered(booking: Booking) -> str:
    return ", ".join(dict.fromkeys(owner.task(task) for task in attention.undelivered(booking)))


def hour(moment: datetime, zone_name: str) -> str:
    """ "14:02" """
    return f"{moment.astimezone(zone(zone_name)):%H:%M}"


def flag_pair(flag: str) -> tuple[str, str]:
    return flag, "needs a person" if flag == ATTENTION else owner_pages.FLAGS[Flag(flag)]


def type_pair(meeting_type: MeetingType) -> tuple[str, str]:
    return meeting_type.id, meeting_type.title


def outcome(told: str | None) -> str:
    return "waits for its turn" if told is None else OUTCOMES.get(told, told)
