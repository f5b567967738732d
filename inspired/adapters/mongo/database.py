"""The connection to MongoDB, its errors in words, and the versioned write."""

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
MOST_CONNECTIONS = 20  # to each server of the set; two more watch it
log = structlog.get_logger()


def connect(uri: str, database: str, *, seconds: float, most: int = MOST_CONNECTIONS) -> Database[Document]:
    """`seconds` is what one operation may take, waiting for one of `most` connections included; a deadline around a
    request can only shorten it. An address that says maxPoolSize itself is believed.

    A write counts once most of the replica set has it on disk, and what is read is the primary's, whatever the address
    says: money that one server alone knows of may be forgotten with it, and a secondary may be behind.
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
    """A database that is away, too slow or refuses us is Busy: nothing of ours knows pymongo's errors."""
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
    """What is wrong with the database. `code` and `name`: MongoDB's own, 0 and "" where it has not told any."""

    code: int
    name: str
    told: str


AWAY = "The database does not answer."
# https://www.mongodb.com/docs/manual/reference/error-codes/. Atlas answers 8000 for whatever its own door refuses.
REFUSALS = {
    11: "It does not let us in: look at user and password in MONGODB_URI.",
    13: "The user in MONGODB_URI may not do this: its role has to be readWriteAnyDatabase.",
    18: "It does not let us in: look at user and password in MONGODB_URI.",
    85: "An index differs from the one this version wants: drop it, then run “inspired migrate”.",
    86: "An index differs from the one this version wants: drop it, then run “inspired migrate”.",
    8000: "It does not let us in: look at user and password in MONGODB_URI, and at the user’s role.",
}


INDEX_CONFLICTS = (85, 86)
# Being restarted, losing its primary or its network: over by itself, and nothing anybody has to mend.
PASSING = frozenset((6, 7, 43, 50, 64, 89, 91, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436))
# How the driver says that the servers it has found belong to another set than the address names.
WRONG_SET = ("available for replica set name", "configured to connect to a replica set named")


def trouble_of(error: errors.PyMongoError) -> Trouble:
    """In words for whoever looks after the site. The server's own message stays out of it, since it may repeat the
    command with all that was to be written; of an index it holds nothing but the index."""
    if isinstance(error, errors.ServerSelectionTimeoutError) and any(one in str(error) for one in WRONG_SET):
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


Kept = TypeVar("Kept", bound=Any)  # a frozen dataclass with `id` and `version`


def versioned(
    collection: Collection[Document],
    load: Callable[[], Kept],
    decide: Callable[[Kept], Kept],
    out: Callable[[Kept], Document],
    noun: str,
) -> Kept:
    """Load, decide, save if nobody else saved meanwhile; what `load` and `decide` raise passes through. Raises Busy."""
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
