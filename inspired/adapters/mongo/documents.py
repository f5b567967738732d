"""Conversion between our values and MongoDB documents, written by hand so that the stored format is explicit.

Readers tolerate unknown fields (an older release running beside a newer one) and missing ones.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from bson import Binary, Decimal128

from inspired.adapters.mongo.spellings import (
    claim_in,
    day_place_in,
    day_place_out,
    event_in,
    event_out,
    fact_in,
    obstacle_in,
    obstacle_out,
    refund_key_in,
    refund_key_out,
    task_in,
)
from inspired.domain.booking import search_index
from inspired.domain.booking.booking import (
    Booking,
    ByHand,
    Checkout,
    Entry,
    Hold,
    Line,
    PaymentOrder,
    Refund,
    RefundAddress,
    Sealed,
    SentTransfer,
    Slot,
    Words,
)
from inspired.domain.booking.claims import RefundTransfer
from inspired.domain.booking.outbox import OutboxItem, Task
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.states import CalendarKind, Cause, Flag, HandKind, Held, RefundStatus, Remote, State
from inspired.domain.catalogue.availability import AS_USUAL, DayHours, Hours, Rules, Week
from inspired.domain.catalogue.meeting_types import MeetingType, Question
from inspired.domain.catalogue.refund_policy import STANDARD, RefundPolicy
from inspired.domain.shared.languages import ENGLISH
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network
from inspired.domain.shared.slots import Span
from inspired.domain.site.newsletter import Subscriber, SubscriberState
from inspired.domain.support.promises import promised_by
from inspired.domain.support.tickets import TicketTask

Document = dict[str, Any]
FILING = 3  # version of the search labels; after an increment `migrate` rewrites bookings saved by older releases


def outbox_item_out(item: OutboxItem[Task] | OutboxItem[TicketTask]) -> Document:
    return {"name": item.task.key, "due": item.due, "tries": item.tries}


def money_out(money: Money | None) -> Document | None:
    return None if money is None else {"amount": _stored(str(money.amount)), "currency": money.currency}


def money_in(found: Document | None) -> Money | None:
    return None if found is None else _money_in(found)


def _money_in(found: Document) -> Money:
    return Money(_decimal(found["amount"].bid), found["currency"])


# The same few amounts are converted thousands of times, and the driver's conversion is slow.
@lru_cache(1024)
def _stored(amount: str) -> Decimal128:
    return Decimal128(amount)


@lru_cache(1024)
def _decimal(stored: bytes) -> Decimal:
    return Decimal128.from_bid(stored).to_decimal()


def booking_out(booking: Booking) -> Document:
    document: Document = {
        "_id": booking.id,
        "token": booking.token,
        "version": booking.version,
        "edition": booking.status_version,
        "state": str(booking.state),
        "flags": sorted(booking.flags),
        "meeting_type": type_out(booking.meeting_type),
        "slot": _slot_out(booking.slot),
        "sealed": _sealed_out(booking.sealed),
        "email_index": booking.email_index,
        "visitor_index": booking.visitor_index,
        "name_index": list(booking.name_index),
        "seats": [seat.key for seat in booking.seats],
        "network": booking.network,
        "terms_version": booking.terms_version,
        "expires_at": booking.expires_at,
        "deadline": booking.deadline,
        "leaving": booking.cancel_requested,
        "attempts": [_order_out(order) for order in booking.orders],
        "refunds": [_refund_out(refund) for refund in booking.refunds],
        "ledger": [entry_out(entry) for entry in booking.ledger],
        "keeps": money_out(booking.agreed_amount),
        **({"language": booking.language} if booking.language != ENGLISH else {}),
        **({"tolerance": str(booking.tolerance)} if booking.tolerance else {}),
        "earned": money_out(booking.earned),
        "moves": booking.moves,
        "no_show_at": booking.no_show_at,
        "by_hand": _by_hand_out(booking.by_hand),
        "notes": [_words_out(words) for words in booking.notes],
        "letters": [_words_out(words) for words in booking.letters],
        "erased_at": booking.erased_at,
        "most_back": booking.most_back,
        "choose_by": booking.choose_by,
        "effects": [outbox_item_out(item) for item in booking.outbox],
        "delivered": sorted(task.key for task in booking.delivered),
        "history": [event_out(event) for event in booking.history],
        "looks": booking.unanswered_checks,
        "created_at": booking.created_at,
        "paid_at": booking.paid_at,
        "confirmed_at": booking.confirmed_at,
        "ended_at": booking.ended_at,
    }
    if booking.refund_addresses:
        document["refund_addresses"] = [_refund_address_out(address) for address in booking.refund_addresses]
    if booking.pays_by is not RailId.BINANCE_PAY:
        document["pays_by"] = str(booking.pays_by)
    if booking.address_places:
        document["address_places"] = [place.key for place in booking.address_places]
    # Absent instead of empty: these indexes are sparse, so that settled bookings cost nothing in them.
    if booking.check_at is not None:
        document["check_at"] = booking.check_at
    if (due := promised_by(booking)) is not None:
        document["promised_by"] = due
    if claims := booking.claims:
        document["claims"] = [claim.key for claim in claims]
    if (hold := booking.hold) is not None:
        document["hold"] = hold_out(hold)
    return document | _filing(booking)


def _filing(booking: Booking) -> Document:
    """Search and list fields. Derived from the booking and never read back; see adapters/mongo/lists."""
    found: Document = {
        "filed": list(search_index.labels(booking)),
        "words": list(booking.name_index),
        "numbers": list(search_index.numbers(booking)),
        "alerted_at": search_index.alerted_at(booking),
        **{f"by_{by}": search_index.mark(moment, booking.id) for by, moment in search_index.moments(booking).items()},
    }
    return {"filing": FILING} | {name: value for name, value in found.items() if value}


def booking_in(found: Document) -> Booking:
    return Booking(
        id=found["_id"],
        token=found["token"],
        version=found["version"],
        status_version=found["edition"],
        state=State(found["state"]),
        flags=frozenset(Flag(flag) for flag in found["flags"]),
        meeting_type=type_in(found["meeting_type"]),
        slot=slot_in(found["slot"]),
        sealed=_sealed_in(found["sealed"]),
        email_index=found["email_index"],
        visitor_index=found["visitor_index"],
        name_index=tuple(found.get("name_index", ())),
        seats=tuple(claim_in(seat) for seat in found["seats"]),
        address_places=tuple(claim_in(place) for place in found.get("address_places", ())),
        pays_by=RailId(found.get("pays_by", RailId.BINANCE_PAY)),
        network=found["network"],
        terms_version=found["terms_version"],
        expires_at=found["expires_at"],
        deadline=found["deadline"],
        cancel_requested=found["leaving"],
        orders=tuple(_order_in(attempt, found["meeting_type"]["price"]) for attempt in found["attempts"]),
        refunds=tuple(_refund_in(refund) for refund in found.get("refunds", ())),
        refund_addresses=tuple(_refund_address_in(address) for address in found.get("refund_addresses", ())),
        ledger=tuple(entry_in(entry) for entry in found.get("ledger", ())),
        agreed_amount=money_in(found.get("keeps")),
        language=found.get("language", ENGLISH),
        tolerance=Decimal(found.get("tolerance", "0")),
        earned=money_in(found.get("earned")),
        moves=found.get("moves", 0),
        no_show_at=found.get("no_show_at"),
        by_hand=_by_hand_in(found.get("by_hand")),
        notes=tuple(_words_in(note) for note in found.get("notes", ())),
        letters=tuple(_words_in(letter) for letter in found.get("letters", ())),
        erased_at=found.get("erased_at"),
        most_back=found.get("most_back", 100),
        choose_by=found.get("choose_by"),
        outbox=tuple(
            OutboxItem(task_in(effect["name"]), effect["due"], effect["tries"]) for effect in found["effects"]
        ),
        delivered=frozenset(task_in(task) for task in found["delivered"]),
        history=tuple(event_in(event) for event in found["history"]),
        check_at=found.get("check_at"),
        unanswered_checks=found.get("looks", 0),
        created_at=found["created_at"],
        paid_at=found["paid_at"],
        confirmed_at=found["confirmed_at"],
        ended_at=found["ended_at"],
    )


def subscriber_out(subscriber: Subscriber) -> Document:
    document: Document = {
        "_id": subscriber.id,
        "token": subscriber.token,
        "version": subscriber.version,
        "state": str(subscriber.state),
        "sealed": _sealed_out(subscriber.sealed),
        "email_index": subscriber.email_index,
        "created_at": subscriber.created_at,
        "confirmed_at": subscriber.confirmed_at,
        "asked_at": subscriber.asked_at,
        "mail_tries": subscriber.mail_tries,
    }
    if subscriber.mail_due is not None:
        document["mail_due"] = subscriber.mail_due
    if subscriber.language != ENGLISH:
        document["language"] = subscriber.language
    return document


def subscriber_in(found: Document) -> Subscriber:
    sealed = _sealed_in(found["sealed"])
    if sealed is None:
        raise ValueError("a subscriber without an address was never written")
    return Subscriber(
        id=found["_id"],
        token=found["token"],
        version=found["version"],
        state=SubscriberState(found["state"]),
        sealed=sealed,
        email_index=found["email_index"],
        created_at=found["created_at"],
        confirmed_at=found["confirmed_at"],
        asked_at=found["asked_at"],
        mail_due=found.get("mail_due"),
        mail_tries=found["mail_tries"],
        language=found.get("language", ENGLISH),
    )


def type_out(meeting_type: MeetingType) -> Document:
    """The part a booking stores. Rules for offering it are left out: choosing a time always uses today's rules."""
    return {
        "id": meeting_type.id,
        "title": meeting_type.title,
        "minutes": meeting_type.minutes,
        "price": money_out(meeting_type.price),
        "summary": meeting_type.summary,
        "includes": list(meeting_type.includes),
        "policy": _policy_out(meeting_type.policy),
        "reminders": list(meeting_type.reminders),
        "questions": [{"text": question.text, "required": question.is_required} for question in meeting_type.questions],
        "place": meeting_type.place,
        "above_limit": meeting_type.above_limit,
    }


def type_in(found: Document) -> MeetingType:
    return MeetingType(
        found["id"],
        found["title"],
        found["minutes"],
        _money_in(found["price"]),
        found["summary"],
        tuple(found["includes"]),
        _policy_in(found.get("policy")),
        rules_in(found["rules"]) if "rules" in found else AS_USUAL,
        tuple(found.get("reminders", ())),
        tuple(Question(question["text"], question["required"]) for question in found.get("questions", ())),
        found.get("place", ""),
        found.get("above_limit", False),
    )


def rules_out(rules: Rules) -> Document:
    return {
        "week": week_out(rules.week) if rules.week is not None else None,
        "before": _seconds(rules.before),
        "after": _seconds(rules.after),
        "notice": _seconds(rules.notice),
        "horizon": _seconds(rules.horizon),
        "step": _seconds(rules.step),
        "most_per_day": rules.most_per_day,
    }


def rules_in(found: Document) -> Rules:
    return Rules(
        week=week_in(found["week"]) if found["week"] is not None else None,
        before=timedelta(seconds=found["before"]),
        after=timedelta(seconds=found["after"]),
        notice=timedelta(seconds=found["notice"]),
        horizon=timedelta(seconds=found["horizon"]),
        step=timedelta(seconds=found["step"]),
        most_per_day=found["most_per_day"],
    )


def week_out(week: Week) -> list[list[list[int]]]:
    return [day_out(day) for day in week]


def week_in(found: list[list[list[int]]]) -> Week:
    return tuple(day_in(day) for day in found)


def day_out(day: DayHours) -> list[list[int]]:
    return [[hours.opens, hours.closes] for hours in day]


def day_in(found: list[list[int]]) -> DayHours:
    return tuple(Hours(opens, closes) for opens, closes in found)


def _policy_out(policy: RefundPolicy) -> Document:
    return {
        "full_until": _seconds(policy.full_until),
        "part_until": _seconds(policy.part_until),
        "part_percent": policy.part_percent,
        "move_until": _seconds(policy.move_until),
        "choice_time": _seconds(policy.choice_time),
        "top_up": policy.top_up,
    }


def _policy_in(found: Document | None) -> RefundPolicy:
    if found is None:
        return STANDARD
    return RefundPolicy(
        full_until=timedelta(seconds=found["full_until"]),
        part_until=timedelta(seconds=found["part_until"]),
        part_percent=found["part_percent"],
        move_until=timedelta(seconds=found.get("move_until", 4 * 3600)),
        choice_time=timedelta(seconds=found["choice_time"]),
        top_up=found["top_up"],
    )


def _seconds(time: timedelta) -> int:
    return int(time.total_seconds())


def _slot_out(slot: Slot | None) -> Document | None:
    if slot is None:
        return None
    return {
        "start": slot.span.start,
        "end": slot.span.end,
        "zone": slot.zone,
        "calendar": str(slot.calendar),
        "event_uri": slot.event_uri,
        "invitee_uri": slot.invitee_uri,
        "before": _seconds(slot.before),
        "after": _seconds(slot.after),
        "day_place": day_place_out(slot.day_place),
    }


def hold_out(hold: Hold) -> str:
    """Derived from the booking, for queries of taken times. One string, which is sent and decoded fast: each list of
    free times reads a month of holds. It starts with the call's start, so that a period is an index range."""
    times = (hold.span.start, hold.span.end, hold.around.start, hold.around.end)
    return "|".join(
        (*map(hold_at, times), str(hold.calendar), hold.type_id, day_place_out(hold.day_place), hold.event_uri)
    )


def hold_at(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def hold_in(booking_id: str, found: str) -> Hold:
    *times, calendar, type_id, day_place, event_uri = found.split("|", 7)
    start, end, begins, ends = map(datetime.fromisoformat, times)
    call, around = Span(start, end), Span(begins, ends)
    return Hold(booking_id, type_id, CalendarKind(calendar), call, around, day_place_in(day_place), event_uri)


def slot_in(found: Document | None) -> Slot | None:
    if found is None:
        return None
    return Slot(
        # Python's own UTC: comparing the driver's tzinfo is many times slower, and calendars compare thousands.
        Span(found["start"].astimezone(UTC), found["end"].astimezone(UTC)),
        found["zone"],
        CalendarKind(found["calendar"]),
        found["event_uri"],
        found["invitee_uri"],
        timedelta(seconds=found.get("before", 0)),
        timedelta(seconds=found.get("after", 0)),
        day_place_in(found.get("day_place", "")),
    )


def _sealed_out(sealed: Sealed | None) -> Document | None:
    if sealed is None:
        return None
    return {
        "key": Binary(sealed.key),
        "email": Binary(sealed.email),
        "name": Binary(sealed.name),
        "answers": Binary(sealed.answers),
    }


def _sealed_in(found: Document | None) -> Sealed | None:
    if found is None:
        return None
    return Sealed(bytes(found["key"]), bytes(found["email"]), bytes(found["name"]), bytes(found["answers"]))


def _words_out(words: Words) -> Document:
    return {"at": words.at, "who": words.who, "sealed": Binary(words.sealed)}


def _words_in(found: Document) -> Words:
    return Words(found["at"], found["who"], bytes(found["sealed"]))


def _by_hand_out(word: ByHand | None) -> Document | None:
    if word is None:
        return None
    return {
        "kind": str(word.kind),
        "at": word.at,
        "who": word.who,
        "amount": money_out(word.amount),
        "evidence": word.evidence,
        "reason": Binary(word.reason),
        "returned": money_out(word.returned),
    }


def _by_hand_in(found: Document | None) -> ByHand | None:
    if found is None:
        return None
    return ByHand(
        HandKind(found["kind"]),
        found["at"],
        found["who"],
        _money_in(found["amount"]),
        found["evidence"],
        bytes(found["reason"]),
        money_in(found["returned"]),
    )


def _order_out(order: PaymentOrder) -> Document:
    return {
        "number": order.number,
        "trade_no": order.trade_no,
        "created_at": order.created_at,
        "amount": money_out(order.amount),
        "tries": order.tries,
        "retry_at": order.retry_at,
        "uncertain": order.uncertain,
        "expires_at": order.expires_at,
        "status": order.status and str(order.status),
        "seen_at": order.seen_at,
        "checkout": _checkout_out(order.checkout),
        "prepay_id": order.prepay_id,
        "received": money_out(order.received),
        "commission": money_out(order.commission),
        "proven": order.proven,
        "denied": order.denied and str(order.denied),
        "transaction_id": order.transaction_id,
        "paid_at": order.paid_at,
        **({} if order.arrived is None else {"arrived": money_out(order.arrived)}),
        **({} if order.confirmations is None else {"confirmations": order.confirmations}),
        # Absent instead of empty: earlier releases know one rail only, and read the other as a number.
        **({} if order.rail is RailId.BINANCE_PAY else {"rail": str(order.rail)}),
        **({} if order.is_offered else {"is_offered": False}),
        **({} if order.held is None else {"held": str(order.held)}),
        **({"transfer": order.transfer} if order.transfer else {}),
        **({} if order.refunds_left is None else {"refunds_left": order.refunds_left}),
    }


def _order_in(found: Document, price: Document) -> PaymentOrder:
    checkout = _checkout_in(found["checkout"])
    return PaymentOrder(
        number=found["number"],
        trade_no=found["trade_no"],
        created_at=found["created_at"],
        amount=_money_in(found.get("amount") or price),
        tries=found["tries"],
        retry_at=found["retry_at"],
        uncertain=found["uncertain"],
        expires_at=found.get("expires_at"),
        status=Remote(found["status"]) if found["status"] else None,
        seen_at=found["seen_at"],
        checkout=checkout,
        prepay_id=found.get("prepay_id") or (checkout.prepay_id if checkout else ""),
        received=money_in(found["received"]),
        proven=found["proven"],
        denied=Remote(found["denied"]) if found.get("denied") else None,
        commission=money_in(found.get("commission")),
        transaction_id=found["transaction_id"],
        paid_at=found["paid_at"],
        arrived=money_in(found.get("arrived")),
        confirmations=found.get("confirmations"),
        rail=RailId(found.get("rail", RailId.BINANCE_PAY)),
        is_offered=found.get("is_offered", True),
        held=Held(found["held"]) if "held" in found else None,
        transfer=found.get("transfer", ""),
        refunds_left=found.get("refunds_left"),
    )


def _refund_out(refund: Refund) -> Document:
    return {
        "id": refund.id,
        "trade_no": refund.trade_no,
        "amount": money_out(refund.amount),
        "cause": str(refund.cause),
        "requested_at": refund.requested_at,
        "by": refund.by,
        "note": refund.note,
        "key": refund_key_out(refund),
        "status": str(refund.status),
        "tries": refund.tries,
        "retry_at": refund.retry_at,
        "sent_at": refund.sent_at,
        "done_at": refund.done_at,
        "why": obstacle_out(refund.obstacle),
        "replaced_by": refund.replaced_by,
        # Absent instead of empty: most refunds are sent by their provider.
        **({"approved_by": refund.approved_by} if refund.approved_by else {}),
        **({} if refund.sent_with is None else {"sent_with": _sent_with_out(refund.sent_with)}),
    }


def _refund_in(found: Document) -> Refund:
    cause = Cause(found["cause"])
    request, found_as = refund_key_in(cause, found["key"])
    return Refund(
        id=found["id"],
        trade_no=found["trade_no"],
        amount=money_in(found["amount"]),
        cause=cause,
        requested_at=found["requested_at"],
        by=found["by"],
        note=found["note"],
        request=request,
        found_as=found_as,
        status=RefundStatus(found["status"]),
        tries=found["tries"],
        retry_at=found["retry_at"],
        sent_at=found["sent_at"],
        done_at=found["done_at"],
        obstacle=obstacle_in(found["why"]),
        replaced_by=found["replaced_by"],
        approved_by=found.get("approved_by", ""),
        sent_with=_sent_with_in(found.get("sent_with")),
    )


def _sent_with_out(sent: SentTransfer) -> Document:
    log = sent.log
    return {
        "network": str(log.network),
        "tx_hash": log.tx_hash,
        "log_index": log.log_index,
        "block_number": sent.block_number,
    }


def _sent_with_in(found: Document | None) -> SentTransfer | None:
    if found is None:
        return None
    log = RefundTransfer(Network(found["network"]), found["tx_hash"], found["log_index"])
    return SentTransfer(log, found["block_number"])


def _refund_address_out(address: RefundAddress) -> Document:
    return {
        "network": str(address.network),
        "number": address.number,
        "named_at": address.named_at,
        "sealed": Binary(address.sealed),
        "confirmed_at": address.confirmed_at,
        "is_change": address.is_change,
    }


def _refund_address_in(found: Document) -> RefundAddress:
    return RefundAddress(
        network=Network(found["network"]),
        number=found["number"],
        named_at=found["named_at"],
        sealed=bytes(found["sealed"]),
        confirmed_at=found["confirmed_at"],
        is_change=found["is_change"],
    )


def entry_out(entry: Entry) -> Document:
    return {
        "number": entry.number,
        "at": entry.at,
        "key": entry.fact.key,
        "text": entry.text,
        "lines": [{"account": line.account, "money": money_out(line.money)} for line in entry.lines],
    }


def entry_in(found: Document) -> Entry:
    lines = tuple(Line(line["account"], _money_in(line["money"])) for line in found["lines"])
    return Entry(found["number"], found["at"], fact_in(found["key"]), found["text"], lines)


def _checkout_out(checkout: Checkout | None) -> Document | None:
    if checkout is None:
        return None
    return {
        "prepay_id": checkout.prepay_id,
        "qr_content": checkout.qr_content,
        "checkout_url": checkout.checkout_url,
        "deep_link": checkout.deep_link,
        "universal_url": checkout.universal_url,
    }


def _checkout_in(found: Document | None) -> Checkout | None:
    if found is None:
        return None
    return Checkout(
        found["prepay_id"], found["qr_content"], found["checkout_url"], found["deep_link"], found["universal_url"]
    )


def to_the_millisecond(moment: datetime) -> datetime:
    """MongoDB stores milliseconds: truncate here, so that what is read equals what was written."""
    return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)
