"""The MongoDB connection, its errors as messages, and the versioned write."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pymongo
import structlog
from pymongo import errors
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from inspired.adapters.mongo.documents import (
    Document,
)
from inspired.domain.shared.errors import Busy

MOST_TRIES = 50
MOST_CONNECTIONS = 20  # to each server of the set; two more monitor it
log = structlog.get_logger()


def connect(uri: str, database: str, *, seconds: float, most: int = MOST_CONNECTIONS) -> Database[Document]:
    """`seconds` limits one operation, including the wait for one of `most` connections; a request's deadline can only
    shorten it. A maxPoolSize in the URI wins over `most`.

    Writes are acknowledged once a majority of the replica set has them on disk, and reads go to the primary, whatever
    the URI says: a payment known to a single server could be lost with it, and a secondary may lag.
    """
    pool: dict[str, Any] = {} if "maxpoolsize=" in uri.lower() else {"maxPoolSize": most}
    client: pymongo.MongoClient[Document] = pymongo.MongoClient(
        uri,
        **pool,
        tz_aware=True,
        timeoutMS=int(seconds * 1000),
        serverSelectionTimeoutMS=int(seconds * 1000),
        appname="inspired-analyst",
    )
    return client.get_database(
        database, read_preference=ReadPreference.PRIMARY, write_concern=WriteConcern(w="majority", j=True)
    )


@contextmanager
def reaching() -> Iterator[None]:
    """Turns every pymongo error (away, too slow, refused) into Busy, so that no caller depends on pymongo."""
    try:
        yield
    except errors.DuplicateKeyError:
        raise
    except errors.PyMongoError as error:
        trouble = trouble_of(error)
        log.warning("database_away", error=type(error).__name__, code=trouble.code, name=trouble.name)
        raise Busy(trouble.told) from error


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with the database. `code` and `name` are MongoDB's, or 0 and "" if it sent none."""

    code: int
    name: str
    told: str


AWAY = "The database does not answer."
# https://www.mongodb.com/docs/manual/reference/error-codes/. Atlas answers 8000 for whatever its proxy refuses.
REFUSALS = {
    11: "It does not let us in: look at user and password in MONGODB_URI.",
    13: "The user in MONGODB_URI may not do this: its role has to be readWriteAnyDatabase.",
    18: "It does not let us in: look at user and password in MONGODB_URI.",
    85: "An index differs from the one this version wants: drop it, then run “inspired migrate”.",
    86: "An index differs from the one this version wants: drop it, then run “inspired migrate”.",
    8000: "It does not let us in: look at user and password in MONGODB_URI, and at the user’s role.",
}


INDEX_CONFLICTS = (85, 86)
# Restarts, elections, network loss: temporary, nothing to fix.
PASSING = frozenset((6, 7, 43, 50, 64, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436))
# The driver's messages when the servers belong to another replica set than the URI names.
WRONG_SET = ("available for replica set name", "configured to connect to a replica set named")


def trouble_of(error: errors.PyMongoError) -> Trouble:
    """A message for the site's operator. It omits the server's own message, which may repeat the command with all its
    data; only for index errors it is safe, as it names just the index."""
    if isinstance(error, errors.ServerSelectionTimeoutError) and any(words in str(error) for words in WRONG_SET):
        return Trouble(0, "", "The database belongs to another replica set than MONGODB_URI names (replicaSet).")
    if not isinstance(error, errors.OperationFailure) or not error.code or error.timeout:
        return Trouble(0, "", AWAY)
    details = error.details or {}
    name = str(details.get("codeName", ""))
    if error.code in PASSING:
        return Trouble(error.code, name, AWAY)
    hint = REFUSALS.get(error.code, "")
    if error.code in INDEX_CONFLICTS:
        hint = f"{hint} {str(details.get('errmsg', ''))[:300]}".strip()
    if hint:
        return Trouble(error.code, name, f"The database refuses us, {name or 'error'} ({error.code}). {hint}")
    return Trouble(error.code, name, f"The database does not do what it is asked, {name or 'error'} ({error.code}).")


def ping(database: Database[Document]) -> None:
    with reaching():
        database.command("ping")


def server_version(database: Database[Document]) -> str:
    with reaching():
        return str(database.command("buildInfo")["version"])


def replaced(collection: Collection[Document], document: Document, version: int) -> bool:
    """Save a whole document if `version` is the stored one; 0: none is stored yet. `document` has the next version."""
    with reaching():
        try:
            if version == 0:
                collection.insert_one(document)
                return True
            found = collection.replace_one({"_id": document["_id"], "version": version}, document)
        except errors.DuplicateKeyError:
            return False
    return found.matched_count == 1


Kept = TypeVar("Kept", bound=Any)  # a frozen dataclass with `id` and `version`


def versioned(
    collection: Collection[Document],
    load: Callable[[], Kept],
    decide: Callable[[Kept], Kept],
    out: Callable[[Kept], Document],
    noun: str,
) -> Kept:
    """Load, decide, and save unless another process saved meanwhile; errors of `load` and `decide` pass through. Raises
    Busy."""
    for _ in range(MOST_TRIES):
        before = load()
        after = decide(before)
        if after == before:
            return before
        after = replace(after, version=before.version + 1)
        with reaching():
            query = {"_id": before.id, "version": before.version}
            if collection.replace_one(query, out(after)).modified_count == 1:
                return after
    raise Busy(f"This {noun} is being changed by too many at once.")
