"""Tickets. One ticket is one document, altered by versioned writes; every list is bounded by an indexed date."""

from collections.abc import Callable
from datetime import datetime

from bson.binary import Binary
from pymongo import errors
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.claiming import Claiming
from inspired.adapters.mongo.database import reaching, versioned
from inspired.adapters.mongo.documents import Document, outbox_item_out
from inspired.adapters.mongo.spellings import ticket_event_in, ticket_event_out, ticket_task_in
from inspired.domain.booking.outbox import OutboxItem
from inspired.domain.shared.errors import NotFound
from inspired.domain.shared.languages import ENGLISH
from inspired.domain.support.tickets import Author, Message, Priority, Ticket, TicketState, Topic

MOST_OF_ONE = 50  # per booking, or per stranger


class Tickets(Claiming[Ticket]):
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["tickets"]

    def add(self, ticket: Ticket) -> bool:
        """False if its number or token is taken."""
        with reaching():
            try:
                self._collection.insert_one(_out(ticket))
            except errors.DuplicateKeyError:
                return False
        return True

    def get(self, number: str) -> Ticket:
        return self._one({"_id": number})

    def by_token(self, token: str) -> Ticket:
        return self._one({"token": token})

    def of_booking(self, booking_id: str) -> list[Ticket]:
        """Newest first."""
        return self._newest({"booking_id": booking_id}, "created_at", MOST_OF_ONE)

    def of_stranger(self, email_index: str) -> list[Ticket]:
        """Newest first."""
        return self._newest({"email_index": email_index}, "created_at", MOST_OF_ONE)

    def owed(self, after: datetime, most: int, *, before: datetime | None = None, assigned: str = "") -> list[Ticket]:
        """Tickets that wait for our answer, most urgent first: due after `after` and, if given, up to `before`."""
        query: Document = {"due": {"$gt": after, **({"$lte": before} if before else {})}}
        with reaching():
            found = self._collection.find(query | _of(assigned)).sort("due", 1).limit(most)
            return [_in(document) for document in found]

    def count_owed(self, after: datetime, most: int) -> int:
        """How many tickets wait for our answer, counted no further than `most`."""
        with reaching():
            return self._collection.count_documents({"due": {"$gt": after}}, limit=most)

    def waiting(self, before: datetime, most: int, *, assigned: str = "") -> list[Ticket]:
        """Tickets that wait for the customer, newest first."""
        return self._newest({"waiting_since": {"$lt": before}} | _of(assigned), "waiting_since", most)

    def done(self, before: datetime, most: int) -> list[Ticket]:
        """Finished tickets, newest first."""
        return self._newest({"done_at": {"$lt": before}}, "done_at", most)

    def change(self, number: str, decide: Callable[[Ticket], Ticket]) -> Ticket:
        """Load, decide, and save unless another process saved meanwhile; errors of `decide` pass through. Raises
        Busy."""
        return versioned(self._collection, lambda: self.get(number), decide, _out, "ticket")

    def mail_due(self, now: datetime, most: int) -> list[str]:
        with reaching():
            found = self._collection.find({"mail_due": {"$lte": now}}, {"_id": 1}).limit(most)
            return [document["_id"] for document in found]

    def lease(self, number: str, until: datetime) -> None:
        """It was enqueued: due again at `until` unless a worker has processed it by then. The ticket itself does not
        change."""
        with reaching():
            self._collection.update_one({"_id": number, "mail_due": {"$lt": until}}, {"$set": {"mail_due": until}})

    def _newest(self, query: Document, by: str, most: int) -> list[Ticket]:
        with reaching():
            return [_in(document) for document in self._collection.find(query).sort(by, -1).limit(most)]

    def _one(self, query: Document) -> Ticket:
        with reaching():
            found = self._collection.find_one(query)
        if found is None:
            raise NotFound("There is no such ticket.")
        return _in(found)


def _of(assigned: str) -> Document:
    return {"assigned": assigned} if assigned else {}


def _out(ticket: Ticket) -> Document:
    document: Document = {
        "_id": ticket.id,
        "token": ticket.token,
        "version": ticket.version,
        "key": Binary(ticket.key),
        "created_at": ticket.created_at,
        "topic": str(ticket.topic),
        "priority": str(ticket.priority),
        "booking_id": ticket.booking_id,
        "email": Binary(ticket.email),
        "subject": Binary(ticket.subject),
        "state": str(ticket.state),
        "messages": [
            {
                "id": message.id,
                "at": message.at,
                "author": str(message.author),
                "text": Binary(message.text),
                "person": message.person,
                "promised": message.promised,
            }
            for message in ticket.messages
        ],
        "since": ticket.since,
        "promised": ticket.promised,
        "assigned": ticket.assigned,
        "effects": [outbox_item_out(item) for item in ticket.outbox],
        "history": [ticket_event_out(event) for event in ticket.history],
    }
    # Absent instead of empty: these indexes are sparse, each holding only its list's tickets.
    is_waiting = ticket.state is TicketState.WAITING and ticket.messages
    listed = {
        "email_index": ticket.email_index,
        "due": ticket.due,
        "waiting_since": ticket.messages[-1].at if is_waiting else None,
        "done_at": ticket.done_at,
        "mail_due": ticket.mail_due,
        "language": ticket.language if ticket.language != ENGLISH else "",
    }
    return document | {name: value for name, value in listed.items() if value}


def _in(found: Document) -> Ticket:
    return Ticket(
        id=found["_id"],
        token=found["token"],
        version=found["version"],
        key=bytes(found["key"]),
        created_at=found["created_at"],
        topic=Topic(found["topic"]),
        priority=Priority(found["priority"]),
        booking_id=found["booking_id"],
        email=bytes(found["email"]),
        email_index=found.get("email_index", ""),
        language=found.get("language", ENGLISH),
        subject=bytes(found["subject"]),
        state=TicketState(found["state"]),
        messages=tuple(
            Message(
                message["id"],
                message["at"],
                Author(message["author"]),
                bytes(message["text"]),
                message["person"],
                message["promised"],
            )
            for message in found["messages"]
        ),
        since=found["since"],
        promised=found["promised"],
        done_at=found.get("done_at"),
        assigned=found["assigned"],
        outbox=tuple(
            OutboxItem(ticket_task_in(effect["name"]), effect["due"], effect["tries"]) for effect in found["effects"]
        ),
        history=tuple(ticket_event_in(event) for event in found["history"]),
    )
