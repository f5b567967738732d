"""Whoever presses a button of the owner's pages lands on a sentence that says what was done."""

import ast
from collections.abc import Iterator

from flask.testing import FlaskClient

from inspired.services import Services
from tests.flows.steps import confirmed, live, starting_in
from tests.harness import ROOT, Servers
from tests.web.pages import send, words

WEB = ROOT / "inspired" / "web"
IN_THE_ADDRESS = {"saved", "said", "done", "asked", "reconcile"}  # what the next page makes its sentence of
NOT_DONE_YET = {  # a step on the way, a door, or a page that shows what was asked for
    *("login.login", "login.reauthenticate", "account.app", "account.account"),
}


def landings() -> Iterator[tuple[str, ast.Call]]:
    """Every "go(…)" of the admin area's modules."""
    for path in sorted((WEB / "admin").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "go":
                yield f"{path.name}:{node.lineno}", node


def is_told(call: ast.Call) -> bool:
    if any(one.arg == "said" for one in call.keywords):
        return True
    for inner in ast.walk(call):
        if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == "url_for":
            named = {one.arg for one in inner.keywords}
            target = inner.args[0].value if isinstance(inner.args[0], ast.Constant) else ""
            if named & IN_THE_ADDRESS or target in NOT_DONE_YET:
                return True
    return False


def test_every_button_of_the_owners_leads_to_a_sentence():
    found = dict(landings())

    assert len(found) > 25
    assert [place for place, call in found.items() if not is_told(call)] == []


def landed(owner: FlaskClient, address: str, fields: dict[str, str], page: str) -> str:
    answer = send(owner, address, fields, page=page)
    assert answer.status_code == 303
    return words(owner.get(answer.headers["Location"]).text)


def test_it_says_what_was_done_once_and_escapes_nothing_into_the_page(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    booking = confirmed(svc, sandbox)
    room = f"/admin/bookings/{booking.id}"

    note = landed(owner, f"{room}/notes", {"text": "<b>ring</b> twice"}, room)
    asked = landed(owner, f"{room}/ask", {}, room)
    letter = landed(owner, f"{room}/letter", {"text": "Hello"}, f"{room}/letter")
    later = words(owner.get(room).text)

    assert "Your note is kept. The customer does not see it." in note
    assert "Binance has answered, and the booking stands as before." in asked
    assert "Your letter goes out to the customer by mail." in letter
    assert "Your letter goes out to the customer by mail." not in later


def test_who_did_not_come_moves_no_money_and_the_page_says_so_before_and_after(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    booking = starting_in(svc, confirmed(svc, sandbox), hours=-1)
    room = f"/admin/bookings/{booking.id}"
    before = words(owner.get(room).text)

    after = landed(owner, f"{room}/no-show", {"came": ""}, room)

    assert "No money moves, no mail goes out, and it can be taken back." in before
    assert "Written down: the customer did not come. No money moves by it." in after


def test_a_gift_with_an_amount_is_asked_again(owner: FlaskClient, svc: Services):
    booking = live(svc)
    page = f"/admin/bookings/{booking.id}/by-hand"
    word = {"kind": "gift", "amount": "75", "evidence": "none", "reason": "a friend"}

    refused = send(owner, page, word)
    taken = landed(owner, page, {**word, "amount": ""}, page)

    assert (refused.status_code, "A gift has none." in words(refused.text)) == (422, True)
    assert "The call is confirmed by hand: as a gift." in taken


def test_an_unpaid_booking_that_the_owner_cancels_is_not_told_as_the_customers_doing(
    owner: FlaskClient, client: FlaskClient, svc: Services
):
    from inspired.flows.booking import refreshing

    booking = live(svc)
    page = f"/admin/bookings/{booking.id}/call-off"
    fields = {"reason": "a mistake", "money": "none"}
    preview = words(send(owner, f"{page}/preview", fields, page=page).text)

    after = landed(owner, page, {**fields, "seen": "0"}, page)
    refreshing.refresh(svc, booking.id)

    assert "Cancel the booking?" in preview
    assert "their page says that you cancelled it" in preview
    assert "ends as soon as Binance says that its order is closed" in after
    customers = words(client.get(f"/booking/{booking.token}").text)
    assert "The owner cancelled this booking. Nothing was paid." in customers
    assert "You gave this booking up" not in customers
