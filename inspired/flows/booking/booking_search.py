"""Searching bookings, and re-indexing those an older release wrote."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import structlog

from inspired.adapters.crypto import chain_addresses
from inspired.adapters.crypto.vault import CannotDecrypt, Vault
from inspired.adapters.mongo.ledger_store import Orphan
from inspired.adapters.mongo.lists import BEGINNING
from inspired.domain.booking.booking import Booking, booking_id_of
from inspired.domain.booking.rails import CAPABILITIES
from inspired.domain.booking.search_index import By, Wanted
from inspired.domain.booking.states import State
from inspired.domain.sentences import rails
from inspired.domain.shared.errors import NotFound
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network
from inspired.domain.support.tickets import Ticket
from inspired.flows.booking import delivery
from inspired.services import Services

MOST = 50
MOST_WORDS = 5
LONGEST = 120  # characters of a query
MONTH = timedelta(days=30)
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
AMOUNT = re.compile(r"(\d{1,12}(?:\.\d{1,8})?)\s*([A-Za-z]{3,5})?")
NUMBER = re.compile(r"[A-Za-z0-9_-]{5,66}")
TRANSACTION = re.compile(r"(?:0x)?([0-9a-f]{64})", re.IGNORECASE)
EVM_ADDRESS = re.compile(r"0x[0-9a-f]{40}", re.IGNORECASE)
REFERENCE = re.compile(r"(?:reference:?\s*)?([a-z0-9]{8})", re.IGNORECASE)
TICKET = re.compile(r"(?:ticket:?\s*)?(\d{6})", re.IGNORECASE)
ORDER = re.compile(r"([a-z0-9]{24}\d{3})(R\d\d)?")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Hit:
    """`why` it matched, in words without personal data."""

    booking: Booking
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Newest first, at most MOST; `more`: there are others. `orphans`: payments that belong to no booking."""

    hits: list[Hit]
    orphans: list[Orphan]
    more: bool
    ticket: Ticket | None = None  # the ticket with that number


def search(svc: Services, text: str) -> Found:
    """By exact email address, words of the name, token, reference, number (of a booking, order, refund, transaction or
    ticket), address on chain, amount or day."""
    text = " ".join(text.split())[:LONGEST]
    found: dict[str, Hit] = {}
    for why, booking in _found(svc, text) if text else ():
        known = found.get(booking.id)
        if booking.state is not State.DRAFT and (known is None or why not in known.why):
            found[booking.id] = Hit(booking, (*known.why, why) if known else (why,))
    hits = sorted(found.values(), key=lambda hit: hit.booking.created_at, reverse=True)
    orphans = [orphan for orphan in svc.orphans.waiting() if text and text in (orphan.trade_no, orphan.transaction_id)]
    return Found(hits[:MOST], orphans, more=len(hits) > MOST, ticket=_ticket(svc, text))


def _ticket(svc: Services, text: str) -> Ticket | None:
    number = TICKET.fullmatch(text)
    try:
        return svc.tickets.get(number[1]) if number is not None else None
    except NotFound:
        return None


def _found(svc: Services, text: str) -> Iterator[tuple[str, Booking]]:
    now, most = svc.now(), MOST + 1
    if ADDRESS.fullmatch(text):
        index = svc.vault.blind_index("email", text)
        yield from (("the mail address", booking) for booking in svc.lists.of_email(index, most))
    elif DAY.fullmatch(text):
        yield from _of_day(svc, text, most)
    elif (amount := AMOUNT.fullmatch(text)) is not None:
        yield from _of_amount(svc, amount[1], amount[2], most)
    else:
        yield from (("the name", booking) for booking in _of_name(svc, text, now, most))
    if NUMBER.fullmatch(text):
        yield from _of_number(svc, text, most)
    if (reference := REFERENCE.fullmatch(text)) is not None:
        yield from (("its reference", booking) for booking in svc.lists.of_reference(reference[1].lower(), most))


def _of_number(svc: Services, text: str, most: int) -> Iterator[tuple[str, Booking]]:
    number = _as_filed(text)
    yield from ((_why(one, number), one) for one in svc.lists.with_number(number, most))
    order = ORDER.fullmatch(text)
    asked = [
        ("the customer’s page", svc.bookings.by_token, text),
        ("its number", svc.bookings.get, text),
    ]
    if order is not None:
        why = "the number of a refund" if order[2] else "the number of an order"
        asked.append((why, svc.bookings.get, booking_id_of(order[1])))
    for why, ask, value in asked:
        try:
            yield why, ask(value)
        except NotFound:
            continue


def _as_filed(text: str) -> str:
    """Hashes and EVM addresses are known in any spelling: explorers and exchanges differ in capitals and in 0x."""
    if (transaction := TRANSACTION.fullmatch(text)) is not None:
        return f"0x{transaction[1].lower()}"
    return chain_addresses.shown(Network.ERC20, text.lower()) if EVM_ADDRESS.fullmatch(text) else text


def _why(booking: Booking, number: str) -> str:
    order = next((one for one in booking.orders if number in (one.prepay_id, one.transaction_id)), None)
    if order is None:
        return "the transaction of a refund"
    words = rails.of(order.rail)
    if CAPABILITIES[order.rail].network is None:
        return f"a number of {words.rail}’s"
    return f"its address {words.at}" if number == order.prepay_id else f"a transaction {words.at}"


def _of_day(svc: Services, text: str, most: int) -> Iterator[tuple[str, Booking]]:
    """Calls on that day in the owner's zone, and bookings made or paid on it."""
    try:
        begin, end = day_of(date.fromisoformat(text), svc.settings.owner_timezone)
    except (ValueError, OverflowError):  # the first and last days of the calendar have no neighbour
        return
    for why, by in (("a call on that day", By.CALL), ("made on that day", By.MADE), ("paid on that day", By.PAID)):
        wanted = Wanted(by=by, since=begin, until=end)
        yield from ((why, booking) for booking in svc.lists.page(wanted, svc.now(), most=most).bookings)


def _of_amount(svc: Services, amount: str, currency: str | None, most: int) -> Iterator[tuple[str, Booking]]:
    number = str(Money.parse(amount))
    for booking in svc.lists.page(Wanted(amount=number), svc.now(), most=most).bookings:
        received = [order.received for order in booking.orders if order.received is not None]
        sums = [("the price", booking.price), *(("the amount that came", amount) for amount in received)]
        for why, money in sums:
            if str(money) == number and currency in (None, money.currency, money.currency.lower()):
                yield why, booking


def _of_name(svc: Services, text: str, now: datetime, most: int) -> list[Booking]:
    """Several words must all match."""
    words = words_of(text)
    wanted = name_index(svc.vault, text)[len(words) :] if len(words) > 1 else name_index(svc.vault, text)
    if not wanted:
        return []
    found = svc.lists.with_word(wanted[0], now, most * len(wanted))
    return [booking for booking in found if set(wanted) <= set(booking.name_index)][:most]


def day_of(day: date, zone_name: str) -> tuple[datetime, datetime]:
    """The day's start and end in the owner's zone."""
    zone = ZoneInfo(zone_name)
    begin, end = (datetime.combine(edge, time(), zone) for edge in (day, day + timedelta(days=1)))
    return begin.astimezone(UTC), end.astimezone(UTC)


# --- indexing -------------------------------------------------------------------------------------------------------


def words_of(name: str) -> list[str]:
    """Words in comparable form: lower case, without accents, the first few only."""
    plain = unicodedata.normalize("NFKD", name)
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter)).casefold()
    return list(dict.fromkeys(re.findall(r"\w+", letters)))[:MOST_WORDS]


def name_index(vault: Vault, name: str) -> tuple[str, ...]:
    """Blind indexes of each word, then of each pair, so that two common words still need a single lookup."""
    words = words_of(name)
    pairs = [f"{one} {other}" for one, other in combinations(sorted(words), 2)]
    return tuple(vault.blind_index("name", one) for one in (*words, *pairs))


def file_all(svc: Services) -> int:
    """At a release: re-index bookings that an older release wrote, so that the lists find them. Returns how many."""
    begin, end, first, count = svc.lists.beginning(), svc.now(), svc.now(), 0
    while begin < end:
        for booking in svc.bookings.unfiled(begin, begin + MONTH):
            svc.bookings.file(_with_name_index(svc, booking))
            first, count = min(first, booking.created_at), count + 1
        begin += MONTH
    if svc.lists.beginning() == BEGINNING:
        svc.bookings.keep_beginning(first)
    return count


def _with_name_index(svc: Services, booking: Booking) -> Booking:
    try:
        return replace(booking, name_index=name_index(svc.vault, delivery.opened(svc, booking)["name"]))
    except CannotDecrypt:
        log.warning("name_unreadable", booking=booking.id)
        return booking
