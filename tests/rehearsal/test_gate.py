"""With real keys no payment begins before this very version was rehearsed; what was begun goes on."""

from dataclasses import replace
from typing import Any

import pymongo
import pytest
from flask.testing import FlaskClient
from pymongo import monitoring
from pymongo.database import Database

from inspired.adapters.mongo.database import connect
from inspired.adapters.mongo.rehearsals import Gate, Rehearsals
from inspired.app import create_app
from inspired.domain.booking.states import State
from inspired.domain.monitoring.rehearsals import Check, Record, Run, Verdict
from inspired.domain.shared.errors import Busy, Paused
from inspired.flows.booking import calendly_sync, payment, refreshing
from inspired.flows.monitoring import rehearsing
from inspired.services import Services
from inspired.settings import Settings
from tests.flows.steps import book_past_us, live, pay
from tests.harness import Servers
from tests.web.pages import words
from tests.web.public.test_booking import CALENDLY, START, typed

GREEN, RED = Record(checks=(Check("It is well.", True),)), Record(checks=(Check("It is well.", False),))
DRILLS = ("one", "two", "three")
NEVER = "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100"


@pytest.fixture
def closed(svc: Services, database: Database[Any]) -> Services:
    """As with real keys, before anything was rehearsed."""
    return replace(svc, gate=Gate(database, "1+abc", is_needed=True, keep=0))


@pytest.fixture
def shut(closed: Services, settings: Settings) -> FlaskClient:
    return create_app(closed, settings).test_client()


def rehearsed(svc: Services, drill: str, record: Record = GREEN, *, by: str = "anna") -> Run:
    run = Run(svc.new_id(), drill, by, svc.now())
    svc.rehearsals.ask([run])
    begun = svc.rehearsals.begin(run.id, svc.gate.version, svc.now())
    assert begun is not None
    return rehearsing.ended(svc, begun, record, DRILLS)


class Writes(monitoring.CommandListener):
    """The commands that write, as they are sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in ("insert", "update", "bulkWrite"):
            self.sent.append(event.command_name)

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


def test_all_drills_are_asked_for_in_as_many_writes_as_one(svc: Services, database: Database[Any], sandbox: Servers):
    writes = Writes()
    with pymongo.MongoClient[dict[str, Any]](sandbox.mongodb_uri, tz_aware=True, event_listeners=[writes]) as client:
        watched = replace(svc, rehearsals=Rehearsals(client[database.name]))

        rehearsing.ask(watched, [f"drill-{number}" for number in range(100)], "anna")

    assert writes.sent == ["insert", "update"], (
        "each waits for the disks of a replica set, and the page for all of them"
    )
    assert len(svc.rehearsals.newest()) == 100
    assert all(asked is not None for asked, _ in svc.rehearsals.newest().values())


# --- opening it -----------------------------------------------------------------------------------------------------


def test_it_opens_with_the_last_green_drill_and_it_is_written_down_by_whom(closed: Services):
    for drill in DRILLS[:2]:
        rehearsed(closed, drill)
    assert not closed.gate.is_open()
    with pytest.raises(Paused):
        payment.refuse_while_paused(closed)

    rehearsed(closed, "three")

    assert closed.gate.is_open()
    payment.refuse_while_paused(closed)
    (entry,) = closed.audit.newest(5)
    assert (entry.who, entry.what, entry.about) == ("anna", "gate opened", "1+abc")
    opened = closed.gate.opened()
    assert opened is not None
    assert opened.by == "anna"


def test_a_red_drill_keeps_it_closed_until_it_is_green(closed: Services):
    rehearsed(closed, "one")
    rehearsed(closed, "two", RED)
    rehearsed(closed, "three")
    assert rehearsing.missing(closed, DRILLS) == ["two"]
    assert not closed.gate.is_open()

    rehearsed(closed, "two")

    assert closed.gate.is_open()


def test_another_version_has_to_be_rehearsed_anew(closed: Services, database: Database[Any]):
    for drill in DRILLS:
        rehearsed(closed, drill)
    newer = replace(closed, gate=Gate(database, "1+def", is_needed=True))

    assert not newer.gate.is_open()
    assert rehearsing.missing(newer, DRILLS) == list(DRILLS)
    for drill in DRILLS:
        rehearsed(newer, drill)
    assert newer.gate.is_open()
    assert closed.gate.is_open(), "what is open stays so while both versions run side by side"
    assert [one.about for one in closed.audit.newest(5)] == ["1+def", "1+abc"]


def test_open_it_stays_open_for_the_same_code(closed: Services):
    for drill in DRILLS:
        rehearsed(closed, drill)
    rehearsed(closed, "two", RED)

    assert closed.gate.is_open()
    assert len(closed.audit.newest(5)) == 1


def test_a_run_is_played_once_however_often_it_is_rung_for(closed: Services):
    run = Run(closed.new_id(), "one", "anna", closed.now())
    closed.rehearsals.ask([run])

    begun = [closed.rehearsals.begin(run.id, "1+abc", closed.now()) for _ in range(3)]

    assert [one is not None for one in begun] == [True, False, False]


def test_every_verdict_is_kept_and_of_each_drill_what_it_showed_last(closed: Services):
    first, second = rehearsed(closed, "one", RED), rehearsed(closed, "one")
    other = rehearsed(closed, "two")

    kept = [closed.rehearsals.get(one.id) for one in (first, second, other)]

    assert [one.verdict for one in kept] == [Verdict.RED, Verdict.GREEN, Verdict.GREEN]
    assert [one.record for one in kept] == [None, GREEN, GREEN]
    assert kept[0].why == "Not so: It is well."


def test_a_record_with_nothing_checked_is_not_green():
    assert Record().verdict is Verdict.RED
    assert replace(GREEN, broken_off="It broke off.").verdict is Verdict.RED


# --- looking at it --------------------------------------------------------------------------------------------------


def test_in_the_sandbox_it_is_open(svc: Services, database: Database[Any]):
    assert svc.gate.is_open()
    assert Gate(database, "1+abc", is_needed=False).is_open()


def test_it_is_read_once_in_some_seconds(closed: Services, database: Database[Any], monkeypatch: pytest.MonkeyPatch):
    gate, asked = Gate(database, "1+abc", is_needed=True), []
    monkeypatch.setattr(gate, "opened", lambda: asked.append(1))

    assert [gate.is_open() for _ in range(100)] == [False] * 100

    assert len(asked) == 1


def test_while_the_database_is_away_what_was_known_last_holds(closed: Services, monkeypatch: pytest.MonkeyPatch):
    def away() -> None:
        raise Busy("The database does not answer.")

    for drill in DRILLS:
        rehearsed(closed, drill)
    assert closed.gate.is_open()
    monkeypatch.setattr(closed.gate, "opened", away)

    assert closed.gate.is_open()


def test_never_seen_open_it_is_closed_while_the_database_is_away():
    database = connect(NEVER, "nothing", seconds=0.2)

    assert not Gate(database, "1+abc", is_needed=True).is_open()
    database.client.close()


# --- what it keeps ---------------------------------------------------------------------------------------------------


def test_pages_offer_nothing_and_say_so(shut: FlaskClient, client: FlaskClient):
    page = shut.get(START)

    assert page.status_code == 503
    assert "We take no bookings yet" in words(page.text)
    assert "Binance" not in words(page.text.partition("<main")[2].partition("</main>")[0])
    fragment = shut.get(START, headers={"HX-Request": "true"})
    assert "This site takes no bookings yet" in words(fragment.text)


def test_a_form_holds_nothing(shut: FlaskClient, client: FlaskClient, closed: Services, sandbox: Servers):
    fields = typed(client.get(START).text)
    with shut.session_transaction() as session, client.session_transaction() as other:
        session.update(other)

    answer = shut.post(START, data=fields)

    assert answer.status_code == 503
    assert "This site takes no payments yet" in words(answer.text)
    assert sandbox.control("orders") == []


def test_the_api_offers_and_holds_nothing(shut: FlaskClient, client: FlaskClient, sandbox: Servers):
    slot = client.get("/api/meeting-types/portfolio-review/slots").json["slots"][0]["start"]
    wanted = {"meetingTypeId": "portfolio-review", "customerEmail": "ann@example.com", "slotStart": slot}

    answers = [
        shut.get("/api/meeting-types/portfolio-review/slots"),
        shut.post("/api/payments/create", json=wanted),
    ]

    assert [(one.status_code, one.headers["Retry-After"]) for one in answers] == [(503, "300")] * 2
    assert sandbox.control("orders") == []


def test_bookings_that_stand_go_on(svc: Services, closed: Services, shut: FlaskClient, sandbox: Servers):
    booking = live(svc)
    assert shut.get(f"/booking/{booking.token}").status_code == 200

    pay(sandbox, booking)
    after = refreshing.refresh(closed, booking.id)

    assert after.state is State.CONFIRMED


@pytest.mark.parametrize("env_changes", CALENDLY)
def test_who_booked_past_us_is_not_asked_to_pay_before(closed: Services, svc: Services):
    book_past_us(svc)

    calendly_sync.look(closed)
    assert svc.bookings.made(svc.now() - calendly_sync.EVERY, svc.now() + calendly_sync.EVERY, 5) == []
    calendly_sync.look(svc)
    assert len(svc.bookings.made(svc.now() - calendly_sync.EVERY, svc.now() + calendly_sync.EVERY, 5)) == 1
