"""One booking's story: its history and evidence in chronological order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from inspired.adapters.crypto.vault import CannotDecrypt
from inspired.adapters.mongo.spellings import applied_in
from inspired.domain.booking import mails, owner_actions
from inspired.domain.booking.booking import Booking, PaymentOrder
from inspired.domain.booking.customer_links import without_links
from inspired.domain.booking.mails import MailState, Told
from inspired.domain.booking.outbox import Email
from inspired.domain.booking.rails import RailId
from inspired.domain.sentences import explanation, owner, owner_pages, rails
from inspired.domain.shared.errors import NotFound
from inspired.flows.booking import address_holders, delivery
from inspired.flows.booking import owner_actions as by_owner_flow
from inspired.flows.booking.replaying import Replay
from inspired.services import Services

MOST_EVIDENCE = 300
# A provider's calls by their path, with its rail's phrases.
CALLS = {
    "v3/order": "{rail} was asked to make the order",
    "v2/order/query": "{asked} was asked whether it was paid",
    "order/close": "{asked} was asked to close the order",
    "order/refund": "{asked} was asked to send money back",
    "order/refund/query": "{asked} was asked what became of the refund",
}
MAIL_STATES = {
    MailState.OWED: ("owed", "wait"),
    MailState.SENT: ("accepted by the mail server", "good"),
    MailState.GIVEN_UP: ("given up", "bad"),
    MailState.DROPPED: ("not sent, no longer true", "quiet"),
}
NOTIFIER = rails.of(RailId.BINANCE_PAY).asked  # the only provider of payments that sends notices
NOTICES = {
    ("PAY", "PAY_SUCCESS"): "it was paid",
    ("PAY", "PAY_CLOSED"): "the order is closed",
    ("PAY_REFUND", "REFUND_SUCCESS"): "money has gone back",
    ("PAY_REFUND", "REFUND_REJECTED"): "a refund was rejected",
}


def of_page(svc: Services, booking: Booking) -> dict[str, object]:
    """Everything a booking's page shows besides its facts and its money."""
    now, zone = svc.now(), svc.settings.owner_timezone
    return {
        "why": explanation.why(booking, now, zone),
        "neighbours": address_holders.neighbours(svc, booking),
        "next_up": explanation.next_up(booking, now),
        "story": passages(story(booking, svc.logs.of_booking(booking.id, MOST_EVIDENCE))),
        "mails": _mail_rows(svc, booking),
        "notes": _notes(svc, booking),
        "reason": _readable(lambda: by_owner_flow.reason_of(svc, booking)),
        "may_write": owner_actions.may_write(booking),
        "may_move_by_owner": owner_actions.may_move(booking, now) and not svc.settings.in_frame,
        "may_call_off": owner_actions.may_call_off(booking),
        "may_vouch": bool(owner_actions.may_vouch(booking, now)),
        "may_return_outside": owner_actions.may_return_outside(booking),
        "why_not_erase": owner_actions.why_not_erase(booking, now),
    }


# --- what happened --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence of the story. `until`: it was repeated since, `times` in all; `notice`: the webhook's id;
    `is_technical`: about a call or a notice of a provider, whose effects the other lines tell."""

    at: datetime
    text: str
    until: datetime | None = None
    times: int = 1
    notice: str = ""
    is_technical: bool = False


@dataclass(frozen=True, slots=True)
class Passage:
    """Consecutive lines of a story: what happened, or its technical side."""

    is_technical: bool
    lines: list[Line]


def story(booking: Booking, evidence: list[dict[str, Any]]) -> list[Line]:
    """Oldest first. Identical consecutive lines are merged, so that repeated calls show once."""
    lines = [Line(event.at, text) for event in booking.history if (text := owner.story(event, booking)) is not None]
    lines += [line for entry in evidence if (line := _of_evidence(entry, booking.rail)) is not None]
    return list(_folded(sorted(lines, key=lambda line: line.at)))


def passages(lines: list[Line]) -> list[Passage]:
    """In the same order; the technical ones can be folded by themselves."""
    return [Passage(kind, list(group)) for kind, group in groupby(lines, key=lambda line: line.is_technical)]


def _folded(lines: list[Line]) -> Iterator[Line]:
    held: Line | None = None
    for line in lines:
        if held is not None and held.text == line.text and not line.notice:
            held = replace(held, until=line.at, times=held.times + 1)
            continue
        if held is not None:
            yield held
        held = line
    if held is not None:
        yield held


def _of_evidence(entry: dict[str, Any], rail: RailId) -> Line | None:
    at: datetime = entry["at"]
    match entry["event"]:
        case "CALL":
            path = str(entry["path"]).lstrip("/")
            answer = "it answered" if entry["verdict"] == "ok" else f"no usable answer ({entry['verdict']})"
            asked = CALLS.get(path, "{asked} was asked").format_map(rails.by_name(rails.of(rail)))
            return Line(at, f"{asked}; {answer}.", is_technical=True)
        case "WEBHOOK_RECEIVED":
            told = f"{webhook_words(entry)} The signature was right."
            return Line(at, told, notice=str(entry["_id"]), is_technical=True)
    return None  # a webhook's effects are in the history


def webhook_words(entry: dict[str, Any]) -> str:
    """ "A notice of Binance said that it was paid." """
    kind = str(entry.get("biz_type", "")), str(entry.get("biz_status", ""))
    if kind[0] == "CALENDLY":
        what = "an event was made" if kind[1] == "invitee.created" else "an event was cancelled or moved"
        return f"A notice of Calendly said that {what}."
    if kind[0]:
        return f"A notice of {NOTIFIER} said that {NOTICES.get(kind, f'{kind[0]} is {kind[1]}')}."
    return f"Somebody sent a notice that did not prove to be {NOTIFIER}’s."


def verdict(entry: dict[str, Any]) -> dict[str, str]:
    """A webhook's result and its badge's colour."""
    if entry["event"] == "WEBHOOK_REFUSED":
        return {"text": f"refused: {entry['verdict']}", "tone": "bad"}
    followed = str(entry["followed"])
    if (state := applied_in(followed)) is not None:
        followed = f"worked on: the booking was {state} then"
    return {"text": followed or "accepted, still to be worked on", "tone": "good" if followed else "wait"}


# --- mails ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MailRow:
    """`title`: the mail's name; `text`: the owner's text, if it is a letter."""

    told: Told
    title: str
    state: dict[str, str]
    again: bool
    text: str


def _mail_rows(svc: Services, booking: Booking) -> list[MailRow]:
    """The resend button is only at a mail's latest sending."""
    told = mails.of(booking)
    newest = {mail.first: mail for mail in told}
    return [
        MailRow(
            mail,
            owner.EMAILS[mail.email.template],
            mail_state(mail),
            newest[mail.first] is mail and by_owner_flow.may_send_again(svc, booking, mail.first),
            _letter(svc, booking, mail),
        )
        for mail in told
    ]


def _letter(svc: Services, booking: Booking, mail: Told) -> str:
    email = mail.email
    if email.template is not Email.LETTER or booking.erased_at is not None or email.repeat:
        return ""
    return _words(svc, booking, "letter", int(email.subject_id))


@dataclass(frozen=True, slots=True)
class Note:
    at: datetime
    who: str
    text: str


def _notes(svc: Services, booking: Booking) -> list[Note]:
    return [
        Note(words.at, _name(svc, words.who), _words(svc, booking, "note", number))
        for number, words in enumerate(booking.notes, 1)
    ]


def _name(svc: Services, person_id: str) -> str:
    try:
        return svc.people.get(person_id).email
    except NotFound:
        return "somebody who is no longer here"


def _words(svc: Services, booking: Booking, field: str, number: int) -> str:
    return _readable(lambda: delivery.words_of(svc, booking, field, number))


def _readable(read: Callable[[], str]) -> str:
    try:
        return without_links(read())
    except CannotDecrypt:
        return "cannot be read"


def mail_state(mail: Told) -> dict[str, str]:
    text, tone = MAIL_STATES[mail.state]
    failed = mail.state is MailState.OWED and mail.tries
    return {"text": f"{text}, {mail.tries} tries failed" if failed else text, "tone": "bad" if failed else tone}


# --- replay differences ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    what: str
    before: str
    after: str


def differences(before: Booking, after: Booking) -> list[Difference]:
    """The visible differences between two versions of a booking."""
    pairs = [
        ("State", str(before.state), str(after.state)),
        ("Flags", _flags(before), _flags(after)),
        *_orders(before, after),
        ("Refunds", _refunds(before), _refunds(after)),
        ("Ledger entries", str(len(before.ledger)), str(len(after.ledger))),
        ("Owed then", _owed(before), _owed(after)),
        ("Looked at next", _moment(before.check_at), _moment(after.check_at)),
    ]
    return [Difference(*pair) for pair in pairs if pair[1] != pair[2]]


def is_same(replayed: Replay) -> bool:
    """True if the webhook would change nothing of the current booking except its next check."""
    return replace(replayed.now, check_at=replayed.stored.check_at) == replayed.stored


def _orders(before: Booking, after: Booking) -> Iterator[tuple[str, str, str]]:
    for old, new in zip(before.orders, after.orders, strict=False):
        yield f"Order {old.number}", _order(old), _order(new)


def _order(order: PaymentOrder) -> str:
    return owner_pages.order_line(order)


def _flags(booking: Booking) -> str:
    return ", ".join(owner_pages.FLAGS[flag] for flag in sorted(booking.flags)) or "none"


def _refunds(booking: Booking) -> str:
    return ", ".join(refund.amount.shown if refund.amount else "unknown" for refund in booking.refunds) or "none"


def _owed(booking: Booking) -> str:
    return ", ".join(owner.task(item.task) for item in booking.outbox) or "nothing"


def _moment(moment: datetime | None) -> str:
    return f"{moment:%d %b %Y, %H:%M:%S} UTC" if moment else "never"
