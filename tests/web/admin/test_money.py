"""The owner's money: refunds by page and by program, what is stuck, payments nobody knows, books, cases."""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pymongo.database import Database

from inspired.adapters.mongo.ledger_store import Orphan
from inspired.domain.accounts.people import Role
from inspired.domain.booking import ledger, refunds
from inspired.domain.booking.booking import Booking
from inspired.domain.booking.rails import RailId
from inspired.domain.booking.reconciliation import Difference
from inspired.domain.booking.states import RefundStatus, State
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Network
from inspired.flows.booking import reconciling, refreshing
from inspired.services import Services
from tests.conftest import Mailbox
from tests.flows.booking.test_address_holders import came, two_holders
from tests.flows.on_chain import Chain, receive_on_chain
from tests.flows.steps import confirmed, hold, later, live, lost_time, paid_again, pay, refunds_there, starting_in
from tests.harness import Servers
from tests.web.admin.test_permissions import logged_in
from tests.web.pages import hidden, send, words

WHY = {"reason": "as agreed on the phone"}


def room(booking: Booking) -> str:
    return f"/admin/bookings/{booking.id}"


def asked(owner: FlaskClient, booking: Booking, **fields: str) -> Any:
    """The form filled in and sent to the preview."""
    page = owner.get(f"{room(booking)}/refund").text
    more = {name: hidden(page, name) for name in ("csrf_token", "request")}
    return owner.post(f"{room(booking)}/refund/preview", data={**more, **WHY, **fields})


def confirm(owner: FlaskClient, booking: Booking, preview: str, **changes: str) -> Any:
    names = ("csrf_token", "amount", "order", "reason", "cancels", "request", "seen")
    return owner.post(f"{room(booking)}/refund", data={**{one: hidden(preview, one) for one in names}, **changes})


def audited(svc: Services) -> list[tuple[str, str, str]]:
    """Newest first, all by the one who is logged in."""
    entries, person = svc.audit.newest(10), svc.people.by_email("owner@example.com")
    assert {one.who for one in entries} <= {person.id if person else ""}
    return [(one.what, one.about, one.detail) for one in entries]


# --- a refund by the page -------------------------------------------------------------------------------------------


def test_a_refund_of_all_is_looked_at_first_and_cancels_the_call(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    offered = owner.get(room(booking)).text
    form = owner.get(f"{room(booking)}/refund").text

    preview = asked(owner, booking, cancels="yes")
    untouched = svc.bookings.get(booking.id)
    answer = confirm(owner, booking, preview.text)
    refreshing.refresh(svc, booking.id)

    assert f'href="{room(booking)}/refund"' in offered
    assert 'name="cancels" value="" checked' in form
    told = words(preview.text)
    for said in (
        *("Refund 75 USDT and cancel the call?", "Nothing has been done yet", "is cancelled; its time is free"),
        *("that you cancelled the call, and what goes back", "as agreed on the"),
    ):
        assert said in told
    assert "Refund 75 USDT and cancel the call" in button(preview.text)
    assert untouched.version == booking.version
    # At the top of the page, where it says what was done: an anchor would land below it.
    assert (answer.status_code, answer.headers["Location"]) == (303, room(booking))
    assert refunds_there(sandbox) == [("75", "REFUND_SUCCESS")]
    assert audited(svc) == [("refunded", booking.id, "all of it, the call is cancelled")]
    after = words(owner.get(room(booking)).text)
    for said in ("REFUNDED", "gone back, says Binance Pay", "Your words: as agreed on the phone", "refunded by you"):
        assert said in after


def test_a_part_leaves_the_call_and_says_what_remains_and_what_the_policy_would_give(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    booking = starting_in(svc, confirmed(svc, sandbox), hours=30)

    preview = asked(owner, booking, amount="10.50")
    confirm(owner, booking, preview.text)

    after = svc.bookings.get(booking.id)
    assert button(preview.text) == "Refund 10.5 USDT, the call stays"
    by_policy = "75 USDT would go back if the customer cancelled"
    for said in ("10.5 USDT", "Remains 64.5 USDT", "stays confirmed", by_policy):
        assert said in words(preview.text)
    assert after.state is State.CONFIRMED
    assert [(str(one.amount), one.by, one.note) for one in after.refunds] == [("10.5", "owner", WHY["reason"])]


def button(page: str) -> str:
    """What the button that sends the money says."""
    found = re.search(r'<button class="button danger">([^<]*)</button>', page)
    assert found, "no such button"
    return found[1]


@pytest.mark.parametrize(
    ("amount", "cancels", "off"),
    [
        ("25", "", False),
        ("", "", True),
        ("75", "", True),
        ("25", "yes", True),
        ("25", "no", False),
        ("", "no", False),
        ("", "yes", True),
    ],
)
def test_a_part_cancels_nothing_unless_the_owner_says_so_and_the_page_says_what_was_done(
    owner: FlaskClient, svc: Services, sandbox: Servers, mailbox: Mailbox, amount: str, cancels: str, off: bool
):
    booking = confirmed(svc, sandbox)

    preview = asked(owner, booking, amount=amount, cancels=cancels).text
    landed = owner.get(confirm(owner, booking, preview).headers["Location"]).text
    after = svc.bookings.get(booking.id)
    refreshing.refresh(svc, booking.id)
    once_more = owner.get(room(booking)).text

    what = f"Refund {amount or '75'} USDT"
    assert button(preview) == (f"{what} and cancel the call" if off else f"{what}, the call stays")
    assert (after.state is State.CANCELLED) is off
    goes = f"{amount or '75'} USDT goes back to the Binance account that paid"
    told = f"{goes}, and the call is cancelled: its time is free for others." if off else f"{goes}. The call stays"
    assert told in words(landed)
    assert told not in words(once_more), "it is told once"
    mails = "".join(str(one.get_body(("plain",)).get_content()) for one in mailbox.messages if "ann" in one["to"])
    assert ("the owner has cancelled your call" in mails) is off
    assert ("Your call stays as it is:" in mails) is not off
    assert "What you were told before you paid:" not in mails, "the policy is for a customer who cancels"
    assert ("is kept. Is that not as agreed with you?" in mails) is (off and amount == "25")


def test_a_page_that_does_not_say_what_becomes_of_the_call_refunds_nothing(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    booking = confirmed(svc, sandbox)

    answer = confirm(owner, booking, asked(owner, booking).text, cancels="")

    assert (answer.status_code, "Please choose what becomes of the call." in words(answer.text)) == (422, True)
    assert svc.bookings.get(booking.id).refunds == ()


def test_the_owner_agrees_that_a_call_stands_though_a_part_of_its_money_was_returned(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    booking = confirmed(svc, sandbox)
    sandbox.control(f"orders/{booking.order.trade_no}/refund", {"amount": "25"})
    owner.post(f"{room(booking)}/ask", data={"csrf_token": hidden(owner.get(room(booking)).text, "csrf_token")})
    stuck = svc.bookings.get(booking.id)
    page = owner.get(room(booking)).text
    entered = stuck.refunds[0]
    if entered.amount is None:  # Binance does not tell a part's amount: the owner has entered it
        svc.bookings.change(
            booking.id, lambda b: refunds.settled_by_hand(b, entered.id, Money.parse("25"), "console", svc.now())
        )
        page = owner.get(room(booking)).text

    answer = send(owner, f"{room(booking)}/agree", {}, page=room(booking))
    after = svc.bookings.get(booking.id)

    assert "The call stands with 50 USDT" in words(page)
    assert answer.status_code == 303
    assert (after.state, str(after.agreed_amount), after.flags) == (State.CONFIRMED, "50", frozenset())
    assert "You agreed that the call stands" in words(owner.get(room(booking)).text)
    assert "The call stands with" not in words(owner.get(room(booking)).text)
    assert send(owner, f"{room(booking)}/agree", {}, page=room(booking)).status_code == 409
    assert audited(svc) == [("part_agreed", booking.id, "")]


def test_money_in_another_currency_beside_a_call_goes_back_by_itself(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    booking = paid_again(svc, sandbox, amount="0.3", currency="BNB")
    whole = owner.get(f"{room(booking)}/refund")

    link = f'href="{room(booking)}/refund?order=1"'
    form = owner.get(f"{room(booking)}/refund?order=1").text
    fields = {name: hidden(form, name) for name in ("csrf_token", "request", "order")}
    preview = owner.post(f"{room(booking)}/refund/preview", data={**fields, **WHY})
    confirm(owner, booking, preview.text)
    after = refreshing.refresh(svc, booking.id)

    assert link in whole.text
    assert "75 USDT of order 2" in words(whole.text)
    assert 'name="amount"' not in form
    assert 'name="cancels"' not in form
    for said in ("Refund 0.3 BNB, the call stays?", "Goes back 0.3 BNB", "Remains 75 USDT", "stays confirmed"):
        assert said in words(preview.text)
    assert (after.state, after.flags) == (State.CONFIRMED, frozenset())
    assert [(one.amount.shown, one.is_gone) for one in after.refunds if one.amount] == [("0.3 BNB", True)]
    assert refunds_there(sandbox) == [("0.3", "REFUND_SUCCESS")]


def test_a_link_to_money_that_has_gone_back_meanwhile_shows_the_whole(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    booking = confirmed(svc, sandbox)

    form = owner.get(f"{room(booking)}/refund?order=1").text
    refusal = asked(owner, booking, order="1")

    assert 'name="amount"' in form
    assert (refusal.status_code, "nothing left to refund of this order" in words(refusal.text)) == (409, True)


def test_the_same_page_sent_twice_is_one_refund(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    preview = asked(owner, booking, amount="10").text

    answers = [confirm(owner, booking, preview).status_code for _ in range(2)]

    assert answers == [303, 303]
    assert len(svc.bookings.get(booking.id).refunds) == 1
    assert audited(svc) == [("refunded", booking.id, "10")]


def test_a_page_older_than_the_last_refund_does_nothing_and_says_so(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    booking = confirmed(svc, sandbox)
    first, second = asked(owner, booking, amount="10").text, asked(owner, booking, amount="10").text
    confirm(owner, booking, first)

    answer = confirm(owner, booking, second)

    assert answer.status_code == 409
    assert "Meanwhile another refund was made" in words(answer.text)
    assert hidden(answer.text, "request") != hidden(second, "request")
    assert len(svc.bookings.get(booking.id).refunds) == 1


@pytest.mark.parametrize(
    ("wrong", "code", "told"),
    [
        ({"amount": "75.01"}, 422, "At most 75 USDT can be refunded."),
        ({"amount": "0"}, 422, "An amount is more than nothing."),
        ({"amount": "ten"}, 422, "An amount is a number"),
        ({"amount": "1", "reason": ""}, 422, "Please give the reason"),
        ({"amount": "1", "reason": "x" * 201}, 422, "Please give the reason"),
        ({"amount": "1", "request": ""}, 422, "Please reload the page"),
        ({"order": "1000"}, 422, "There is no such order."),
        ({"order": "1", "amount": "1"}, 422, "goes back as a whole, and leaves the call as it is"),
    ],
)
def test_what_cannot_be_refunded_comes_back_with_its_sentence(
    owner: FlaskClient, svc: Services, sandbox: Servers, wrong: dict[str, str], code: int, told: str
):
    booking = confirmed(svc, sandbox)

    answer = asked(owner, booking, **wrong)

    assert answer.status_code == code
    assert told in words(answer.text)
    assert svc.bookings.get(booking.id).version == booking.version


def test_before_a_call_is_confirmed_its_money_goes_back_as_a_whole(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = lost_time(svc, sandbox)
    form = owner.get(f"{room(booking)}/refund").text

    part = asked(owner, booking, amount="10")
    confirm(owner, booking, asked(owner, booking).text)
    after = refreshing.refresh(svc, booking.id)

    assert 'name="amount"' not in form
    assert part.status_code == 409
    assert (after.state, after.choose_by) == (State.REFUNDED, None)


def test_nothing_is_offered_where_there_is_nothing_to_refund(owner: FlaskClient, svc: Services):
    booking = live(svc)

    assert f"{room(booking)}/refund" not in owner.get(room(booking)).text
    assert "There is nothing left to refund." in words(owner.get(f"{room(booking)}/refund").text)


def test_an_amount_binance_would_not_keep_to_is_not_offered(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    for number in range(9):
        confirm(owner, booking, asked(owner, booking, amount="1").text)
        refreshing.refresh(later(svc, minutes=number), booking.id)

    preview = asked(owner, booking, amount="1")

    assert "would return everything left" in words(preview.text)
    assert "would not go out" in words(preview.text)
    assert "<button" in preview.text
    assert 'class="button danger"' not in preview.text


# --- stuck, and asked about again -----------------------------------------------------------------------------------


def stuck(owner: FlaskClient, svc: Services, sandbox: Servers) -> Booking:
    sandbox.control("settings", {"refund_outcome": "pending"})
    booking = confirmed(svc, sandbox)
    confirm(owner, booking, asked(owner, booking, amount="10").text)
    under_way = refreshing.refresh(svc, booking.id)
    sandbox.control(f"refunds/{under_way.refunds[0].id}/reject", {"notify": "lost"})
    sandbox.control("settings", {"refund_outcome": "success"})
    return refreshing.refresh(later(svc, minutes=1), booking.id)


def test_a_rejected_refund_says_so_and_is_tried_again(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = stuck(owner, svc, sandbox)
    page = owner.get(room(booking)).text
    again = f"{room(booking)}/refunds/{booking.refunds[0].id}/again"

    answer = send(owner, again, {}, page=room(booking))
    after = refreshing.refresh(later(svc, minutes=2), booking.id)

    assert "rejected, the money is still here" in words(page)
    assert again in page
    assert answer.status_code == 303
    assert [one.status for one in after.refunds] == [RefundStatus.REJECTED, RefundStatus.DONE]
    assert again not in owner.get(room(booking)).text
    assert send(owner, again, {}, page=room(booking)).status_code == 409
    assert audited(svc)[:-1] == [("refund_again", booking.id, "")]


def test_a_stuck_refund_settled_by_hand_is_in_the_books(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = stuck(owner, svc, sandbox)
    address = f"{room(booking)}/refunds/{booking.refunds[0].id}/by-hand"

    wrong = send(owner, address, {"amount": "76", "note": "sent by hand"}, page=room(booking))
    empty = send(owner, address, {"amount": "10", "note": ""}, page=room(booking))
    right = send(owner, address, {"amount": "10", "note": "sent by hand"}, page=room(booking))

    after = svc.bookings.get(booking.id)
    assert (wrong.status_code, empty.status_code, right.status_code) == (422, 422, 303)
    assert "Between nothing and" in words(wrong.text)
    assert (after.refunds[0].status, after.refunds[0].note) == (RefundStatus.EXTERNAL, "sent by hand")
    assert ledger.balances(after.ledger)["binance", "USDT"] == Money.parse("65")
    assert "gone by another way" in words(owner.get(room(booking)).text)
    assert audited(svc)[:-1] == [("refund_by_hand", booking.id, "10 USDT")]


def test_binance_is_asked_again_at_the_owners_word(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = live(svc)
    pay(sandbox, booking)

    answer = send(owner, f"{room(booking)}/ask", {}, page=room(booking))

    assert answer.status_code == 303
    assert svc.bookings.get(booking.id).state is State.CONFIRMED


# --- what the booking's page shows ----------------------------------------------------------------------------------


def test_every_entry_of_the_ledger_has_its_two_sides(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)

    text = words(owner.get(room(booking)).text)

    assert "received In the Binance account 75 Received, neither earned nor returned 75" in text
    assert "earned by the confirmed call Received, neither earned nor returned 75 Earned by confirmed calls 75" in text


def test_the_evidence_is_told_in_the_order_of_time(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)

    page = owner.get(room(booking)).text

    story = page[page.index('id="story"') : page.index('id="money"')]
    times = re.findall(r'<time datetime="([^"]+)"', story)
    assert times == sorted(times)
    assert "Binance Pay was asked to make the order; it answered." in words(story)
    assert "Binance was asked whether it was paid; it answered." in words(story)


def test_the_list_shows_what_went_back(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    confirm(owner, booking, asked(owner, booking, amount="10").text)
    waiting = words(owner.get("/admin/bookings").text)

    refreshing.refresh(svc, booking.id)

    assert "10 USDT not returned yet" in waiting
    assert "returned 10 USDT" in words(owner.get("/admin/bookings").text)


# --- all of the money -----------------------------------------------------------------------------------------------


def orphan(svc: Services) -> Orphan:
    found = Orphan("PAY:<1>:2", svc.now(), "z" * 27, Money.parse("50"), "P_9", open_since=svc.now())
    svc.orphans.add(found)
    svc.ledger.post(found.id, [ledger.orphan(f"orphan:{found.id}", RailId.BINANCE_PAY, Money.parse("50"), svc.now())])
    return found


def test_the_books_are_summed_by_account_and_come_to_nothing(owner: FlaskClient, svc: Services, sandbox: Servers):
    refreshing.refresh(svc, confirmed(svc, sandbox).id)
    orphan(svc)

    text = words(owner.get("/admin/money").text)

    assert "In the Binance account 125" in text
    assert "Received, neither earned nor returned 50" in text
    assert "Earned by confirmed calls 75" in text
    assert "Together 0" in text


def test_a_payment_nobody_knows_is_listed_until_it_was_settled_with_a_word(owner: FlaskClient, svc: Services):
    found = orphan(svc)
    listed = words(owner.get("/admin/money").text)
    hinted = words(owner.get("/admin/").text)

    wordless = send(owner, "/admin/money/orphans", {"orphan": found.id, "note": ""}, page="/admin/money")
    settled = send(owner, "/admin/money/orphans", {"orphan": found.id, "note": "sent back"}, page="/admin/money")

    assert ("50 USDT" in listed, "P_9" in listed) == (True, True)
    assert "A payment nobody here knows of 50 USDT" in hinted
    assert (wordless.status_code, settled.status_code) == (422, 303)
    assert svc.orphans.waiting() == []
    assert "Payments nobody here knows None." in words(owner.get("/admin/money").text)
    assert audited(svc) == [("orphan_settled", found.id, "")]
    assert "payment of nobody's settled" in words(owner.get("/admin/audit").text)
    assert send(
        owner, "/admin/money/orphans", {"orphan": "else", "note": "x"}, page="/admin/money"
    ).status_code == 404  # fmt: skip


def test_what_does_not_agree_is_told_with_its_step_and_its_booking(owner: FlaskClient, svc: Services):
    booking = hold(svc)
    case = Difference.of("missing_refund", booking.id, "R01", "10 USDT here, nothing <there>")
    svc.cases.record([case], svc.now())

    page = owner.get("/admin/money").text

    assert "Our books have a refund that Binance does not know. Please look at it." in words(page)
    assert "nothing &lt;there&gt;" in page
    assert f'href="{room(booking)}"' in page
    assert "Our books have a refund that Binance does not know." in words(owner.get("/admin/").text)


def test_a_reconciliation_is_begun_once_and_told_when_it_is_done(owner: FlaskClient, svc: Services, sandbox: Servers):
    confirmed(svc, sandbox)
    before = words(owner.get("/admin/money").text)

    first, second = (send(owner, "/admin/money/reconcile", {}, page="/admin/money") for _ in range(2))
    begun = words(owner.get(first.headers["Location"]).text)
    while reconciling.turn_page(svc):
        pass

    assert audited(svc) == [("reconciled", "", "")]
    assert "It has not run yet." in before
    assert "The reconciliation has begun." in begun
    assert "is at work already" in words(owner.get(second.headers["Location"]).text)
    assert "looked at 1 booking: no differences." in words(owner.get("/admin/money").text)


# --- by a program ---------------------------------------------------------------------------------------------------


def call(owner: FlaskClient, booking: Booking, body: Any, key: str | None = "k1", **headers: str) -> Any:
    named = {} if key is None else {"Idempotency-Key": key}
    return owner.post(f"/api/admin/payments/{booking.id}/refund", json=body, headers={**named, **headers})


def test_a_program_refunds_once_per_key_and_is_told_the_same_again(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)

    first = call(owner, booking, {"amount": "37.5", **WHY})
    refreshing.refresh(svc, booking.id)
    again = call(owner, booking, {"amount": "37.50", **WHY})
    other = call(owner, booking, {"amount": "1", **WHY})

    id_ = f"{booking.id}001R01"
    refund = {"id": id_, "amount": "37.5", "currency": "USDT", "status": "under_way", "reason": "owner"}
    answer = {"success": True, "status": "CONFIRMED", "left": "37.5", "currency": "USDT", "warnings": []}
    assert (first.status_code, first.json) == (200, {**answer, "refunds": [refund]})
    assert (again.status_code, again.json) == (200, {**answer, "refunds": [{**refund, "status": "done"}]})
    assert (other.status_code, other.mimetype) == (409, "application/problem+json")
    assert refunds_there(sandbox) == [("37.5", "REFUND_SUCCESS")]


def test_for_one_release_the_customers_token_names_the_booking_too(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    address = f"/api/admin/payments/{booking.token}/refund"

    old = owner.post(address, json={"amount": "10", **WHY}, headers={"Idempotency-Key": "k"})
    new = call(owner, booking, {"amount": "10", **WHY}, key="k")

    assert (old.status_code, new.status_code) == (200, 200)
    assert [one["id"] for one in old.json["refunds"]] == [one["id"] for one in new.json["refunds"]]
    assert ("Deprecation" in old.headers, "Deprecation" in new.headers) == (True, False)


def test_without_an_amount_all_goes_back_and_the_call_is_off_also_when_repeated(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    booking = confirmed(svc, sandbox)

    answers = [call(owner, booking, WHY) for _ in range(2)]

    assert [one.status_code for one in answers] == [200, 200]
    assert answers[0].json == answers[1].json
    assert (answers[0].json["status"], answers[0].json["left"]) == ("CANCELLED", "0")


def test_a_call_can_stay_though_all_goes_back(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)

    answer = call(owner, booking, {**WHY, "cancelCall": False})

    assert (answer.json["status"], answer.json["left"]) == ("CONFIRMED", "0")


def test_a_program_returns_money_in_another_currency_by_itself(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = paid_again(svc, sandbox, amount="0.3", currency="BNB")

    preview = call(owner, booking, {**WHY, "order": 1, "preview": True}, key="k0").json["preview"]
    answers = [call(owner, booking, {**WHY, "order": 1}).json for _ in range(2)]

    assert (preview["amount"], preview["currency"], preview["remains"], preview["cancelsCall"]) == (
        "0.3", "BNB", "75", False,
    )  # fmt: skip
    assert answers[0] == answers[1]
    assert [(one["amount"], one["currency"]) for one in answers[0]["refunds"]] == [("0.3", "BNB")]
    assert (answers[0]["status"], answers[0]["left"]) == ("CONFIRMED", "75")


def test_a_preview_tells_the_consequence_and_does_nothing(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = starting_in(svc, confirmed(svc, sandbox), hours=30)

    answer = call(owner, booking, {**WHY, "preview": True})

    assert answer.json["preview"] == {
        "amount": "75", "currency": "USDT", "remains": "0", "cancelsCall": True, "byPolicy": "75", "blocked": False,
    }  # fmt: skip
    assert (answer.json["refunds"], answer.json["left"]) == ([], "75")
    assert svc.bookings.get(booking.id).version == booking.version


@pytest.mark.parametrize(
    ("body", "key", "headers", "code"),
    [
        ({"amount": "10", **WHY}, None, {}, 422),
        ({"amount": "10", **WHY}, "k" * 256, {}, 422),
        ({"amount": "75.01", **WHY}, "k", {}, 422),
        ({"amount": "0", **WHY}, "k", {}, 422),
        ({"amount": 10, **WHY}, "k", {}, 422),
        ({"order": 0, **WHY}, "k", {}, 422),
        ({"order": 1, **WHY}, "k", {}, 409),
        ({"amount": "1e1", **WHY}, "k", {}, 422),
        ({"amount": "10"}, "k", {}, 422),
        ({"amount": "10", "reason": "\ud800"}, "k", {}, 422),
        ({"amount": "10", "surprise": 1, **WHY}, "k", {}, 422),
        ([], "k", {}, 422),
        ({"amount": "10", **WHY}, "k", {"Origin": "https://evil.example"}, 403),
        ({"amount": "10", **WHY}, "k", {"Origin": "null"}, 403),
        ({"amount": "10", **WHY}, "k", {"Sec-Fetch-Site": "cross-site"}, 403),
        ({"amount": "10", **WHY}, "k", {"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_what_is_not_right_refunds_nothing(
    owner: FlaskClient, svc: Services, sandbox: Servers, body: Any, key: str, headers: dict[str, str], code: int
):
    booking = confirmed(svc, sandbox)

    answer = call(owner, booking, body, key, **headers)

    assert (answer.status_code, answer.mimetype) == (code, "application/problem+json")
    assert svc.bookings.get(booking.id).refunds == ()


def test_our_own_pages_may_call_it(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)

    answer = call(owner, booking, WHY, Origin="http://localhost", **{"Sec-Fetch-Site": "same-origin"})

    assert answer.status_code == 200


def test_a_form_is_not_json(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)

    answer = owner.post(f"/api/admin/payments/{booking.id}/refund", data=WHY, headers={"Idempotency-Key": "k"})

    assert answer.status_code == 415


def test_nobody_but_the_owner_refunds(client: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)

    by_program = call(client, booking, WHY)
    by_page = send(client, f"{room(booking)}/refund", {**WHY, "request": "r", "seen": "0"}, page="/admin/login")

    assert by_program.status_code == 401
    assert by_page.headers["Location"].startswith("/admin/login")
    assert svc.bookings.get(booking.id).refunds == ()


def test_a_refund_without_a_forms_token_is_refused(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)

    for path in ("refund", "refund/preview", "ask"):
        assert owner.post(f"{room(booking)}/{path}", data={**WHY, "request": "r", "seen": "0"}).status_code == 400

    assert svc.bookings.get(booking.id).refunds == ()


def test_an_unknown_booking_is_not_found(owner: FlaskClient):
    path = f"/api/admin/payments/{'x' * 28}/refund"

    assert owner.post(path, json=WHY, headers={"Idempotency-Key": "k"}).status_code == 404
    assert owner.get("/admin/bookings/none/refund").status_code == 404


def test_the_call_is_described(client: FlaskClient):
    described = client.get("/api/openapi.json").json["paths"]["/api/admin/payments/{booking_id}/refund"]["post"]

    assert {"200", "401", "403", "404", "409", "415", "422"} <= set(described["responses"])


# --- money on chain that waits for the owner ------------------------------------------------------------------------


def test_the_owner_lets_money_count_that_came_to_an_address_somebody_else_had_before(
    owner: FlaskClient, svc: Services, sandbox: Servers, database: Database
):
    receive_on_chain(svc, sandbox)
    chain = Chain(sandbox, Network.TRC20)
    ann, bob = two_holders(svc, database, chain)
    came(svc, chain, bob, "70")
    came(svc, chain, bob, "5")
    first, second = (one.trade_no for one in svc.bookings.get(bob.id).orders if one.held)

    pages = [words(owner.get(room(one)).text) for one in (ann, bob)]
    answers = [
        send(owner, f"{room(bob)}/orders/{one}/let-count", {}, page=room(bob)).status_code
        for one in (first, second, second)
    ]

    assert f"booking {bob.id[:8]} , later" in pages[0]
    assert "money waits there for you" in pages[0]
    assert f"booking {ann.id[:8]} , before" in pages[1]
    assert "70 USDT wait for you" in pages[1]
    assert "It is this booking’s: let 70 USDT count" in pages[1]
    assert answers == [303, 303, 409]
    assert svc.bookings.get(bob.id).state is State.PAID
    assert audited(svc) == [("money_let_count", bob.id, "5 USDT"), ("money_let_count", bob.id, "70 USDT")]


def test_a_reader_sees_money_that_waits_and_cannot_let_it_count(
    app: Flask, svc: Services, sandbox: Servers, database: Database
):
    receive_on_chain(svc, sandbox)
    chain = Chain(sandbox, Network.TRC20)
    _, bob = two_holders(svc, database, chain)
    came(svc, chain, bob, "70")
    [trade_no] = [one.trade_no for one in svc.bookings.get(bob.id).orders if one.held]
    reader = logged_in(app, svc, Role.READER)

    page = words(reader.get(room(bob)).text)
    answer = send(reader, f"{room(bob)}/orders/{trade_no}/let-count", {}, page=room(bob))

    assert "70 USDT wait for you" in page
    assert "let 70 USDT count" not in page
    assert answer.status_code == 403
    assert svc.bookings.get(bob.id).find_order(trade_no).held
