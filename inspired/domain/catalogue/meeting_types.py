"""Meeting types. Two types cost the same, so a type is identified by its slug, never by its price."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from inspired.domain.catalogue.availability import AS_USUAL, Rules
from inspired.domain.catalogue.refund_policy import STANDARD, RefundPolicy
from inspired.domain.shared.errors import Invalid, NotFound
from inspired.domain.shared.languages import Text
from inspired.domain.shared.money import Money

SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
LONGEST_MINUTES = 360
MOST_QUESTIONS, LONGEST_QUESTION, LONGEST_ANSWER = 6, 200, 1000
LEAST_PRICE, HIGHEST_PRICE = (
    Money.parse("0.01"),
    Money.parse("20000"),
)  # limits of an order that the first rail once had, and names no longer
LIMIT = Money.parse("10000")  # what one customer may pay unless the owner allows more (see booking/payment_limits)


@dataclass(frozen=True, slots=True)
class Question:
    """Asked when the call is booked."""

    text: str
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class MeetingType:
    """`minutes` is the length of the call. A booking keeps its own copy of all this."""

    id: str
    title: str
    minutes: int
    price: Money
    summary: str
    includes: tuple[str, ...] = ()
    policy: RefundPolicy = STANDARD
    rules: Rules = AS_USUAL
    reminders: tuple[int, ...] = (24, 1)  # hours before the call
    questions: tuple[Question, ...] = ()
    place: str = ""  # a link, a number or an address, shown once it is confirmed; empty: the site's
    above_limit: bool = False  # the owner knowingly charges more than LIMIT for it


MEETING_TYPES: tuple[MeetingType, ...] = (
    MeetingType(
        "quick-question",
        "Quick question",
        30,
        Money.parse("50"),
        "One question that keeps you awake, answered straight.",
        ("30 minutes, one to one", "A clear answer to one question", "The links and numbers behind it, by e-mail"),
    ),
    MeetingType(
        "portfolio-review",
        "Portfolio review",
        45,
        Money.parse("75"),
        "We go through what you hold, why you hold it and what it can cost you.",
        ("45 minutes, one to one", "Risks and overlaps in what you hold", "A written summary within two days"),
    ),
    MeetingType(
        "deep-dive",
        "Deep dive",
        90,
        Money.parse("150"),
        "One project, sector or thesis, taken apart together.",
        ("90 minutes, one to one", "Prepared in advance on your topic", "Slides and sources to keep"),
        RefundPolicy(full_until=timedelta(hours=72), part_until=timedelta(hours=24)),  # it is prepared in advance
    ),
    MeetingType(
        "mentoring",
        "Mentoring",
        45,
        Money.parse("75"),
        "Learn to do your own research, at your pace.",
        ("45 minutes, one to one", "Exercises made for your level", "A reading list for the next step"),
    ),
)


def checked(meeting_type: MeetingType) -> MeetingType:
    """Returns the type if it can be offered. Raises Invalid with a sentence for each wrong field. Copies kept by
    bookings are not checked again: they were valid at the time."""
    wrong: dict[str, str] = {}
    if not SLUG.fullmatch(meeting_type.id):
        wrong["id"] = "Small letters, digits and hyphens, such as deep-dive."
    if not meeting_type.title.strip():
        wrong["title"] = "Please give it a name."
    if meeting_type.minutes % 5 or not 5 <= meeting_type.minutes <= LONGEST_MINUTES:
        wrong["minutes"] = f"Whole five minutes, from 5 to {LONGEST_MINUTES}."
    if meeting_type.price < LEAST_PRICE or meeting_type.price > HIGHEST_PRICE:
        wrong["price"] = f"From {LEAST_PRICE} to {HIGHEST_PRICE.shown}."
    elif meeting_type.price > LIMIT and not meeting_type.above_limit:
        wrong["price"] = (
            f"More than {LIMIT.shown} is above what one customer may pay. Please say below that you allow it."
        )
    if any(not 1 <= hours <= 24 * 14 for hours in meeting_type.reminders) or len(meeting_type.reminders) > 4:
        wrong["reminders"] = "Up to four, each 1 to 336 hours before the call."
    if len(meeting_type.questions) > MOST_QUESTIONS:
        wrong["questions"] = f"At most {MOST_QUESTIONS} questions."
    if any(len(question.text) > LONGEST_QUESTION for question in meeting_type.questions):
        wrong["questions"] = f"A question has at most {LONGEST_QUESTION} letters."
    if wrong:
        raise Invalid("Please check the marked fields.", wrong)
    return meeting_type


def answered(meeting_type: MeetingType, answers: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The answered questions with their answers. Raises Invalid, with fields named by the question's position."""
    wrong: dict[str, Text] = {}
    given = [*(answer.strip() for answer in answers), *[""] * len(meeting_type.questions)]
    for place, question in enumerate(meeting_type.questions):
        if question.is_required and not given[place]:
            wrong[f"answer_{place}"] = Text.of("Please answer this.")
        elif len(given[place]) > LONGEST_ANSWER:
            wrong[f"answer_{place}"] = Text.of("At most {most} letters.", most=LONGEST_ANSWER)
    if wrong:
        raise Invalid("Please check the marked fields.", wrong)
    asked = zip(meeting_type.questions, given, strict=False)
    return tuple((question.text, answer) for question, answer in asked if answer)


def get_meeting_type(type_id: str) -> MeetingType:
    for meeting_type in MEETING_TYPES:
        if meeting_type.id == type_id:
            return meeting_type
    raise NotFound("We do not offer this kind of call.")
