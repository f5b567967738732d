"""Processing a booking's outbox: mails, alerts, calendar events. Each task is done once, however often it is tried."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parseaddr
from itertools import zip_longest
from typing import Any

import structlog

from inspired.adapters.mail.ics import PUBLISHED, Invitation, Method, calendar_file, invitation_for
from inspired.adapters.mail.smtp import Mail, with_ascii_domain
from inspired.adapters.process.languages import language
from inspired.domain.booking import customer_actions, delivery, polling, status
from inspired.domain.booking import wallet_refunds as rules
from inspired.domain.booking.balance import Payment, missing, payment_of, refunded
from inspired.domain.booking.booking import Booking, Refund, RefundAddress, Sealed
from inspired.domain.booking.customer_links import without_links
from inspired.domain.booking.history import EventKind
from inspired.domain.booking.outbox import (
    AlertKind,
    AlertOwner,
    CancelEvent,
    CancelStrayEvents,
    Email,
    OutboxItem,
    PostLedger,
    ReportNoShow,
    Result,
    SendEmail,
    SyncEvent,
    Task,
)
from inspired.domain.booking.statement import Statement, statement
from inspired.domain.booking.states import CalendarKind, Flag, HandKind, State
from inspired.domain.monitoring import runbook
from inspired.domain.sentences import customer, rails
from inspired.domain.shared.errors import Busy, UpstreamError
from inspired.domain.shared.languages import ENGLISH, reading, translated
from inspired.domain.shared.messages import Message, MessageId
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network
from inspired.domain.shared.timezones import in_words, moment_in_words
from inspired.domain.site import assurances
from inspired.flows.booking import wallet_refunds
from inspired.flows.shared import owner_notifications
from inspired.services import Services

log = structlog.get_logger()

INVITING = (Email.CONFIRMED, Email.OWNER_CONFIRMED, Email.MOVED, Email.OWNER_MOVED)
ALERTS_OF_CANCELLING = (AlertKind.CANCELLED, AlertKind.CANCELLED_BY_OWNER)


def deliver(svc: Services, booking: Booking) -> Booking:
    """Do every due task. A failed task is retried later and does not hold up the others."""
    for item in booking.outbox:
        if item.due <= svc.now():
            booking, is_ours = _claimed(svc, booking, item.task)
            if is_ours:
                booking = svc.bookings.change(booking.id, _tried(svc, booking, item.task), known=booking)
    return booking


def lease_out(until: datetime) -> str:
    """A lease as a job's argument: its end, in ms."""
    return f"{round(until.timestamp() * 1000)}"


def work(svc: Services, lease_and_ids: Sequence[str]) -> None:
    """The job: the end of its lease, if it has one, and the bookings."""
    first = lease_and_ids[0]
    if not first.isdigit():
        return deliver_batch(svc, lease_and_ids)
    # A queue may hand out a job twice, and the lease is in both.
    is_ours = svc.queue.is_first_run("deliver", *lease_and_ids)
    deliver_batch(svc, lease_and_ids[1:], datetime.fromtimestamp(int(first) / 1000, UTC) if is_ours else None)


def is_for_job(booking: Booking, now: datetime, until: datetime) -> bool:
    return any(item.due <= now or _is_leased(item, until) for item in booking.outbox)


def _is_leased(item: OutboxItem[Task], until: datetime) -> bool:
    """True until somebody else claims the task: that changes its tries."""
    return item.tries == 1 and item.due == until


def deliver_batch(svc: Services, booking_ids: Sequence[str], until: datetime | None = None) -> None:
    """The same for many bookings: their tasks are claimed together, done one after the other, and saved together. After
    a process that died in between, the tasks of one such round are repeated; a repeated mail has the same Message-ID.

    `until`: tasks leased until then were leased to this job when it was enqueued.
    """
    bookings = {booking.id: booking for booking in svc.bookings.among(booking_ids)}
    now = svc.now()
    with svc.smtp.kept_open():
        if until is not None:
            for tasks in _rounds(bookings, lambda item: _is_leased(item, until)):
                mine = {booking_id: bookings[booking_id] for booking_id in tasks}
                bookings |= _done_together(svc, mine, tasks, until)
        for tasks in _rounds(bookings, lambda item: item.due <= now):
            bookings |= _claimed_and_done(svc, bookings, tasks)


def _rounds(
    bookings: Mapping[str, Booking], is_wanted: Callable[[OutboxItem[Task]], bool]
) -> Iterator[dict[str, Task]]:
    """The tasks that are wanted as the bookings stand now, one of each booking in a round."""
    wanted = [[(one.id, item.task) for item in one.outbox if is_wanted(item)] for one in bookings.values()]
    for tasks in zip_longest(*wanted):
        yield dict(filter(None, tasks))


def _claimed_and_done(svc: Services, bookings: Mapping[str, Booking], tasks: Mapping[str, Task]) -> dict[str, Booking]:
    """Do one task of each of these bookings. Returns those whose task is done."""
    until = svc.now() + delivery.LEASE
    claimed, _ = svc.bookings.change_together(
        [bookings[booking_id] for booking_id in tasks],
        lambda current: _claiming(current, tasks[current.id], svc.now()) or current,
    )
    # One that is not certainly claimed is left to whoever was faster, or to the sweep.
    mine = {booking.id: booking for booking in claimed if booking.version > bookings[booking.id].version}
    return _done_together(svc, mine, tasks, until)


def _done_together(
    svc: Services, mine: Mapping[str, Booking], tasks: Mapping[str, Task], until: datetime
) -> dict[str, Booking]:
    """`until`: the end of the lease. What could not end before it is not begun; the sweep finds it again."""
    decisions: dict[str, Callable[[Booking], Booking]] = {}
    try:
        for booking in mine.values():
            if svc.now() < until - delivery.ROUND:
                decisions[booking.id] = _tried(svc, booking, tasks[booking.id])
    finally:
        saved, unsaved = svc.bookings.change_together(
            [mine[booking_id] for booking_id in decisions], lambda current: decisions[current.id](current)
        )
        saved += [svc.bookings.change(booking.id, decisions[booking.id]) for booking in unsaved]
    return {booking.id: booking for booking in saved}


def _claimed(svc: Services, booking: Booking, task: Task) -> tuple[Booking, bool]:
    """The current booking, and whether this worker got the task: lease and count are saved before it is done."""
    return svc.bookings.claim(booking.id, lambda current: _claiming(current, task, svc.now()), known=booking)


def _claiming(booking: Booking, task: Task, now: datetime) -> Booking | None:
    is_due = any(item.task == task and item.due <= now for item in booking.outbox)
    return delivery.claimed(booking, task, now) if is_due else None


def _tried(svc: Services, booking: Booking, task: Task) -> Callable[[Booking], Booking]:
    """Do the task. Returns how its outcome is noted in the booking."""
    for_good = False
    try:
        result, count = _do(svc, booking, task)
    except UpstreamError as error:
        for_good = not error.retryable
        log.warning("task_failed", booking=booking.id, task=type(task).__name__, error=str(error))
    except Busy:
        raise
    except Exception:
        log.exception("task_broken", booking=booking.id, task=task.key)
    else:
        return lambda current: delivery.done(current, task, svc.now(), result, count)
    return lambda current: delivery.failed(current, task, svc.now(), for_good=for_good)


def _do(svc: Services, booking: Booking, task: Task) -> tuple[Result, int]:
    """Do the task. Returns its result, and a number for results that have one."""
    match task:
        case SendEmail() if still_true(booking, task, svc.now()):
            with reading(language(ENGLISH if task.template.is_to_owner else booking.language)):
                _send(svc, booking, task)
            return Result.SENT, 0
        case SendEmail():
            return Result.STALE, 0
        case AlertOwner():
            _alert(svc, booking, task)
            return Result.OWNER_TOLD, 0
        case CancelEvent() if booking.holds(task.event_uri):
            return Result.OWN_SLOT, 0
        case CancelEvent():
            svc.calendly.cancel(task.event_uri, customer.said(_why_freed(booking)))
            return Result.CANCELLED, 0
        case CancelStrayEvents():
            return Result.STRAYS_CANCELLED, _cancel_strays(svc, booking)
        case SyncEvent():
            return _sync_event(svc, booking), 0
        case ReportNoShow() if booking.slot is not None:
            svc.calendly.tell_no_show(booking.slot.invitee_uri, came=booking.no_show_at is None)
            return Result.REPORTED, 0
        case PostLedger():
            return Result.POSTED, svc.ledger.post(booking.id, booking.ledger)
    raise UpstreamError("delivery", f"nobody here knows how to do {task.key}")


def _why_freed(booking: Booking) -> Message:
    """Calendly mails this to the invitee."""
    if booking.is_open and any(event.kind is EventKind.OTHER_LENGTH for event in booking.history):
        return Message.of(MessageId.FREED_OTHER_LENGTH, minutes=booking.meeting_type.minutes)
    if booking.state is State.EXPIRED:
        return Message(MessageId.FREED_UNPAID)
    return Message(MessageId.FREED_NOT_YOURS)


def _cancel_strays(svc: Services, booking: Booking) -> int:
    """Cancel events that carry this booking's token and never became its slot: picked in a second tab, or too late."""
    found = svc.calendly.find(booking.token, booking.created_at)
    strays = [event_uri for event_uri, _ in found if not booking.holds(event_uri)]
    for event_uri in strays:
        svc.calendly.cancel(event_uri, customer.said(_why_freed(booking)))
    return len(strays)


def _sync_event(svc: Services, booking: Booking) -> Result:
    """Ask Calendly what happened to the event: moved, cancelled, or nothing."""
    slot = booking.slot
    if slot is None or slot.calendar is not CalendarKind.CALENDLY:
        return Result.NO_EVENT
    found = svc.calendly.follow(slot.invitee_uri)
    now = svc.now()
    at = found.at or now
    if found.now is not None:
        there = found.now.slot
        # A customer's move creates a new event; only the owner changes the time of the same event.
        by_owner = found.by_host or there.invitee_uri == slot.invitee_uri
        after = svc.bookings.change(
            booking.id,
            lambda b: customer_actions.moved_in_calendar(b, slot, there, by_owner=by_owner, moved_at=at, now=now),
            known=booking,
        )
        return Result.MOVED if after.holds(there.event_uri) and after.slot != slot else Result.UNCHANGED
    svc.bookings.change(
        booking.id,
        lambda b: customer_actions.cancelled_in_calendar(b, slot, by_owner=found.by_host, cancelled_at=at, now=now),
        known=booking,
    )
    return Result.CANCELLED_THERE


def still_true(booking: Booking, email: SendEmail, now: datetime) -> bool:
    """Checked again at sending: skip a mail that is no longer true, or whose address was erased."""
    if booking.erased_at is not None and not email.template.is_to_owner:
        return False
    refund = booking.find_refund(email.subject_id)
    match email.template:
        case Email.HELD | Email.UNPAID:
            in_time = booking.expires_at is not None and now < booking.expires_at
            return booking.state is State.PENDING and in_time and not booking.cancel_requested and not booking.flags
        case Email.CONFIRMED | Email.OWNER_CONFIRMED:
            return booking.state is State.CONFIRMED
        case Email.MOVED | Email.OWNER_MOVED:
            return booking.state is State.CONFIRMED and email.subject_id == str(booking.moves)
        case Email.REMINDER:
            return booking.state is State.CONFIRMED and booking.slot is not None and now < booking.slot.span.start
        case Email.EXPIRED:
            return booking.state is State.EXPIRED and payment_of(booking) is Payment.NONE
        case Email.CHOOSE:
            return customer_actions.may_choose(booking, now)
        case Email.SHORT:
            return payment_of(booking) is Payment.SHORT and polling.may_still_pay(booking, now)
        case Email.CANCELLED:
            return booking.state in (State.CANCELLED, State.REFUNDED)
        case Email.REFUND_STARTED:
            is_told = booking.has_owed(SendEmail(Email.CANCELLED)) or refund is None or not refund.reserves
            return not is_told and refund is not None and not refund.is_gone
        case Email.REFUND_DONE:
            return refund is not None and refund.is_gone
        case Email.REFUND_ADDRESS_WANTED:
            return refund is not None and refund.awaits_address
        case Email.REFUND_TOO_SMALL:
            return refund is not None and refund.waits_for_customer and not refund.awaits_address
        case Email.REFUND_ADDRESS:
            return _address_to_confirm(booking, email) is not None
        case Email.LETTER:
            return True
        case Email.PROBLEM:
            return Flag.NEEDS_OWNER in booking.flags


def _send(svc: Services, booking: Booking, email: SendEmail) -> None:
    template = email.template
    context = {**letter_context(svc, booking), **_refund_context(svc, booking, email.subject_id)}
    if (address := _address_to_confirm(booking, email)) is not None:
        context |= _address_context(svc, booking, address)
    if template is Email.LETTER:
        context["words"] = words_of(svc, booking, "letter", int(email.subject_id))
    if template.is_to_owner:
        context["answers"] = [(question, without_links(answer)) for question, answer in context["answers"]]
    subject, text, html = svc.mail_templates.write(template, context)

    method = Method.REQUEST if template in INVITING else Method.CANCEL if template is Email.CANCELLED else None
    mail_id, page = _mail_id(booking.id, email.name), (admin_page_of if template.is_to_owner else page_of)

    def addressed(to: str) -> Mail:
        return Mail(mail_id, to, subject, text, html, **_invitation(svc, booking, method, to, page(svc, booking)))

    if template.is_to_owner:
        owner_notifications.everybody(svc, "calls", addressed)
    else:
        svc.smtp.send(addressed(context["email"]))


def _invitation(svc: Services, booking: Booking, method: Method | None, to: str, page: str) -> dict[str, Any]:
    """The calendar file attached to the mail, linking to the recipient's own page: readers of the owner's calendar must
    not get the customer's link. Calendly sends its own invitations."""
    if method is None or booking.confirmed_at is None or booking.slot is None:
        return {}
    if booking.slot.calendar is CalendarKind.CALENDLY:
        return {}
    organizer = with_ascii_domain(parseaddr(svc.settings.mail_from)[1])
    invited = invitation_for(method, organizer=organizer, to=with_ascii_domain(to))
    return {"calendar": call_as_file(svc, booking, invited, page=page), "method": str(invited.method)}


def words_of(svc: Services, booking: Booking, field: str, number: int) -> str:
    """The text of a "note" or a "letter", numbered from 1. Raises CannotDecrypt."""
    said = (booking.letters if field == "letter" else booking.notes)[number - 1]
    key = booking.sealed.key if booking.sealed else b""
    return svc.vault.open(key, booking.id, f"{field}:{number}", said.sealed)


def _address_to_confirm(booking: Booking, email: SendEmail) -> RefundAddress | None:
    """The address this mail asks to confirm, while it is the newest and not confirmed."""
    if email.template is not Email.REFUND_ADDRESS:
        return None
    named = (one for one in booking.refund_addresses if str(one.number) == email.subject_id)
    return next((one for one in named if one.confirmed_at is None), None)


def _address_context(svc: Services, booking: Booking, address: RefundAddress) -> dict[str, Any]:
    """The address goes to the customer's mailbox only; the link has a secret that confirms this one."""
    shown = wallet_refunds.address_of(svc, booking, address.network)
    secret = wallet_refunds.secret_of(svc, booking, address)
    return {
        "network_name": address.network.facts.name,
        "in_fours": [shown[at : at + 4] for at in range(0, len(shown), 4)],
        "is_changed": address.is_change,
        "confirm_url": f"{_address_page_of(svc, booking, address.network)}/{secret}",
    }


def _address_page_of(svc: Services, booking: Booking, network: Network) -> str:
    return f"{page_of(svc, booking)}/refund-address/{network}"


def _refund_context(svc: Services, booking: Booking, refund_id: str) -> dict[str, Any]:
    refund = booking.find_refund(refund_id)
    if refund is None or refund.amount is None:
        return {}
    order = booking.find_order(refund.trade_no)
    arrived = order.received if order else None
    others = booking.refunds[: booking.refunds.index(refund)]
    earlier = (one for one in others if one.reserves and one.trade_no == refund.trade_no)
    return {
        **_wallet_context(svc, booking, refund),
        "rail": booking.rail_of(refund),
        "refund_time": customer.said(assurances.refund_time(booking.rail_of(refund))),
        "refund": refund.amount.shown,
        "refund_why": customer.why_back(booking, refund),
        "arrived": arrived.shown if arrived else "",
        "returned_before": _some(refunded(earlier, refund.amount.currency)),
    }


def _wallet_context(svc: Services, booking: Booking, refund: Refund) -> dict[str, Any]:
    """Of a refund that the owner sends from a wallet."""
    network = rules.network_of(booking, refund)
    if network is None:
        return {"transaction": ""}
    return {
        "network_name": network.facts.name,
        "address_url": _address_page_of(svc, booking, network),
        "minimum": wallet_refunds.minimum(svc).shown,
        "transaction": refund.sent_with.log.tx_hash if refund.sent_with else "",
    }


def _alert(svc: Services, booking: Booking, task: AlertOwner) -> None:
    alert = runbook.OF_BOOKING[task.kind]
    runbook_url = f"{svc.settings.site_url}/admin/runbook/{alert.id}"
    context = {
        **letter_context(svc, booking),
        "what": alert.sentence,
        "needs_you": alert.needs_you,
        "sentence": customer.message(booking),
        "runbook_url": runbook_url,
    }
    subject, text, html = svc.mail_templates.write("alert", context)
    method = Method.CANCEL if task.kind in ALERTS_OF_CANCELLING else None
    mail_id, page = _mail_id(booking.id, task.key), admin_page_of(svc, booking)

    def addressed(to: str) -> Mail:
        return Mail(mail_id, to, subject, text, html, **_invitation(svc, booking, method, to, page))

    owner_notifications.everybody(svc, "alerts", addressed)


def letter_context(svc: Services, booking: Booking) -> dict[str, Any]:
    """The template variables of all letters. `place` is included only once the call is confirmed."""
    person = opened(svc, booking)
    zone = booking.slot.zone if booking.slot else "UTC"
    owner_zone = svc.settings.owner_timezone
    money = statement(booking)
    return {
        **person,
        "rail": booking.paid_by,
        "refund_time": customer.said(assurances.refund_time(booking.paid_by)),
        "title": booking.meeting_type.title,
        "call_and_length": _call_and_length(booking),
        "minutes": booking.meeting_type.minutes,
        "price": booking.price.shown,
        "received": _some(money.received),
        "paid": _paid(booking, money),
        "too_much": _some(money.too_much),
        "transaction_id": next((one.transaction_id for one in booking.orders if one.transaction_id), ""),
        "when": in_words(booking.slot.span, zone) if booking.slot else "",
        "when_owner": in_words(booking.slot.span, owner_zone) if booking.slot else "",
        "pay_until": moment_in_words(booking.expires_at, zone) if booking.expires_at else "",
        "missing": missing(booking).shown,
        "is_attached": booking.slot is not None and booking.slot.calendar is CalendarKind.BUILTIN,
        "move_until": _move_until(svc, booking, zone),
        "choose_by": moment_in_words(booking.choose_by, zone) if booking.choose_by else "",
        "policy": [customer.said(one) for one in booking.meeting_type.policy.terms],
        "cancelled_by": status.cancelled_by(booking),
        "call_stands": _call_stands(svc, booking, zone),
        "goes_back": _some(money.goes_back),
        "returned_before": _some(money.before),
        "kept": _some(money.kept),
        "place": place_of(svc, booking),
        "answers": answers_of(svc, booking),
        "sentence": customer.sentence(booking),
        "also": svc.preferences.now().small_print.confirmation,
        "reference": booking.id[:8],
        "booking_url": page_of(svc, booking),
        "book_again_url": f"{svc.settings.site_url}/book/{booking.meeting_type.id}",
        "admin_url": admin_page_of(svc, booking),
        "site_url": svc.settings.site_url,
    }


def _call_and_length(booking: Booking) -> str:
    """ "Deep dive, 90 minutes" """
    sold = booking.meeting_type
    return translated("{title}, {minutes} minutes", title=sold.title, minutes=sold.minutes)


def _some(money: Money) -> str:
    """ "75 USDT", or "" for zero."""
    return "" if money.is_nothing else money.shown


def _paid(booking: Booking, money: Statement) -> str:
    """What the confirmation says was paid for the call; "" for a gift."""
    word = booking.by_hand
    if word is not None and word.kind is HandKind.OUTSIDE:
        rail = rails.of(booking.rail).rail
        return translated("{amount}, by another way than {rail}", amount=word.amount.shown, rail=rail)
    if word is not None and word.kind is HandKind.GIFT:
        return _some(money.paid)
    return _some(money.paid) or booking.price.shown


def _call_stands(svc: Services, booking: Booking, zone: str) -> str:
    """The time of a confirmed future call: a customer who reads of a refund wants to know that it stands."""
    if booking.state is not State.CONFIRMED or booking.slot is None or booking.slot.span.start <= svc.now():
        return ""
    return in_words(booking.slot.span, zone)


def _move_until(svc: Services, booking: Booking, zone: str) -> str:
    """Until when the customer can still move the call; "" if that is over."""
    if booking.slot is None:
        return ""
    until = booking.slot.span.start - booking.meeting_type.policy.move_until
    return moment_in_words(until, zone) if until > svc.now() else ""


def opened(svc: Services, booking: Booking) -> dict[str, str]:
    """The personal data, decrypted."""
    sealed: Sealed | None = booking.sealed
    if sealed is None:
        return {"email": "", "name": ""}
    return {
        field: svc.vault.open(sealed.key, booking.id, field, value)
        for field, value in (("email", sealed.email), ("name", sealed.name))
    }


def answers_of(svc: Services, booking: Booking) -> list[tuple[str, str]]:
    """The questions asked before the call with their answers, decrypted."""
    if booking.sealed is None or not booking.sealed.answers:
        return []
    text = svc.vault.open(booking.sealed.key, booking.id, "answers", booking.sealed.answers)
    return [(question, answer) for question, answer in json.loads(text)]


def place_of(svc: Services, booking: Booking) -> str:
    """Where the call takes place; "" until it is confirmed."""
    return (booking.meeting_type.place or svc.settings.meeting_place) if booking.state is State.CONFIRMED else ""


def page_of(svc: Services, booking: Booking) -> str:
    """The customer's own page: anybody with this link acts as the customer."""
    return f"{svc.settings.site_url}/booking/{booking.token}"


def admin_page_of(svc: Services, booking: Booking) -> str:
    return f"{svc.settings.site_url}/admin/bookings/{booking.id}"


def call_as_file(svc: Services, booking: Booking, invitation: Invitation = PUBLISHED, *, page: str = "") -> bytes:
    """The call as a calendar file with the reader's page (by default the customer's). A cancellation's sequence number
    is above that of the last move."""
    if booking.slot is None:
        return b""
    return calendar_file(
        invitation,
        uid=f"{booking.id}@inspired-analyst",
        span=booking.slot.span,
        title=f"{booking.meeting_type.title} – {svc.preferences.now().brand.name}",
        place=place_of(svc, booking),
        description=page or page_of(svc, booking),
        sequence=booking.moves + (invitation.method is Method.CANCEL),
        made_at=svc.now(),
    )


def _mail_id(booking_id: str, what: str) -> str:
    """The same for every repetition; reveals nothing about the mail."""
    return hashlib.sha256(f"{booking_id}/{what}".encode()).hexdigest()[:32]
