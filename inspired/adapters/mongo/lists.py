"""Booking lists, page by page, and the search. Read-only.

Each query is one range of one index. A page is collected from time windows that grow until it is full, so that no query
can cost more than its window, however many bookings there are: neither where a server stops at the last one wanted, as
MongoDB does, nor where it sorts the range first (see docs/decisions.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document, booking_in
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.search_index import By, Wanted, place_of
from inspired.domain.booking.status import iso

FIRST_WINDOW = timedelta(hours=1)
GROWTH = 4
SKEW = timedelta(hours=1)  # how far the writer's clock may be ahead of ours
AHEAD = timedelta(days=366)  # calls are booked at most a year ahead
WEEK = timedelta(days=7)  # most of the future is empty: never read more of it at once
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page:
    """`after` and `before` are the cursors of the neighbouring pages, "" if there is none."""

    bookings: list[Booking]
    after: str = ""
    before: str = ""


class Lists:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["bookings"]
        self._kept: Collection[Document] = database["lists"]

    def page(self, wanted: Wanted, now: datetime, *, most: int, cursor: str = "", back: bool = False) -> Page:
        """The bookings after `cursor` in the wanted order, or with `back` those before it."""
        falling = wanted.oldest_first is back
        found = self._taken(wanted, now, cursor, falling, most + 1)
        more, found = len(found) > most, found[:most]
        if back:
            found.reverse()
        first, last = (place_of(found[0], wanted.by), place_of(found[-1], wanted.by)) if found else ("", "")
        return Page(found, after=last if more or back else "", before=first if (more if back else cursor) else "")

    def each(self, wanted: Wanted, now: datetime, *, most: int, at_once: int = 200) -> Iterator[Booking]:
        """All of them in order, up to `most`, holding only some in memory."""
        cursor = ""
        while most > 0:
            page = self.page(wanted, now, most=min(at_once, most), cursor=cursor)
            yield from page.bookings
            most, cursor = most - len(page.bookings), page.after
            if not cursor:
                return

    def moments(self, wanted: Wanted, most: int) -> list[datetime]:
        """When those between `since` and `until`, which both must be given, were made, paid or are called; unsorted."""
        order = f"by_{wanted.by}"
        query = {"filed": wanted.label, order: {"$gte": iso_of(wanted.since), "$lt": iso_of(wanted.until)}}
        with reaching():
            found = self._collection.find(query, {"_id": 0, order: 1}).limit(most)
            return [_moment(row[order]) for row in found]

    def with_word(self, word: str, now: datetime, most: int) -> list[Booking]:
        """Bookings with this blind index of a word of the name, newest first."""
        return self._walked("words", word, "by_made", now, iso_of(BEGINNING), _above(now), True, most)

    def of_email(self, email_index: str, most: int) -> list[Booking]:
        return self._found({"email_index": email_index}, most)

    def with_number(self, number: str, most: int) -> list[Booking]:
        """Bookings with this transaction or order number of the provider."""
        return self._found({"numbers": number}, most)

    def of_reference(self, reference: str, most: int) -> list[Booking]:
        """Bookings whose id starts with this; pages and mails show its first eight characters."""
        return self._found({"_id": {"$gte": reference, "$lt": f"{reference}{{"}}, most)  # "{" sorts after a-z

    def alerted(self, after: datetime, before: datetime, most: int) -> list[Booking]:
        """Bookings about which the owner was alerted, newest first."""
        with reaching():
            found = self._collection.find({"alerted_at": {"$gte": after, "$lt": before}}).sort("alerted_at", -1)
            return [booking_in(document) for document in found.limit(most)]

    def beginning(self) -> datetime:
        """The earliest known creation date; oldest-first lists start there."""
        with reaching():
            found = self._kept.find_one({"_id": "beginning"})
        return BEGINNING if found is None else found["at"]

    def _found(self, query: Document, most: int) -> list[Booking]:
        """Newest first."""
        with reaching():
            return [
                booking_in(document) for document in self._collection.find(query).sort("created_at", -1).limit(most)
            ]

    def _taken(self, wanted: Wanted, now: datetime, cursor: str, falling: bool, most: int) -> list[Booking]:
        low = iso_of(max(wanted.since or (BEGINNING if falling else self.beginning()), BEGINNING))
        high = _least(_above(now + AHEAD if wanted.by is By.CALL else now), iso_of(wanted.until))
        if cursor and falling:
            high = _least(high, cursor)
        elif cursor:
            low = max(low, f"{cursor}/")  # after this place and before any other
        return self._walked("filed", wanted.label, f"by_{wanted.by}", now, low, high, falling, most)

    def _walked(
        self, field: str, value: str, order: str, now: datetime, low: str, high: str, falling: bool, most: int
    ) -> list[Booking]:
        """From one end of the range to the other, window by window, until there are enough."""
        found: list[Booking] = []
        wide = FIRST_WINDOW
        while low < high and len(found) < most:
            edge = _moment(high) - wide if falling else _moment(low) + wide
            begin, end = (max(low, iso_of(edge)), high) if falling else (low, min(high, iso_of(edge)))
            query = {field: value, order: {"$gte": begin, "$lt": end}}
            with reaching():
                rows = self._collection.find(query).sort(order, -1 if falling else 1).limit(most - len(found))
                found += [booking_in(row) for row in rows]
            low, high = (low, begin) if falling else (end, high)
            wide = wide * GROWTH if end < iso_of(now) else min(wide * GROWTH, WEEK)
        return found


def iso_of(moment: datetime | None) -> str:
    return iso(moment) or ""


def _above(now: datetime) -> str:
    return iso_of(now + SKEW)


def _least(bound: str, other: str) -> str:
    return min(bound, other) if other else bound


def _moment(place: str) -> datetime:
    return datetime.fromisoformat(place[: len("2026-11-23T14:02:00.000Z")])
