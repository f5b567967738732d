"""In which language a page comes, and that the choice stays."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from inspired.adapters.mongo.documents import booking_out
from inspired.domain.accounts.people import Person, Role
from inspired.domain.shared.languages import IN_ENGLISH, Language, read_in, reading
from inspired.domain.support.tickets import Topic
from inspired.flows.booking import delivery
from inspired.flows.site import newsletter
from inspired.flows.support import tickets
from inspired.services import Services
from inspired.web.shared import languages
from tests.conftest import Mailbox
from tests.flows.steps import confirmed, live
from tests.harness import Servers


class Loud(Language):
    def __init__(self, code: str) -> None:
        self.code = code

    def text(self, english: str) -> str:
        return f"{self.code}: {english}"


@pytest.fixture(autouse=True)
def loud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(languages, "language", lambda code: IN_ENGLISH if code == "en" else Loud(code))
    yield
    read_in(IN_ENGLISH)


def code_of(client: FlaskClient, path: str = "/", accepted: str = "") -> str:
    return client.get(path, headers={"Accept-Language": accepted}).headers["Content-Language"]


def test_a_page_comes_in_the_first_language_that_the_browser_asks_for(client: FlaskClient):
    answer = client.get("/", headers={"Accept-Language": "ja, ar;q=0.9, de;q=0.1"})

    assert answer.headers["Content-Language"] == "ar"
    assert '<html lang="ar" dir="rtl"' in answer.text
    assert "Accept-Language" in answer.headers["Vary"]


def test_the_visitors_choice_counts_more_and_stays(client: FlaskClient):
    assert code_of(client, "/?lang=fr", "de") == "fr"
    assert code_of(client, "/how-to-pay", "de") == "fr"
    assert code_of(client, "/how-to-pay?lang=en", "de") == "en"
    assert code_of(client, "/", "de") == "en"


def test_what_is_no_language_of_ours_changes_nothing(client: FlaskClient):
    answer = client.get("/?lang=xx", headers={"Accept-Language": "de"})

    assert answer.headers["Content-Language"] == "de"
    assert "language=" not in answer.headers.get("Set-Cookie", "")
    client.set_cookie("language", "<script>")
    assert code_of(client, "/", "de") == "de"


def test_a_booking_is_in_its_own_language_unless_the_visitor_chose_another(client: FlaskClient, svc: Services):
    booking = live(svc)
    svc.bookings.change(booking.id, lambda one: replace(one, language="tr"))

    assert code_of(client, f"/booking/{booking.token}", "de") == "tr"
    assert code_of(client, f"/booking/{booking.token}?lang=es", "de") == "es"


def test_a_booking_keeps_the_language_it_was_made_in(svc: Services):
    with reading(Loud("vi")):
        booking = live(svc)

    assert svc.bookings.get(booking.id).language == "vi"
    assert "language" not in booking_out(live(svc, call=1, email="bob@example.com"))


def test_the_owners_area_is_english_whatever_is_asked_for(client: FlaskClient):
    client.get("/?lang=ar")

    assert code_of(client, "/admin/login", "ar") == "en"


def test_a_refusal_is_told_in_the_language_of_whoever_asked(client: FlaskClient):
    page = client.get("/book/none", headers={"Accept-Language": "fr"})
    problem = client.post("/api/payments/create", json=[], headers={"Accept-Language": "fr"}).get_json()

    assert "fr: There is nothing here" in page.text
    assert problem["title"].startswith("fr: ")
    assert problem["detail"].startswith("fr: ")


def test_mails_are_in_the_language_of_what_they_are_about_and_the_owners_in_english(
    svc: Services, sandbox: Servers, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
):
    for module in (delivery, tickets, newsletter):
        monkeypatch.setattr(module, "language", lambda code: IN_ENGLISH if code == "en" else Loud(code))
    owner = svc.people.add(Person("p1", "helper@example.com", Role.HELPER, svc.now(), svc.vault.new_key("p1")))
    with reading(Loud("de")):
        booking = confirmed(svc, sandbox)
        asked = tickets.write_as_stranger(svc, "eve@example.com", Topic.OTHER, "Hello?", "request")
        newsletter.subscribe(svc, "bob@example.com")

    tickets.answer(svc, owner, asked.id, tickets.Sent("Hello.", "a1", 1), done=False)
    tickets.send_mails(svc, asked.id)
    newsletter.send_opt_in(svc, svc.subscribers.by_email(svc.vault.blind_index("newsletter", "bob@example.com")).id)
    delivery.deliver(svc, svc.bookings.get(booking.id))

    for visitor in ("ann@example.com", "bob@example.com", "eve@example.com"):
        subjects = mailbox.subjects_to(visitor)
        assert subjects, visitor
        assert all(subject.startswith("de: ") for subject in subjects), subjects
    assert mailbox.subjects_to("owner@example.com")
    assert not any("de: " in subject for subject in mailbox.subjects_to("owner@example.com"))


def test_languages_are_offered_as_links_where_there_is_more_than_one(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(languages, "available", lambda: {"en": "English"})
    alone = client.get("/terms").text
    monkeypatch.setattr(languages, "available", lambda: {"en": "English", "ar": "العربية"})
    page = client.get("/terms?lang=ar&from=x").text

    assert 'class="languages"' not in alone
    assert '<a href="/terms?lang=en&amp;from=x" lang="en" hreflang="en">English</a>' in page
    assert '<a href="/terms?lang=ar&amp;from=x" lang="ar" hreflang="ar" aria-current="true">العربية</a>' in page
    assert 'class="languages"' not in client.get("/admin/login").text


@pytest.mark.parametrize("query", ["endpoint=x", "_external=1&_scheme=javascript", "_method=X", "_anchor=x"])
def test_what_an_address_asks_for_stays_in_its_query(client: FlaskClient, monkeypatch: pytest.MonkeyPatch, query: str):
    monkeypatch.setattr(languages, "available", lambda: {"en": "English", "ar": "العربية"})
    page = client.get(f"/terms?{query}")

    assert page.status_code == 200
    assert f'<a href="/terms?{query.replace("&", "&amp;")}&amp;lang=ar"' in page.text


@pytest.mark.parametrize("path", ["/terms", "/privacy"])
def test_a_translation_of_the_terms_names_the_english_version_as_the_binding_one(client: FlaskClient, path: str):
    assert "is the binding one" not in client.get(path).text
    assert (
        f'<a href="{path}?lang=en" hreflang="en">English version</a> is the binding one'
        in client.get(f"{path}?lang=fr").text
    )
