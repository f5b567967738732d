"""The site's forms. They use the JSON API's types; every wrong field gets a sentence."""

from collections.abc import Mapping
from datetime import date, time
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic import field_validator as checked

from inspired.domain.booking.owner_actions import LONGEST_LETTER, LONGEST_NOTE
from inspired.domain.booking.rails import RailId
from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.timezones import is_zone
from inspired.domain.support.tickets import Priority, Topic
from inspired.web.shared.fields import MOST_ORDERS, Amount, Email, Moment, Name, Reason, Token, Uri

NUMBERS = (
    *("minutes", "before", "after", "step", "notice", "horizon", "most_per_day"),
    *("full_until", "part_until", "part_percent", "move_until", "choice_time"),
)
SENTENCES = {
    "start": "Please choose a time.",
    "tz": "This time zone is not known.",
    "name": "Please give your name, at most 100 letters, without < and >.",
    "email": "Please give a mail address that reaches you, such as ada@example.org.",
    "terms": "Please accept the terms to go on.",
    "form_token": "Please reload the page and send the form again.",
    "event_uri": "This does not look like a Calendly booking.",
    "invitee_uri": "This does not look like a Calendly booking.",
    "address": "Please enter the address, as your wallet shows it.",
    "addresses": "That are too many at once.",
    "transaction": "Please enter the hash of the transaction.",
    "amount": "An amount is a number such as 37.5, with at most eight places.",
    "reason": "Please give the reason, in one line of at most 200 letters.",
    "note": "Please say how it was settled, in one line of at most 200 letters.",
    "title": "Please give it a name, at most 80 letters.",
    "price": "A price is a number such as 75 or 37.5.",
    **dict.fromkeys(NUMBERS, "Please give a whole number that makes sense here."),
    "days": "A whole number of days, from 1 to 365.",
    "seen": "Please reload the page and choose again.",
    "cancels": "Please choose what becomes of the call.",
    "order": "There is no such order.",
    "text": "Please write something, and not too much of it.",
    "mail": "There is no such mail.",
    "date": "Please give a day.",
    "time": "Please give a time, such as 14:30.",
    "money": "Please choose what becomes of the money.",
    "kind": "Please choose what you vouch for.",
    "evidence": "Please say what proves it, in one line of at most 200 letters.",
    "url": "Please give an address such as https://example.org/hook.",
    "topic": "Please choose what it is about.",
    "request": "Please reload the page and send the form again.",
}
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
Form = TypeVar("Form", bound=BaseModel)
ZoneName = Annotated[str, StringConstraints(max_length=64)]


class _Form(BaseModel):
    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True)


class TermsForm(_Form):
    """`pay_by`: "" where there was no choice."""

    terms: Literal["yes"]
    pay_by: RailId | Literal[""] = ""


class TimeForm(_Form):
    start: Moment
    tz: ZoneName

    @checked("tz")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        if not is_zone(value):
            raise ValueError("is not a zone")
        return value


class MoveForm(TimeForm):
    """`seen`: how often the call had been moved when the page was made."""

    seen: Annotated[int, Field(ge=0, le=10_000)]


class BookingForm(TimeForm, TermsForm):
    name: Annotated[Name, StringConstraints(min_length=1)]
    email: Email
    form_token: Token


class ScheduledForm(_Form):
    event_uri: Uri
    invitee_uri: Uri


class CancelForm(_Form):
    """`told`: the refund the page showed."""

    told: Amount


class RefundForm(_Form):
    """An empty amount means all that is left. `request` identifies this form, so that sending it twice makes one
    refund. `order`: only the money of that order, which cannot be counted; 0 for none."""

    amount: Amount | Literal[""] = ""
    order: Annotated[int, Field(ge=0, le=MOST_ORDERS)] = 0
    reason: Reason
    cancels: Literal["yes", "no", ""] = ""  # "": a call without any of its money is cancelled, as in the API
    request: Token

    @property
    def wanted(self) -> bool | None:
        """Whether to cancel the call; None decides by the amount."""
        return None if not self.cancels else self.cancels == "yes"


class RefundConfirmedForm(RefundForm):
    """Does what the page said about the call. `seen`: how many refunds the page knew of."""

    cancels: Literal["yes", "no"]
    seen: Annotated[int, Field(ge=0, le=10_000)]


class AddressForm(_Form):
    """Of a wallet. Whether it is one is told by `chain_addresses`."""

    address: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class TransactionForm(_Form):
    transaction: Annotated[str, StringConstraints(min_length=1, max_length=200)]


class ByHandForm(_Form):
    amount: Amount
    note: Reason


def _some_text(value: str) -> str:
    if not value.strip() or any(ord(letter) < 32 and letter not in "\n\r\t" for letter in value):
        raise ValueError("is no text")
    return value.replace("\r\n", "\n").replace("\r", "\n")


class NoteForm(_Form):
    text: Annotated[str, StringConstraints(max_length=LONGEST_NOTE), AfterValidator(_some_text)]


class LetterForm(_Form):
    text: Annotated[str, StringConstraints(max_length=LONGEST_LETTER), AfterValidator(_some_text)]


class AgainForm(_Form):
    """`mail`: "confirmed", "moved:2", "refund_done:<refund>"."""

    mail: Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=r"^[A-Za-z0-9_:]+$")]


class OwnersMoveForm(_Form):
    """`seen`: how often the call had been moved when the page was made."""

    start: Moment
    seen: Annotated[int, Field(ge=0, le=10_000)]


def _of_our_days(value: date) -> date:
    if not 2000 < value.year < 2200:
        raise ValueError("is out of any calendar's reach")
    return value


class OwnTimeForm(_Form):
    """A time by the owner's clock."""

    date: Annotated[date, AfterValidator(_of_our_days)]
    time: time
    seen: Annotated[int, Field(ge=0, le=10_000)]


class CallOffForm(_Form):
    money: Literal["all", "policy", "part", "none"]
    amount: Amount | Literal[""] = ""
    reason: Reason


class CallOffConfirmedForm(_Form):
    """`seen`: how many refunds the page knew of."""

    reason: Reason
    seen: Annotated[int, Field(ge=0, le=10_000)]


class VouchForm(_Form):
    kind: Literal["outside", "gift", "time"]
    amount: Amount | Literal[""] = ""
    evidence: Reason
    reason: Reason


class AmountForm(_Form):
    amount: Amount


class NamedForm(_Form):
    """A name the owner gives to something."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=60)]


class OrphanForm(_Form):
    orphan: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    note: Reason


Line = Annotated[str, StringConstraints(max_length=200)]
Text = Annotated[str, StringConstraints(max_length=8000)]
Version = Annotated[int, Field(ge=0, le=1_000_000)]


class CalendarForm(_Form):
    """`look`: the type whose times are shown. `do`: preview or save. `version`: the version the page was made from."""

    monday: Line = ""
    tuesday: Line = ""
    wednesday: Line = ""
    thursday: Line = ""
    friday: Line = ""
    saturday: Line = ""
    sunday: Line = ""
    special: Text = ""
    days_off: Text = ""
    look: Line = ""
    do: Literal["look", "save"]
    version: Version

    @property
    def days(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in WEEKDAYS}


Minutes = Annotated[int, Field(ge=0, le=24 * 60)]
Hours = Annotated[int, Field(ge=0, le=24 * 365)]


class CallForm(CalendarForm):
    """One meeting type. Its own hours apply if `own_hours` is set."""

    do: Literal["look", "save"] = "save"
    id: Line
    title: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    minutes: Minutes
    price: Amount
    summary: Annotated[str, StringConstraints(max_length=300)] = ""
    includes: Annotated[str, StringConstraints(max_length=1000)] = ""
    full_until: Hours
    part_until: Hours
    part_percent: Annotated[int, Field(ge=0, le=100)]
    move_until: Hours
    choice_time: Hours
    top_up: Literal["yes", ""] = ""
    before: Minutes
    after: Minutes
    step: Minutes
    notice: Hours
    horizon: Annotated[int, Field(ge=1, le=365)]
    most_per_day: Annotated[int, Field(ge=0, le=100)]
    own_hours: Literal["yes", ""] = ""
    reminders: Line = ""
    questions: Annotated[str, StringConstraints(max_length=2000)] = ""
    place: Annotated[str, StringConstraints(max_length=300)] = ""
    above_limit: Literal["yes", ""] = ""


class AllowanceForm(_Form):
    """Lets a customer pay up to `amount` in any window of the limit, for that many days."""

    email: Email
    amount: Amount
    days: Annotated[int, Field(ge=1, le=365)]
    reason: Reason


class WebhookForm(_Form):
    url: Annotated[str, StringConstraints(min_length=8, max_length=500, pattern=r"^https?://[!-~]+$")]


class ListForm(_Form):
    id: Line
    do: Literal["up", "down", "hide", "show"]
    version: Version


class ChoiceForm(_Form):
    """A section of the owner's settings; the section parses its own fields."""

    do: Literal["look", "save"]
    version: Version


Words = Annotated[str, StringConstraints(max_length=20_000)]  # the length limit has its own message


class AnswerForm(_Form):
    """One more message in a conversation. `form_token` identifies this form, so that sending it twice makes one
    message."""

    text: Words = ""
    form_token: Token


class QuestionForm(AnswerForm):
    topic: Topic


class ContactForm(QuestionForm):
    email: Email


class OwnAnswerForm(AnswerForm):
    """`seen`: how many messages the page showed."""

    seen: Annotated[int, Field(ge=0, le=10_000)]
    do: Literal["answer", "done", "note"]


class BeginForm(AnswerForm):
    """The owner starts a ticket: to a customer, or without a booking as a note to self."""

    subject: Annotated[str, StringConstraints(max_length=1000)] = ""
    priority: Priority
    booking: Line = ""


class TicketForm(_Form):
    """`seen`: how many messages the page showed."""

    do: Literal["take", "back", "done", "open", "priority"]
    priority: Priority = Priority.LOW
    seen: Annotated[int, Field(ge=0, le=10_000)] = 0


class MailForm(_Form):
    email: Email


def read(form: type[Form], sent: Mapping[str, str]) -> Form:
    """Validate the form. Raises Invalid with a sentence for each wrong field. Unknown fields are ignored."""
    try:
        return form.model_validate({name: sent[name] for name in form.model_fields if name in sent})
    except ValidationError as error:
        names = [str(problem["loc"][0]) for problem in error.errors()]
        fields = {name: SENTENCES.get(name, "Please check this.") for name in names}
        if len(fields) == 1:
            raise Invalid(next(iter(fields.values())), fields) from None
        raise Invalid("Please check the marked fields.", fields) from None
