"""The owner's settings: looked at before they are saved, nothing lost when they are refused, text that stays text."""

import html
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from inspired.domain.site.preferences import Accent, Addresses, Answered, Brand, Home, Retention, SmallPrint
from inspired.flows.booking.booking import TERMS_VERSION
from inspired.flows.monitoring import auditing
from inspired.flows.site import preferences
from inspired.services import Services
from tests.flows.steps import hold
from tests.web.pages import filled, hidden, send, words

SETTINGS, AUDIT = "/admin/settings", "/admin/audit"
PAGES = {
    "brand": "brand",
    "home": "home",
    "small_print": "small-print",
    "addresses": "addresses",
    "retention": "retention",
}
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)> [x](javascript:alert(1)) {{ 191*7 }} {% raw %}'


def save(owner: FlaskClient, section: str, **changes: str) -> Any:
    address = f"{SETTINGS}/{PAGES[section]}"
    return owner.post(address, data={**filled(owner.get(address).text), "do": "save", **changes})


# --- saving ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("section", PAGES)
def test_saving_a_section_untouched_changes_nothing_and_writes_nothing_down(
    owner: FlaskClient, svc: Services, section: str
):
    before = svc.preferences.fresh().section(section)

    assert save(owner, section).headers["Location"] == f"{SETTINGS}?saved={section}"

    assert svc.preferences.fresh().section(section) == before
    assert svc.audit.newest(5) == []


def test_the_brand_stands_on_every_page(owner: FlaskClient, client: FlaskClient, svc: Services):
    save(owner, "brand", name="Ada’s calls", analyst="Ada", line="Calls.", accent="plum", contact="ada@example.org")

    assert svc.preferences.now().brand == Brand("Ada’s calls", "Ada", "Calls.", Accent.PLUM, "ada@example.org")
    for address in ("/", "/terms", "/privacy", "/how-to-pay", "/nowhere", "/admin/", "/book/deep-dive"):
        page = client.get(address).text
        assert '<html lang="en" dir="ltr" class="accent-plum">' in page
        assert re.search(r"<title>[^<]+ – Ada’s calls</title>", page)
        foot = "Ada’s calls, for its owner." if address == "/admin/" else "Ada’s calls. Calls. ada@example.org"
        assert foot in words(page)
        assert "Inspired Analyst" not in page
    assert client.get("/api/openapi.json").get_json()["info"]["title"] == "Ada’s calls"


def test_texts_of_the_first_page_are_shown_line_by_line_with_links(
    owner: FlaskClient, client: FlaskClient, svc: Services
):
    save(
        owner, "home", headline="Ask me.", lead="", about="One.\nTwo: https://example.org/a?b=1\n\nThree.",
        questions="Is it advice?\nNo.\n\nWhy?\nSo.",
    )  # fmt: skip

    page = client.get("/").text
    assert "<h1>Ask me.</h1>" in page
    assert "One.<br>" in page
    assert '<a href="https://example.org/a?b=1" rel="noopener noreferrer">https://example.org/a?b=1</a></p>' in page
    assert "<p>Three.</p>" in page
    assert "<summary>Is it advice?</summary>" in page
    assert svc.preferences.now().home.questions == (Answered("Is it advice?", "No."), Answered("Why?", "So."))


def test_small_print_is_a_page_of_its_own_and_another_version_of_the_terms(owner: FlaskClient, client: FlaskClient):
    assert client.get("/legal-notice").status_code == 404
    assert "Legal notice" not in client.get("/").text
    assert "What else holds" not in client.get("/terms").text

    save(owner, "small_print", terms="Be kind.", imprint="Ada Example\nSome street 1")

    assert "Ada Example<br>Some street 1" in client.get("/legal-notice").text
    assert 'href="/legal-notice"' in client.get("/").text
    terms = words(client.get("/terms").text)
    assert f"Version {TERMS_VERSION}.1." in terms
    assert terms.partition("10. What else holds")[2].startswith(" Be kind.")


def test_how_long_data_is_kept_is_told_to_customers(owner: FlaskClient, client: FlaskClient, svc: Services):
    assert "Without your asking" not in client.get("/privacy").text

    save(owner, "retention", months="24")

    assert svc.preferences.now().retention == Retention(24)
    assert "Without your asking it is done 24 months after the call." in words(client.get("/privacy").text)


def test_the_settings_tell_what_holds_now(owner: FlaskClient):
    before = words(owner.get(SETTINGS).text)
    save(owner, "addresses", calls="ann@b.org\nbob@b.org")
    save(owner, "retention", months="12")

    after = words(owner.get(f"{SETTINGS}?saved=addresses").text)

    assert "Of calls that are confirmed or moved owner@example.com" in before
    assert "Nothing is erased by itself." in before
    assert "Of calls that are confirmed or moved ann@b.org, bob@b.org Of what needs you owner@example.com" in after
    assert "are erased after 12 months" in after
    assert "Saved." in after


@pytest.mark.parametrize("env_changes", [{"CALENDAR": "calendly"}])
def test_calendlys_frame_has_the_owners_colour(owner: FlaskClient, client: FlaskClient):
    save(owner, "brand", accent="rust")

    sent = send(client, "/book/deep-dive", {"terms": "yes"}, follow_redirects=True)

    assert "primary_color=8a3410" in sent.text


# --- looking first --------------------------------------------------------------------------------------------------

LOOKS = {
    "brand": ({"name": "Ada’s calls", "accent": "rust", "contact": "a@b.org"}, "Ada’s calls. One-to-one calls"),
    "home": ({"headline": "Ask me.", "questions": "Why?\nSo."}, "Questions and answers Why? So."),
    "small_print": ({"confirmation": "Bring a pen."}, "At the end of the confirmation mail Bring a pen."),
}


@pytest.mark.parametrize("section", LOOKS)
def test_a_look_shows_what_would_come_of_it_and_customers_see_nothing_of_it(
    owner: FlaskClient, client: FlaskClient, svc: Services, section: str
):
    changes, told = LOOKS[section]
    home, before = client.get("/").text, svc.preferences.fresh()

    page = save(owner, section, do="look", **changes).text

    assert told in words(page).partition("If you save this")[2]
    assert changes.items() <= filled(page).items()
    assert svc.preferences.fresh() == before
    assert words(client.get("/").text) == words(home)
    assert svc.audit.newest(1) == []


# --- refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "changes", "field", "told"),
    [
        ("brand", {"name": "", "line": "Kept."}, "name", "give the site a name"),
        ("brand", {"contact": "nobody", "line": "Kept."}, "contact", "A mail address such as"),
        ("home", {"headline": "", "about": "Kept."}, "headline", "a headline"),
        ("home", {"questions": "Why?", "about": "Kept."}, "questions", "has no answer"),
        ("small_print", {"terms": "x" * 6001, "imprint": "Kept."}, "terms", "At most 6000"),
        ("addresses", {"calls": "a@b.org\nnobody", "alerts": "kept@b.org"}, "calls", "Line 2"),
        ("retention", {"months": "1"}, "months", "3 to 120"),
    ],
)
def test_what_is_wrong_is_told_at_its_field_and_nothing_is_lost(
    owner: FlaskClient, svc: Services, section: str, changes: dict[str, str], field: str, told: str
):
    answers = [save(owner, section, do=do, **changes) for do in ("save", "look")]

    for answer in answers:
        error = re.search(rf'id="{field}-error">([^<]*)', answer.text)
        assert answer.status_code == 422
        assert error
        assert told in html.unescape(error[1])
        assert changes.items() <= filled(answer.text).items()
        assert "If you save this" not in words(answer.text)
    assert svc.preferences.fresh().versions[section] == 0


@pytest.mark.parametrize("sent", [{"do": "burn"}, {"version": "x"}, {"version": "-1"}, {"do": ""}])
def test_nonsense_is_refused(owner: FlaskClient, svc: Services, sent: dict[str, str]):
    assert save(owner, "brand", name="Mine", **sent).status_code == 422
    assert svc.preferences.fresh().brand == Brand()


def test_a_stale_page_changes_nothing_and_tells_what_was_saved_meanwhile(owner: FlaskClient, svc: Services):
    old = filled(owner.get(f"{SETTINGS}/brand").text)
    save(owner, "brand", name="Ada’s calls", analyst="Ada")

    answer = owner.post(f"{SETTINGS}/brand", data={**old, "name": "Mine", "line": "Kept.", "do": "save"})

    text = words(answer.text)
    assert answer.status_code == 409
    assert "Somebody changed this meanwhile. Please look again." in text
    assert "name of the site: Ada’s calls analyst: Ada what it is: One-to-one calls" in text
    assert (filled(answer.text)["name"], filled(answer.text)["line"]) == ("Mine", "Kept.")
    assert svc.preferences.fresh().brand.name == "Ada’s calls"
    assert owner.post(f"{SETTINGS}/brand", data={**filled(answer.text), "do": "save"}).status_code == 303
    assert svc.preferences.fresh().brand.name == "Mine", "knowingly, the second time"


@pytest.mark.parametrize("name", ["nothing", "versions", "__class__", "addresses_", "Retention"])
def test_there_are_no_other_settings(owner: FlaskClient, name: str):
    assert owner.get(f"{SETTINGS}/{name}").status_code == 404


# --- text stays text ------------------------------------------------------------------------------------------------


def test_what_the_owner_writes_is_text_wherever_it_is_shown(owner: FlaskClient, client: FlaskClient, svc: Services):
    bad = HOSTILE
    preferences.save(svc, "p1", replace(Brand(), analyst=bad[:80], line=bad), 0)
    preferences.save(svc, "p1", Home(bad, bad, f"{bad}\n\n{bad}", (Answered(bad, bad),)), 0)
    preferences.save(svc, "p1", SmallPrint(bad, bad, bad), 0)
    pages = {
        address: client.get(address).text for address in ("/", "/terms", "/legal-notice", "/privacy", SETTINGS, AUDIT)
    }
    for section in ("brand", "home", "small_print"):
        pages[f"look at {section}"] = save(owner, section, do="look").text

    for where, page in pages.items():
        assert "<script>alert" not in page, where
        assert "<img src=x" not in page, where
        assert 'href="javascript' not in page.lower(), where
        assert "1337" not in page, where
        assert "&lt;script&gt;alert(1)" in page or where == "/privacy", where


@pytest.mark.parametrize("name", ["<b>", 'A "quoted" name', "a@b.org", "A, B", "Name:\r\nBcc: x"])
def test_a_name_that_would_break_a_mails_head_is_refused(owner: FlaskClient, svc: Services, name: str):
    assert save(owner, "brand", name=name).status_code == 422
    assert svc.preferences.fresh().brand == Brand()


# --- who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("section", ["addresses", "retention"])
def test_who_is_told_and_what_is_erased_needs_a_fresh_login(owner: FlaskClient, svc: Services, section: str):
    old = filled(owner.get(f"{SETTINGS}/{section}").text)
    person = svc.people.by_email("owner@example.com")
    assert person is not None
    (session,) = svc.sessions.of(person.id)
    svc.sessions.freshened(session.id, session.fresh_at - timedelta(days=1))

    asked = owner.get(f"{SETTINGS}/{section}")
    sent = owner.post(f"{SETTINGS}/{section}", data={**old, "months": "3", "calls": "eve@c.org", "do": "save"})

    assert asked.headers["Location"].startswith("/admin/again?next=")
    assert sent.headers["Location"].startswith("/admin/again")
    assert svc.preferences.fresh().versions[section] == 0
    assert owner.get(f"{SETTINGS}/brand").status_code == 200


# --- the log --------------------------------------------------------------------------------------------------------


def test_the_log_tells_who_changed_what(owner: FlaskClient, svc: Services):
    save(owner, "brand", accent="blue")
    svc.audit.add(svc.now(), "system", "personal data erased", "", "3 bookings")
    booking = hold(svc)
    svc.audit.add(svc.now(), "gone", "refund agreed", booking.id, "x" * 500)
    svc.audit.add(svc.now(), "gone", "something else", "c" * 24)

    page = owner.get(AUDIT).text
    text = words(page)

    assert "owner@example.com setting changed brand colour: from “green” to “blue”" in text
    assert text.index("refund agreed") < text.index("personal data erased") < text.index("setting changed")
    assert "system personal data erased" in text
    assert f'href="/admin/bookings/{booking.id}">booking {booking.id[:8]}</a>' in page
    assert f"/admin/bookings/{'c' * 24}" not in page
    assert "It was not looked at yet." in text


def test_a_log_looked_at_while_it_was_empty_does_not_say_nothing_above_its_entries(owner: FlaskClient, svc: Services):
    auditing.check(svc)
    empty = words(owner.get(AUDIT).text)
    svc.audit.add(svc.now(), "system", "personal data erased", "", "3 bookings")

    written = words(owner.get(AUDIT).text)

    assert "there are no entries yet. " in empty
    assert "when there were no entries yet. " in written
    assert "othing was written" not in written


def test_the_log_is_paged_by_number(owner: FlaskClient, svc: Services):
    for number in range(1, 121):
        svc.audit.add(svc.now(), "system", f"change no. {number}.")

    first, pages = owner.get(AUDIT).text, []
    page = first
    while page:
        pages.append([int(one) for one in re.findall(r'<th scope="row">(\d+)</th>', page)])
        link = re.search(r'href="(/admin/audit\?before=\d+)">Older', page)
        page = owner.get(link[1]).text if link else ""

    assert [one for page in pages for one in page] == list(range(120, 0, -1))
    assert [len(page) for page in pages] == [50, 50, 20]
    assert "Newest" not in words(first)
    assert owner.get(f"{AUDIT}?before=nonsense").status_code == 200


def test_the_log_says_whether_it_is_whole(owner: FlaskClient, svc: Services, database):
    save(owner, "brand", accent="blue")
    asked = send(owner, f"{AUDIT}/check", {}, page=AUDIT)
    waiting = words(owner.get(asked.headers["Location"]).text)
    auditing.check(svc)
    whole = words(owner.get(asked.headers["Location"]).text)
    database["audit"].update_one({"_id": 1}, {"$set": {"who": "somebody"}})
    auditing.check(svc)
    broken = words(owner.get(AUDIT).text)

    assert "It is being looked at just now." in waiting
    assert "its entry is as written" in whole
    assert "It is being looked at" not in whole
    assert "inspired audit" in whole
    assert "this does not fit. Entry 1 was altered." in broken


def test_changes_of_calls_stand_in_the_log_with_who_made_them(owner: FlaskClient, svc: Services):
    address = "/admin/calls/portfolio-review"
    owner.post(address, data={**filled_call(owner.get(address).text), "price": "80", "do": "save"})
    send(owner, "/admin/calls", {"id": "deep-dive", "do": "hide", "version": "1"})

    text = words(owner.get(AUDIT).text)

    assert "owner@example.com call changed portfolio-review price: from “75 USDT” to “80 USDT”" in text
    assert "to “Quick question, Portfolio review, Deep dive (hidden), Mentoring”" in text


def filled_call(page: str) -> dict[str, str]:
    from tests.web.admin.test_catalogue import filled as of_call

    return of_call(page)


# --- trying the addresses -------------------------------------------------------------------------------------------


def test_trying_the_addresses_is_the_workers_and_the_page_tells_how_it_went(owner: FlaskClient, svc: Services, mailbox):
    from inspired.flows.shared import owner_notifications

    preferences.save(svc, "p1", Addresses(calls=("ann@b.org",)), 0)
    before = svc.queue.mails_waiting()
    asked = send(owner, f"{SETTINGS}/addresses/try", {}, page=SETTINGS)
    waiting = words(owner.get(asked.headers["Location"]).text)
    owner_notifications.try_addresses(svc)
    done = words(owner.get(asked.headers["Location"]).text)

    assert svc.queue.mails_waiting() == before + 1
    assert "A mail to each of them is on its way." in waiting
    assert "A mail to each" not in done
    assert "The mail server took 2 of 2 mails." in done
    assert {str(one["to"]) for one in mailbox.messages} == {"ann@b.org", "owner@example.com"}


@pytest.mark.parametrize("asked", ["", "yesterday", "2026-01-01", "2026-01-01T00:00:00Z", "9999-01-01T00:00:00Z"])
def test_an_address_with_nonsense_in_it_waits_for_nothing(owner: FlaskClient, asked: str):
    for page in (SETTINGS, AUDIT):
        assert "http-equiv" not in owner.get(page, query_string={"asked": asked}).text
    assert hidden(owner.get(SETTINGS).text, "csrf_token")
