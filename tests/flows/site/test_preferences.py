"""What the owner chooses is written down, told to the right people, and holds from the next booking on."""

from dataclasses import replace
from datetime import timedelta

import pytest

from inspired.adapters.mongo.audit_outbox import Note
from inspired.adapters.mongo.catalogue import Listed
from inspired.domain.booking import polling
from inspired.domain.booking.states import State
from inspired.domain.shared.errors import Conflict, Invalid, UpstreamError
from inspired.domain.site.preferences import Accent, Addresses, Brand, Home, Retention, SmallPrint
from inspired.flows.booking import delivery
from inspired.flows.booking.booking import TERMS_VERSION, terms_version
from inspired.flows.monitoring import auditing, sweeping
from inspired.flows.shared import owner_notifications
from inspired.flows.site import preferences, retention
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.steps import confirmed, hold, later, live
from tests.harness import Servers

PRINT = SmallPrint(confirmation="Please bring your numbers.", terms="Be kind.")


def written_down(svc: Services) -> list[tuple[str, str, str]]:
    """Oldest first."""
    return [(one.what, one.about, one.detail) for one in reversed(svc.audit.newest(50))]


# --- the log --------------------------------------------------------------------------------------------------------


def test_each_thing_that_changes_has_its_entry_with_old_and_new_value(svc: Services):
    preferences.save(svc, "p1", replace(Brand(), name="Ada’s calls", accent=Accent.RUST), 0)
    preferences.save(svc, "p1", replace(Brand(), name="Ada’s calls", accent=Accent.RUST), 1)
    preferences.save(svc, "p2", Addresses(alerts=("ann@example.org",)), 0)

    assert written_down(svc) == [
        ("setting changed", "brand", "name of the site: from “Inspired Analyst” to “Ada’s calls”"),
        ("setting changed", "brand", "colour: from “green” to “rust”"),
        ("setting changed", "addresses", "who gets alerts: from “nobody named” to “1 address at example.org”"),
    ]
    assert [one.who for one in svc.audit.newest(1)] == ["p2"]
    assert list(svc.audit.broken()) == []


@pytest.mark.parametrize(("wanted", "version", "refusal"), [(Brand(name=""), 0, Invalid), (Brand("Mine"), 3, Conflict)])
def test_what_is_refused_is_not_written_down(svc: Services, wanted: Brand, version: int, refusal: type[Exception]):
    with pytest.raises(refusal):
        preferences.save(svc, "p1", wanted, version)

    assert (written_down(svc), svc.preferences.fresh().brand) == ([], Brand())


def test_changes_of_calls_and_calendar_are_written_down(svc: Services):
    offered = svc.catalogue.fresh()
    first, second = offered.types[0], offered.types[1]
    dearer = Listed(replace(first.type, minutes=35), hidden=True)
    new = Listed(replace(second.type, id="second-opinion", title="Second opinion"))

    preferences.save_types(svc, "p1", (dearer, *offered.types[1:], new), 0)
    preferences.save_calendar(svc, "p1", replace(offered.calendar, week=((),) * 7), 0)
    log = written_down(svc)

    assert log[0] == ("call changed", "quick-question", "length: from “30 minutes” to “35 minutes”")
    assert ("call added", "second-opinion", "name: from nothing to “Second opinion”") in log
    (told,) = [detail for what, _, detail in log if what == "list of calls changed"]
    assert told.endswith("to “Quick question (hidden), Portfolio review, Deep dive, Mentoring, Second opinion”")
    assert log[-1] == ("calendar changed", "", "Friday: from “09:00-17:00” to “no calls”")
    assert len([one for one in log if one[0] == "calendar changed"]) == 5


def test_whoever_is_killed_before_the_log_is_written_leaves_no_change_without_its_entries(
    svc: Services, monkeypatch: pytest.MonkeyPatch
):
    def killed(*_: object) -> None:
        raise SystemExit

    calendar = replace(svc.catalogue.fresh().calendar, week=((),) * 7)
    with monkeypatch.context() as patched:
        patched.setattr(preferences, "_log", killed)
        for save in (
            lambda: preferences.save(svc, "p1", replace(Brand(), analyst="Ada"), 0),
            lambda: preferences.save_calendar(svc, "p1", calendar, 0),
            lambda: preferences.save_types(svc, "p1", svc.catalogue.fresh().types[1:], 0),
        ):
            with pytest.raises(SystemExit):
                save()

    preferences.log_owed(svc)
    at_once = written_down(svc)
    sweeping.sweep_runs(later(svc, minutes=1.1))
    log = written_down(svc)
    preferences.log_owed(later(svc, minutes=3))

    assert at_once == [], "whoever saved it may still be at it"
    assert ("setting changed", "brand", "analyst: from nothing to “Ada”") in log
    assert {what for what, _, _ in log} == {"setting changed", "calendar changed", "list of calls changed"}
    assert written_down(svc) == log, "each once"


def test_the_next_save_logs_what_the_one_before_still_owed(svc: Services):
    note = Note(svc.now() - timedelta(minutes=2), "p1", "setting changed", "brand", "analyst: from nothing to “Ada”")
    svc.preferences.save(replace(Brand(), analyst="Ada"), 0, [note])

    preferences.save(svc, "p2", replace(Brand(), analyst="Bob"), 1)

    assert [(one.who, one.detail) for one in reversed(svc.audit.newest(9))] == [
        ("p1", "analyst: from nothing to “Ada”"),
        ("p2", "analyst: from “Ada” to “Bob”"),
    ]
    assert svc.preferences.audit_outbox.owing(["brand"]) == []


# --- the version of the terms ---------------------------------------------------------------------------------------


def test_a_booking_keeps_the_version_of_the_terms_it_was_made_under(svc: Services):
    first = hold(svc)
    preferences.save(svc, "p1", PRINT, 0)
    second = hold(svc, call=5)
    preferences.save(svc, "p1", replace(PRINT, imprint="Ada"), 1)
    third = hold(svc, call=10)
    types = svc.catalogue.fresh().types
    policy = replace(types[0].type.policy, part_percent=25)
    preferences.save_types(svc, "p1", (Listed(replace(types[0].type, policy=policy)), *types[1:]), 0)

    assert [one.terms_version for one in (first, second, third)] == [
        TERMS_VERSION, f"{TERMS_VERSION}.1", f"{TERMS_VERSION}.1",
    ]  # fmt: skip
    assert svc.bookings.get(first.id).terms_version == TERMS_VERSION
    assert terms_version(svc) == f"{TERMS_VERSION}.2", "what cancelling gives back stands in the terms"


def test_the_order_of_calls_and_their_prices_are_no_other_terms(svc: Services):
    types = svc.catalogue.fresh().types
    dearer = Listed(replace(types[0].type, minutes=35))

    preferences.save_types(svc, "p1", (*types[1:], dearer), 0)

    assert terms_version(svc) == TERMS_VERSION


# --- who is told ----------------------------------------------------------------------------------------------------


def test_until_somebody_is_named_mails_go_to_the_address_of_the_setup(svc: Services):
    assert {owner_notifications.addresses(svc, kind) for kind in owner_notifications.KINDS} == {("owner@example.com",)}


def test_each_who_is_named_gets_a_mail_of_their_own(svc: Services, sandbox: Servers, mailbox: Mailbox):
    preferences.save(svc, "p1", Addresses(calls=("ann@b.org", "bob@b.org"), reports=("tax@b.org",)), 0)
    confirmed(svc, sandbox)
    owner_notifications.owner(svc, "reconnected", "once", url="https://site.example/hook")
    owner_notifications.owner(
        svc, "reconciled", "once", cases=[], count=1, asked="Binance", admin_url="https://site.example/admin/money"
    )

    new_calls = [one for one in mailbox.messages if str(one["subject"]).startswith("New call")]
    assert [str(one["to"]) for one in new_calls] == ["ann@b.org", "bob@b.org"]
    assert len({str(one["message-id"]) for one in new_calls}) == 2
    assert mailbox.subjects_to("owner@example.com") == ["Calendly sends its webhooks again"]
    assert mailbox.subjects_to("tax@b.org") == ["Reconciliation: 1 difference to look at"]


def test_an_address_that_is_refused_keeps_the_mail_from_none_of_the_others(svc: Services, mailbox: Mailbox):
    preferences.save(svc, "p1", Addresses(alerts=("someone@sub..example.org", "bob@b.org")), 0)
    owner_notifications.owner(svc, "reconnected", "once", url="https://site.example/hook")

    assert len(mailbox.subjects_to("bob@b.org")) == 1
    mailbox.refuse = "550 no such person"
    with pytest.raises(UpstreamError) as refused:
        owner_notifications.owner(svc, "reconnected", "twice", url="https://site.example/hook")
    assert not refused.value.retryable
    mailbox.refuse = "451 later"
    with pytest.raises(UpstreamError) as put_off:
        owner_notifications.owner(svc, "reconnected", "twice", url="https://site.example/hook")
    assert put_off.value.retryable


def test_trying_the_addresses_sends_each_a_mail_that_says_what_it_is_told_of(svc: Services, mailbox: Mailbox):
    preferences.save(svc, "p1", Addresses(calls=("ann@b.org",), alerts=("ann@b.org", "bob@b.org")), 0)
    owner_notifications.try_addresses(svc)
    texts = {str(one["to"]): one.get_body(["plain"]).get_content() for one in mailbox.messages}
    taken = svc.preferences.tried()
    mailbox.refuse = "550 no"
    owner_notifications.try_addresses(svc)
    refused = svc.preferences.tried()

    assert set(texts) == {"ann@b.org", "bob@b.org", "owner@example.com"}
    assert "calls that are confirmed or moved" in texts["ann@b.org"]
    assert "what needs you" in texts["ann@b.org"]
    assert "reports" in texts["owner@example.com"]
    assert "what needs you" not in texts["owner@example.com"]
    assert taken is not None
    assert refused is not None
    assert (taken.told, refused.told) == ("The mail server took 3 of 3 mails.", "The mail server took 0 of 3 mails.")


# --- what customers get ---------------------------------------------------------------------------------------------


def test_mails_carry_the_owners_name_signature_sentence_and_colour(svc: Services, sandbox: Servers, mailbox: Mailbox):
    preferences.save(svc, "p1", Brand("Ada’s calls", "Ada Example", "Calls.", Accent.BLUE, "ada@example.org"), 0)
    preferences.save(svc, "p1", PRINT, 0)
    booking = confirmed(svc, sandbox)

    (mail,) = [one for one in mailbox.messages if str(one["subject"]).startswith("Confirmed")]
    text, html = (mail.get_body([kind]).get_content() for kind in ("plain", "html"))
    assert str(mail["from"]) == "Ada’s calls <calls@example.com>"
    for said in ("Please bring your numbers.", "Ada Example, Ada’s calls, http://localhost"):
        assert said in text
    for said in ("Please bring your numbers.", "Ada Example, Ada’s calls", "#0b4f8a", "mailto:ada@example.org"):
        assert said in html
    assert "Inspired Analyst" not in text + html
    assert "– Ada’s calls".encode() in delivery.call_as_file(svc, booking).replace(b"\r\n ", b"")


def test_a_hostile_text_is_only_text_in_a_mail(svc: Services, sandbox: Servers, mailbox: Mailbox):
    bad = '<img src=x onerror=alert(1)> <a href="javascript:alert(1)">x</a> javascript:alert(1) {{ 7*7 }}'
    preferences.save(svc, "p1", replace(Brand(), analyst=bad[:60], line=bad[:60]), 0)
    preferences.save(svc, "p1", SmallPrint(confirmation=bad), 0)
    confirmed(svc, sandbox)

    (mail,) = [one for one in mailbox.messages if str(one["subject"]).startswith("Confirmed")]
    html = mail.get_body(["html"]).get_content()
    assert "<img" not in html
    assert 'href="javascript' not in html
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    assert "{{ 7*7 }}" in html


# --- forgetting -----------------------------------------------------------------------------------------------------


def forget(svc: Services) -> dict[str, int]:
    retention.start(svc)
    while retention.turn_page(svc):
        pass
    run = svc.runs.get(retention.NAME)
    assert run is not None
    return run.counts


def over(svc: Services, sandbox: Servers, **more: str) -> str:
    """A call that was held, with nothing owed any more."""
    booking = confirmed(svc, sandbox, **more)
    return svc.bookings.change(booking.id, lambda b: polling.scheduled(replace(b, outbox=()), svc.now())).id


def test_people_of_calls_long_over_are_forgotten_and_the_others_and_the_books_stay(svc: Services, sandbox: Servers):
    held, unsettled = over(svc, sandbox), live(svc, call=10, email="bob@example.com").id
    posted = svc.ledger.of(held)
    preferences.save(svc, "p1", Retention(6), 0)
    in_five, in_seven = later(svc, days=150), later(svc, days=250)

    assert forget(in_five) == {}, "too young to be looked at"
    assert forget(in_seven) == {"erased": 1, "kept": 1}
    assert forget(in_seven) == {"kept": 2}

    erased, kept = svc.bookings.get(held), svc.bookings.get(unsettled)
    assert delivery.opened(svc, erased) == {"email": "", "name": ""}
    assert erased.state is State.CONFIRMED
    assert svc.ledger.of(held) == posted
    assert kept.sealed is not None
    assert written_down(svc)[-1] == ("personal data erased", "", "of 1 booking, as the settings wish")


def test_nothing_is_erased_until_the_owner_wishes_it_nor_after_it_is_taken_back(svc: Services, sandbox: Servers):
    held = over(svc, sandbox)
    long_after = later(svc, days=2000)

    assert not retention.start(long_after)
    assert svc.runs.get(retention.NAME) is None
    preferences.save(svc, "p1", Retention(3), 0)
    assert retention.start(long_after)
    preferences.save(svc, "p1", Retention(0), 1)
    while retention.turn_page(long_after):
        pass

    assert svc.bookings.get(held).sealed is not None


# --- the chain ------------------------------------------------------------------------------------------------------


def test_the_chain_is_looked_at_and_the_owner_told_where_it_broke(svc: Services, mailbox: Mailbox, database):
    preferences.save(svc, "p1", replace(Home(), headline="One", lead="Two"), 0)
    whole = auditing.check(svc)
    database["audit"].update_one({"_id": 1}, {"$set": {"detail": "nothing"}})
    broken = auditing.check(svc)

    assert (whole.entries, whole.broken, whole.hash) == (2, (), svc.audit.newest(1)[0].hash)
    assert broken.broken == ("Entry 1 was altered.",)
    assert svc.audit.checked() == broken
    assert mailbox.subjects_to("owner@example.com") == ["Please look: the audit log is not whole"]
    assert "/admin/audit" in mailbox.messages[0].get_body(["plain"]).get_content()


def test_the_chain_is_looked_at_each_night(svc: Services):
    def rung(at: Services) -> bool:
        before = svc.queue.mails_waiting()
        auditing.sweep(at)
        return svc.queue.mails_waiting() > before

    assert rung(svc), "never looked at"
    assert not rung(svc)
    assert rung(later(svc, minutes=11)), "nothing came of it"
    auditing.check(svc)
    zone, now = svc.settings.owner_timezone, svc.now()
    night = auditing._next_night(svc, now)
    assert timedelta() < night - now <= timedelta(days=1)
    assert (night.hour, night.minute, str(night.tzinfo)) == (3, 30, zone)
    assert not rung(replace(svc, now=lambda: night - timedelta(seconds=1)))
    assert rung(replace(svc, now=lambda: night))


def test_the_clock_rings_for_the_forgetting_and_the_chain(svc: Services, sandbox: Servers):
    preferences.save(svc, "p1", Retention(3), 0)

    sweeping.sweep_runs(svc)

    run = svc.runs.get(retention.NAME)
    assert run is not None
    assert not svc.audit.take_check(svc.now(), svc.now()), "taken by the clock"
