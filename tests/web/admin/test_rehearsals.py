"""The rehearsal room: what stands there, before, while and after a drill is played."""

from dataclasses import replace
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database

from inspired.adapters.mongo.rehearsals import Gate
from inspired.app import create_app
from inspired.domain.accounts.people import Role
from inspired.domain.monitoring.rehearsals import Check, Record
from inspired.flows.monitoring import rehearsing
from inspired.rehearsal import running
from inspired.services import Services
from inspired.settings import Settings
from tests.flows.steps import later
from tests.web.admin.test_admin import log_in
from tests.web.admin.test_permissions import logged_in
from tests.web.pages import HTMX, send, words

ROOM, LOST = "/admin/rehearsal/", "/admin/rehearsal/webhook-lost"


def run(client: FlaskClient, address: str = f"{LOST}/run", page: str = ROOM) -> Any:
    return send(client, address, {}, page=page)


def play_all(svc: Services) -> None:
    """What a worker does with the rings."""
    for drill, (asked, _) in svc.rehearsals.newest().items():
        if asked is not None and rehearsing.is_at_work(svc, asked):
            assert running.rehearse(svc, asked.id) is not None, drill


def pretend(svc: Services, drill: str, *, holds: bool = True) -> None:
    """As if it had been played."""
    rehearsing.ask(svc, [drill], "anna")
    asked, _ = svc.rehearsals.newest()[drill]
    begun = svc.rehearsals.begin(asked.id, svc.gate.version, svc.now())
    rehearsing.ended(svc, begun, Record(checks=(Check("The money is there.", holds),)), running.IDS)


def test_every_drill_stands_there_with_its_words_and_a_button(owner: FlaskClient):
    page = owner.get(ROOM)

    text = words(page.text)
    assert len(running.DRILLS) >= 30
    for drill in running.DRILLS:
        assert drill.title in text
        assert drill.happens in text
    assert page.text.count('class="button second">Run<') == len(running.DRILLS)
    assert f"0 of {len(running.DRILLS)} are green" in text
    assert "hx-trigger" not in page.text.partition("<main")[2]


def test_a_drill_is_asked_for_watched_and_read(owner: FlaskClient, svc: Services):
    answer = run(owner)
    assert (answer.status_code, answer.headers["Location"]) == (303, LOST)

    waiting = owner.get(LOST).text
    assert "It is being played now" in words(waiting)
    assert '<noscript><meta http-equiv="refresh" content="2">' in waiting
    assert 'hx-trigger="every 1s"' in waiting
    play_all(svc)
    page = owner.get(LOST).text

    text = words(page)
    assert "Verdict green" in text
    assert "with this version, by owner@example.com" in text
    assert "Ann has paid. No message comes." in text
    assert "Paid and confirmed." in text
    assert "Mail to ann@customers.example: Confirmed: Portfolio review" in text
    assert "earned by the confirmed call" in text
    assert "hx-trigger" not in page.partition("<main")[2]
    assert "refresh" not in page.partition("<main")[0]
    assert "1 of" in words(owner.get(ROOM).text)


def test_under_htmx_only_the_part_that_changes_is_sent(owner: FlaskClient, svc: Services):
    run(owner)

    parts = [owner.get(address, headers=HTMX).text for address in (ROOM, LOST)]

    assert [one.lstrip().partition(">")[0].split()[1] for one in parts] == ['id="drills"', 'id="drill"']
    assert all("<html" not in one for one in parts)


def test_what_is_at_work_is_not_asked_for_again(owner: FlaskClient, svc: Services):
    run(owner)
    first, _ = svc.rehearsals.newest()["webhook-lost"]

    run(owner, page=LOST.replace("webhook-lost", "paid"))
    run(owner, f"{ROOM}run")

    newest = svc.rehearsals.newest()
    assert newest["webhook-lost"][0] == first
    assert set(newest) == set(running.IDS)


def test_a_red_one_says_what_is_not_so(owner: FlaskClient, svc: Services):
    pretend(svc, "webhook-lost", holds=False)

    room, page = owner.get(ROOM).text, owner.get(LOST).text

    assert "Look at: The webhook never comes" in words(room)
    assert "Verdict red" in words(page)
    assert "Not so: The money is there." in words(page)


def test_without_a_worker_the_page_says_so_and_has_its_button_again(
    owner: FlaskClient, svc: Services, settings: Settings, app: Flask
):
    run(owner)
    app.extensions["inspired"] = later(svc, minutes=20)

    page = owner.get(LOST).text

    assert "no worker has played it. Is the worker running?" in words(page)
    assert "Run it" in page


def test_a_worker_that_was_stopped_is_told_as_that(owner: FlaskClient, svc: Services, app: Flask):
    run(owner)
    asked, _ = svc.rehearsals.newest()["webhook-lost"]
    svc.rehearsals.begin(asked.id, svc.gate.version, svc.now())
    app.extensions["inspired"] = later(svc, minutes=5)

    assert "The webhook never comes its worker was stopped" in words(owner.get(ROOM).text)


def test_what_another_version_has_written_is_no_broken_page(owner: FlaskClient, svc: Services, database: Database[Any]):
    pretend(svc, "webhook-lost")
    database["rehearsals"].update_one({}, {"$set": {"record.scenes": [{"what": "something"}]}})

    page = owner.get(LOST)

    assert page.status_code == 200
    assert "cannot be read any more" in words(page.text)
    assert "Verdict green" in words(page.text)


def test_a_drill_nobody_knows_is_no_page(owner: FlaskClient):
    assert owner.get("/admin/rehearsal/nothing").status_code == 404


def test_a_helper_looks_and_has_no_buttons(app: Flask, svc: Services):
    pretend(svc, "webhook-lost")
    helper, reader = logged_in(app, svc, Role.HELPER), logged_in(app, svc, Role.READER)

    assert '<button class="button' not in helper.get(ROOM).text.partition("<main")[2]
    assert "Run it again" not in helper.get(LOST).text
    assert reader.get(ROOM).status_code == 403
    assert ROOM not in reader.get("/admin/").text


def test_the_owner_sees_that_no_payment_is_taken_and_what_to_do(
    svc: Services, settings: Settings, database: Database[Any]
):
    shut = replace(svc, gate=Gate(database, svc.gate.version, is_needed=True, keep=0))
    client = create_app(shut, settings).test_client()
    log_in(client)

    assert "No payments are taken yet" in words(client.get("/admin/").text)
    assert "No payments are taken yet" in words(client.get(ROOM).text)
    for drill in running.IDS:
        pretend(shut, drill)

    text = words(client.get(ROOM).text)
    assert "Payments are open for this version, since" in text
    assert "No payments are taken" not in words(client.get("/admin/").text)


def test_what_was_green_for_another_version_does_not_count(svc: Services, settings: Settings, database: Database[Any]):
    pretend(svc, "webhook-lost")
    newer = replace(svc, gate=Gate(database, "9+new", is_needed=False))
    client = create_app(newer, settings).test_client()
    log_in(client)

    text = words(client.get(ROOM).text)

    assert "The webhook never comes green for another version" in text
    assert f"0 of {len(running.DRILLS)} are green" in text
