"""All database indexes. Run at every release; existing ones are left as they are.

The domain relies on the unique indexes: a claim, a token, an account and a subscription have one owner each. No
document about money has an index that expires it.
"""

from pymongo.database import Database

from inspired.adapters.mongo.alerts import KEPT
from inspired.adapters.mongo.database import reaching
from inspired.adapters.mongo.documents import Document
from inspired.adapters.mongo.idempotency_keys import IDEMPOTENCY_LIFE
from inspired.adapters.mongo.people import REFUSALS_KEPT
from inspired.domain.accounts.people import LONGEST_SESSION
from inspired.domain.booking.search_index import By


def create_indexes(database: Database[Document]) -> None:
    create_money_indexes(database)
    with reaching():
        bookings = database["bookings"]
        for by in By:
            bookings.create_index([("filed", 1), (f"by_{by}", 1)])
        bookings.create_index([("words", 1), ("by_made", 1)], sparse=True)
        bookings.create_index("numbers", sparse=True)
        bookings.create_index("alerted_at", sparse=True)

        tickets = database["tickets"]
        tickets.create_index("token", unique=True)
        tickets.create_index("booking_id")
        tickets.create_index("email_index", sparse=True)
        tickets.create_index("due", sparse=True)
        tickets.create_index("waiting_since", sparse=True)
        tickets.create_index("done_at", sparse=True)
        tickets.create_index("mail_due", sparse=True)

        people, sessions = database["people"], database["admin_sessions"]
        people.create_index("email", unique=True)
        sessions.create_index("since", expireAfterSeconds=int(LONGEST_SESSION.total_seconds()))
        sessions.create_index("person_id")
        database["refused_logins"].create_index("at", expireAfterSeconds=int(REFUSALS_KEPT.total_seconds()))
        api_keys = database["api_keys"]
        api_keys.create_index("hash", unique=True)
        api_keys.create_index("made_at")
        database["views"].create_index("person_id")
        database["chores"].create_index("due_at", sparse=True)

        deliveries, rehearsals = database["alert_deliveries"], database["rehearsals"]
        deliveries.create_index("at", expireAfterSeconds=int(KEPT.total_seconds()))
        deliveries.create_index("due_at", sparse=True)
        rehearsals.create_index("waits_since", sparse=True)
        rehearsals.create_index("at_work_since", sparse=True)
        rehearsals.create_index("drill")

        database["numbers"].create_index("at")
        database["visits"].create_index("at")


def create_money_indexes(database: Database[Document]) -> None:
    """What a booking and the sweep need; the sweep also looks for due newsletter mails. A rehearsal has no more."""
    with reaching():
        bookings = database["bookings"]
        bookings.create_index("token", unique=True)
        bookings.create_index("claims", unique=True, sparse=True)
        bookings.create_index("check_at", sparse=True)
        bookings.create_index("promised_by", sparse=True)
        bookings.create_index("hold", sparse=True)
        bookings.create_index("created_at")
        bookings.create_index("email_index")

        logs = database["payment_logs"]
        logs.create_index("work_at", sparse=True)
        logs.create_index("booking_id")
        logs.create_index("at")
        logs.create_index("refused_at", sparse=True)
        logs.create_index("notice_at", sparse=True)

        newsletter = database["newsletter"]
        newsletter.create_index("email_index", unique=True)
        newsletter.create_index("token", unique=True)
        newsletter.create_index("mail_due", sparse=True)
        database["idempotency_keys"].create_index("at", expireAfterSeconds=int(IDEMPOTENCY_LIFE.total_seconds()))

        addresses = database["payment_addresses"]
        addresses.create_index([("kind", 1), ("address", 1)], unique=True)
        addresses.create_index([("kind", 1), ("index", 1)], unique=True)
        addresses.create_index([("kind", 1), ("source", 1), ("number", 1)])
        addresses.create_index("also.trade_no", sparse=True)
        addresses.create_index("holders", unique=True, sparse=True)
        addresses.create_index("again_at", sparse=True)
        addresses.create_index("resting_until", sparse=True)
        addresses.create_index("work_at", sparse=True)
        transfers = database["transfers"]
        transfers.create_index([("group", 1), ("network", 1), ("block", 1)])
        transfers.create_index([("recipient", 1), ("network", 1), ("block", 1)])
        database["departures"].create_index([("group", 1), ("network", 1), ("block", 1)])
        balances = database["chain_balances"]
        balances.create_index("funded", sparse=True)
        balances.create_index("told", sparse=True)
        database["ledger"].create_index("at")
        database["ledger"].create_index("owner")
        database["orphans"].create_index("open_since", sparse=True)
        database["cases"].create_index("open_since", sparse=True)
