"""Admin accounts and their sessions.

Sessions are stored here and not in the cookie, so that logging out ends them everywhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pymongo import errors
from pymongo.collection import Collection
from pymongo.database import Database

from inspired.adapters.mongo.database import reaching, versioned
from inspired.adapters.mongo.documents import Document
from inspired.domain.accounts.people import MOST_GUESSES, Passkey, Person, Role, Session
from inspired.domain.shared.errors import Conflict, NotFound

REFUSALS_KEPT = timedelta(days=2)


class People:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["people"]

    def add(self, person: Person) -> Person:
        """Raises Conflict if this email address has an account."""
        with reaching():
            try:
                self._collection.insert_one(_person_out(person))
            except errors.DuplicateKeyError:
                raise Conflict("There is an account with this e-mail address already.") from None
        return person

    def get(self, person_id: str) -> Person:
        found = self._one({"_id": person_id})
        if found is None:
            raise NotFound("There is no such account.")
        return found

    def by_email(self, email: str) -> Person | None:
        return self._one({"email": email})

    def by_invitation(self, invitation: str) -> Person | None:
        return self._one({"invitation": invitation})

    def all(self) -> list[Person]:
        with reaching():
            return [_person_in(document) for document in self._collection.find({}).sort("created_at", 1).limit(200)]

    def change(self, person_id: str, decide: Callable[[Person], Person]) -> Person:
        """Load, decide, and save unless another process saved meanwhile; errors of `decide` pass through. Raises
        Busy."""
        return versioned(self._collection, lambda: self.get(person_id), decide, _person_out, "account")

    def _one(self, query: Document) -> Person | None:
        with reaching():
            found = self._collection.find_one(query)
        return None if found is None else _person_in(found)


class AdminSessions:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["admin_sessions"]

    def add(self, session: Session) -> None:
        with reaching():
            self._collection.insert_one(_session_out(session))

    def get(self, session_id: str) -> Session | None:
        with reaching():
            found = self._collection.find_one({"_id": session_id})
        return None if found is None else _session_in(found)

    def seen(self, session_id: str, now: datetime) -> None:
        with reaching():
            self._collection.update_one({"_id": session_id}, {"$set": {"seen": now}})

    def freshened(self, session_id: str, now: datetime) -> None:
        with reaching():
            self._collection.update_one({"_id": session_id}, {"$set": {"fresh_at": now}})

    def guessed(self, session_id: str) -> int:
        """Count a password or code about to be checked and return the number since the last right password (higher if
        several run at once). All processes share the count."""
        with reaching():
            self._collection.update_one({"_id": session_id}, {"$inc": {"guesses": 1}})
            found = self._collection.find_one({"_id": session_id}, {"guesses": 1})
        return MOST_GUESSES + 1 if found is None else int(found["guesses"])

    def guessed_right(self, session_id: str) -> None:
        with reaching():
            self._collection.update_one({"_id": session_id}, {"$set": {"guesses": 0}})

    def of(self, person_id: str) -> list[Session]:
        """Newest first."""
        with reaching():
            found = self._collection.find({"person_id": person_id}).sort("since", -1).limit(100)
            return [_session_in(document) for document in found]

    def end(self, session_id: str) -> None:
        with reaching():
            self._collection.delete_one({"_id": session_id})

    def end_all(self, person_id: str) -> None:
        with reaching():
            self._collection.delete_many({"person_id": person_id})


@dataclass(frozen=True, slots=True)
class RefusedLogin:
    """A wrong password or code. `address` (IP) and `account` are fingerprints: equal for the same value."""

    at: datetime
    address: str
    account: str


class RefusedLogins:
    def __init__(self, database: Database[Document]) -> None:
        self._collection: Collection[Document] = database["refused_logins"]

    def add(self, refused: RefusedLogin) -> None:
        with reaching():
            self._collection.insert_one({"at": refused.at, "address": refused.address, "account": refused.account})

    def since(self, after: datetime, most: int) -> list[RefusedLogin]:
        """Newest first."""
        with reaching():
            found = self._collection.find({"at": {"$gte": after}}).sort("at", -1).limit(most)
            return [RefusedLogin(document["at"], document["address"], document["account"]) for document in found]


def _person_out(person: Person) -> Document:
    return {
        "_id": person.id,
        "email": person.email,
        "role": str(person.role),
        "created_at": person.created_at,
        "key": person.key,
        "version": person.version,
        "password_hash": person.password_hash,
        "totp": person.totp,
        "totp_pending": person.totp_pending,
        "totp_step": person.totp_step,
        "recovery": list(person.recovery),
        "passkeys": [
            {
                "id": passkey.id,
                "public_key": passkey.public_key,
                "count": passkey.count,
                "name": passkey.name,
                "added_at": passkey.added_at,
            }
            for passkey in person.passkeys
        ],
        "invitation": person.invitation,
        "invited_until": person.invited_until,
        "disabled": person.disabled,
    }


def _person_in(found: Document) -> Person:
    return Person(
        id=found["_id"],
        email=found["email"],
        role=Role(found["role"]),
        created_at=found["created_at"],
        key=bytes(found["key"]),
        version=found["version"],
        password_hash=found["password_hash"],
        totp=bytes(found["totp"]),
        totp_pending=bytes(found["totp_pending"]),
        totp_step=found["totp_step"],
        recovery=tuple(found["recovery"]),
        passkeys=tuple(
            Passkey(
                bytes(passkey["id"]),
                bytes(passkey["public_key"]),
                passkey["count"],
                passkey["name"],
                passkey["added_at"],
            )
            for passkey in found["passkeys"]
        ),
        invitation=found["invitation"],
        invited_until=found["invited_until"],
        disabled=found["disabled"],
    )


def _session_out(session: Session) -> Document:
    return {
        "_id": session.id,
        "person_id": session.person_id,
        "mark": session.mark,
        "since": session.since,
        "seen": session.seen,
        "fresh_at": session.fresh_at,
        "browser": session.browser,
    }


def _session_in(found: Document) -> Session:
    return Session(
        id=found["_id"],
        person_id=found["person_id"],
        mark=found["mark"],
        since=found["since"],
        seen=found["seen"],
        fresh_at=found["fresh_at"],
        browser=found["browser"],
    )
