"""What the owner sees of alerts, and sets about them."""

import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from standardwebhooks import Webhook as Verifier

from inspired.adapters.mongo import heartbeats
from inspired.domain.accounts.people import Role
from inspired.domain.monitoring import runbook
from inspired.domain.site.preferences import Addresses
from inspired.flows.monitoring import alerting
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.monitoring.test_alerting import Receiver, well
from tests.flows.monitoring.test_alerting import receiver as receiver
from tests.flows.steps import later, paid_again
from tests.harness import ADMIN_PASSWORD, Servers
from tests.web.admin.test_permissions import logged_in
from tests.web.pages import hidden, send, words

PAGE = "/admin/alerts"
SENTENCE = "No backup was reported for more than a day."


@pytest.fixture
def late_backup(svc: Services) -> None:
    well(svc)
    svc.heartbeats.beat(heartbeats.BACKUP, svc.now() - timedelta(hours=27))
    alerting.look(svc)


def press(client: FlaskClient, address: str, fields: dict[str, str] | None = None) -> object:
    return send(client, address, fields or {}, page="/admin/again")


def secret_on(page: str) -> str:
    found = re.search(r"whsec_[A-Za-z0-9+/=]+", page.replace("&#43;", "+").replace("&#x2B;", "+"))
    assert found
    return found[0]


# --- what is wrong ----------------------------------------------------------------------------------------------------


def test_where_nothing_is_wrong_the_page_says_so(owner: FlaskClient):
    page = words(owner.get(PAGE).text)

    assert "Nothing is wrong that this site can see." in page
    assert "0 of 0 5 % too few to judge (50 are needed)" in page


def test_the_page_names_those_who_are_told(owner: FlaskClient, svc: Services):
    before = words(owner.get(PAGE).text)
    svc.preferences.save(Addresses(alerts=("ops@example.com", "night@example.com")), 0, ())
    svc.preferences.fresh()

    after = words(owner.get(PAGE).text)

    assert "By mail to owner@example.com, when something begins" in before
    assert "By mail to ops@example.com, night@example.com, when something begins" in after
    assert "OWNER_EMAIL" not in before + after


def test_what_is_wrong_stands_on_top_with_what_to_do_and_a_button(owner: FlaskClient, late_backup: None):
    page = owner.get(PAGE).text

    assert SENTENCE in words(page)
    assert 'href="/admin/runbook/backup_late"' in page
    assert "I have it in hand" in page


def test_whoever_has_it_in_hand_is_named_and_written_down(owner: FlaskClient, svc: Services, late_backup: None):
    press(owner, f"{PAGE}/backup_late/acknowledge")

    page = words(owner.get(PAGE).text)
    assert re.search(r"in hand since .* \(owner@example.com\)", page)
    assert "I have it in hand" not in page
    assert svc.audit.newest(1)[0].what == "alert acknowledged"
    alerting.look(later(svc, hours=25))
    assert svc.alerts.all()["backup_late"].owed == ()


def test_what_is_over_cannot_be_taken_in_hand_and_stands_in_the_history(
    owner: FlaskClient, svc: Services, late_backup: None
):
    svc.heartbeats.beat(heartbeats.BACKUP, svc.now())
    for minute in (1, 7):
        alerting.look(later(svc, minutes=minute))

    assert press(owner, f"{PAGE}/backup_late/acknowledge").status_code == 409
    over = owner.get(PAGE).text.partition("What is over")[2]
    assert SENTENCE in over


def test_a_reader_sees_alerts_and_gets_no_buttons(app: Flask, svc: Services, late_backup: None):
    page = logged_in(app, svc, Role.READER).get(PAGE).text

    assert SENTENCE in words(page)
    assert "I have it in hand" not in page
    assert "Save the address" not in page


# --- the run-book -----------------------------------------------------------------------------------------------------


def test_every_alert_has_its_page_and_the_list_leads_to_all(owner: FlaskClient):
    listed = owner.get("/admin/runbook").text

    for alert in runbook.ALL.values():
        assert f'href="/admin/runbook/{alert.id}"' in listed
        page = words(owner.get(f"/admin/runbook/{alert.id}").text)
        for heading in ("What happened", "What it means", "What to do", "How it is found", "How to see it on purpose"):
            assert heading in page
    assert owner.get("/admin/runbook/nothing").status_code == 404


def test_a_run_book_leads_to_the_drills_that_show_it_and_they_lead_back(owner: FlaskClient):
    for alert in runbook.ALL.values():
        page = owner.get(f"/admin/runbook/{alert.id}").text
        for drill in alert.drills:
            assert f'href="/admin/rehearsal/{drill}"' in page
            assert f'href="/admin/runbook/{alert.id}"' in owner.get(f"/admin/rehearsal/{drill}").text


def test_a_run_book_says_whether_it_is_so_now(owner: FlaskClient, svc: Services, late_backup: None):
    assert "It is so now, since" in words(owner.get("/admin/runbook/backup_late").text)

    svc.heartbeats.beat(heartbeats.BACKUP, svc.now())
    for minute in (1, 7):
        alerting.look(later(svc, minutes=minute))

    assert "It is not so now. Last:" in words(owner.get("/admin/runbook/backup_late").text)


def test_a_mail_about_one_booking_leads_to_its_run_book(svc: Services, sandbox: Servers, mailbox: Mailbox):
    paid_again(svc, sandbox)

    texts = [one.get_body(("plain",)).get_content() for one in mailbox.messages if one["to"] == "owner@example.com"]
    assert any("http://localhost/admin/runbook/paid_twice" in text for text in texts)


# --- the webhook ------------------------------------------------------------------------------------------------------


def test_an_address_is_set_its_secret_shown_once_and_a_test_proves_it(
    owner: FlaskClient, svc: Services, receiver: Receiver
):
    shown = press(owner, f"{PAGE}/webhook", {"url": receiver.url}).text  # type: ignore[attr-defined]
    secret = secret_on(shown)
    press(owner, f"{PAGE}/webhook/test")
    waiting = owner.get(PAGE).text
    alerting.send_due(svc)
    sent = owner.get(PAGE).text

    assert 'http-equiv="refresh"' in waiting
    assert 'http-equiv="refresh"' not in sent
    for page in (waiting, sent):
        assert "whsec_" not in page
        assert receiver.url not in page, "an address may be a secret too"
    assert "sent answered 200" in words(sent)
    headers, body = receiver.messages[0]
    assert Verifier(secret).verify(body, headers)["type"] == "alert.test"
    assert [one.what for one in svc.audit.newest(1)] == ["webhook set"]
    assert secret not in repr(svc.audit.newest(9))


def test_a_new_secret_is_shown_with_how_long_the_old_one_still_counts(
    owner: FlaskClient, svc: Services, receiver: Receiver
):
    first = secret_on(press(owner, f"{PAGE}/webhook", {"url": receiver.url}).text)  # type: ignore[attr-defined]
    page = press(owner, f"{PAGE}/webhook/rotate").text  # type: ignore[attr-defined]

    assert secret_on(page) != first
    assert "messages carry two signatures" in words(page)
    assert "The old secret signs too, until" in words(owner.get(PAGE).text)


def test_what_was_given_up_is_sent_again_by_a_button(owner: FlaskClient, svc: Services, receiver: Receiver):
    press(owner, f"{PAGE}/webhook", {"url": receiver.url})
    receiver.status = "410 Gone"
    press(owner, f"{PAGE}/webhook/test")
    alerting.send_due(svc)
    page = owner.get(PAGE).text
    assert "given up answered 410, after 1 try" in words(page)
    address = re.search(r'action="(/admin/alerts/messages/[^"]+/again)"', page)
    assert address

    receiver.status = "200 OK"
    press(owner, address[1])
    alerting.send_due(svc)

    assert "sent answered 200" in words(owner.get(PAGE).text)
    assert len(receiver.taken) == 2


def test_an_address_that_is_taken_away_gets_nothing_more(owner: FlaskClient, svc: Services, receiver: Receiver):
    press(owner, f"{PAGE}/webhook", {"url": receiver.url})
    press(owner, f"{PAGE}/webhook/remove")

    assert "None is set." in words(owner.get(PAGE).text)
    for button in ("test", "rotate"):
        assert press(owner, f"{PAGE}/webhook/{button}").status_code == 409  # type: ignore[attr-defined]
    assert press(owner, f"{PAGE}/webhook/remove").status_code == 303  # type: ignore[attr-defined]


@pytest.mark.parametrize("url", ["", "ftp://example.org/x", "https://", "http://a b/", "https://me:pw@example.org/x"])
def test_an_address_that_is_none_is_said_to_be_and_kept_in_the_form(owner: FlaskClient, svc: Services, url: str):
    answer = press(owner, f"{PAGE}/webhook", {"url": url})

    assert answer.status_code == 422  # type: ignore[attr-defined]
    assert svc.outgoing_webhook.get(svc.now()) is None


class TestInProduction:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"DEV_MODE": "0", "SITE_URL": "https://localhost"}

    @pytest.mark.parametrize(
        "url",
        [
            *("https://127.0.0.1/x", "https://localhost/x", "https://10.1.2.3/", "https://169.254.169.254/latest/"),
            *("https://[::1]/x", "https://2130706433/", "https://nobody.invalid/x", "http://1.1.1.1/x"),
            *("https://1.1.1.1:99999/x", "https://1.1.1.1/x#y"),
        ],
    )
    def test_an_address_inside_our_own_network_is_refused(self, client: FlaskClient, svc: Services, url: str):
        here = {"base_url": "https://localhost"}
        form = {"email": "owner@example.com", "password": ADMIN_PASSWORD}
        for address, page in (("/admin/login", "/admin/login"), (f"{PAGE}/webhook", PAGE)):
            token = hidden(client.get(page, **here).text, "csrf_token")
            sent = {**form, "csrf_token": token, "url": url}
            answer = client.post(address, data=sent, headers={"Referer": f"https://localhost{page}"}, **here)

        assert answer.status_code == 422
        assert svc.outgoing_webhook.get(svc.now()) is None
