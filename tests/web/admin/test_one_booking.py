"""One booking in the owner's room: why it stands as it does, what can be done about it, and what follows, before it."""

import re
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from flask.testing import FlaskClient

from inspired.domain.booking.booking import Booking
from inspired.domain.booking.states import State
from inspired.flows.booking import booking as booking_flow
from inspired.flows.booking import owner_actions, refreshing
from inspired.services import Services
from inspired.web.shared.display import short
from tests.conftest import Mailbox
from tests.flows.steps import confirmed, free_calls, hold, live, pay, starting_in
from tests.harness import Servers
from tests.web.pages import hidden, send, words


def room(booking: Booking, part: str = "") -> str:
    return f"/admin/bookings/{booking.id}{part}"


def audited(svc: Services) -> list[tuple[str, str, str]]:
    return [(one.what, one.about, one.detail) for one in svc.audit.newest(10)]


# --- why ------------------------------------------------------------------------------------------------------------


def test_the_story_is_told_in_order_and_says_what_happens_next(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = refreshing.refresh(svc, confirmed(svc, sandbox).id)

    text = words(owner.get(room(booking)).text)

    story = text[text.index("What happened") :]
    told = ["Time chosen and held.", "Binance Pay has the order", "Money seen: 75 USDT, by our own question"]
    told += ["Confirmed."]
    told += ["The mail server accepted the mail “Confirmed”."]
    places = [story.index(step) for step in told]
    assert places == sorted(places)
    assert "Binance answered our own question with 75 USDT paid, and the time is secured." in text
    assert "The call takes place." in text


def test_an_expired_booking_says_why(owner: FlaskClient, svc: Services):
    booking = live(svc)
    past = svc.now() - timedelta(minutes=30)
    svc.bookings.change(booking.id, lambda b: replace(b, expires_at=past, deadline=past + timedelta(minutes=1)))
    refreshing.refresh(svc, booking.id)

    text = words(owner.get(room(booking)).text)

    assert "Nothing was paid until" in text
    assert "and Binance said that the order is closed." in text


def test_questions_that_only_repeat_are_told_once(owner: FlaskClient, svc: Services):
    booking = live(svc)
    for _ in range(4):
        refreshing.ask(svc, booking)

    assert "Binance was asked whether it was paid; it answered. 4 times, until" in words(owner.get(room(booking)).text)


def test_no_names_of_ours_are_on_the_page(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = refreshing.refresh(svc, confirmed(svc, sandbox).id)

    page = owner.get(room(booking)).text
    story = words(page[page.index('id="story"') : page.index('id="money"')])

    assert "Paid." in story
    assert not re.search(r"send:|alert:|post:|[a-z]_[a-z]|v2/", story)


# --- notes, mails, letters ------------------------------------------------------------------------------------------


def test_a_note_says_who_wrote_it_and_is_only_text(owner: FlaskClient, svc: Services):
    booking = hold(svc)

    answer = send(owner, room(booking, "/notes"), {"text": "Call <b>back</b>\r\non Monday"}, page=room(booking))

    page = owner.get(room(booking)).text
    assert answer.status_code == 303
    assert "Call &lt;b&gt;back&lt;/b&gt;\non Monday" in page
    assert "owner@example.com," in words(page)
    assert "<b>back" not in page
    assert audited(svc)[0] == ("note", booking.id, "")


@pytest.mark.parametrize("text", ["", "   ", "x" * 1001, "a\x00b"])
def test_a_note_that_is_none_is_refused_with_a_sentence(owner: FlaskClient, svc: Services, text: str):
    booking = hold(svc)

    answer = send(owner, room(booking, "/notes"), {"text": text}, page=room(booking))

    assert answer.status_code == 422
    assert "Please write something, and not too much of it." in words(answer.text)


def test_a_mail_is_sent_again_by_its_button(owner: FlaskClient, svc: Services, sandbox: Servers, mailbox: Mailbox):
    booking = refreshing.refresh(svc, confirmed(svc, sandbox).id)
    page = owner.get(room(booking)).text
    assert "Send the mail “Confirmed” again" in page
    assert "Send the mail “Your time is held” again" not in page

    send(owner, room(booking, "/mails"), {"mail": "confirmed"}, page=room(booking))
    again = send(owner, room(booking, "/mails"), {"mail": "confirmed"}, page=room(booking))
    refreshing.refresh(svc, booking.id)

    assert again.status_code == 409
    assert len([one for one in mailbox.messages if one["subject"].startswith("Confirmed") and "ann" in one["to"]]) == 2
    assert "Confirmed (once more) accepted by the mail server" in words(owner.get(room(booking)).text)
    assert audited(svc)[0] == ("mail_again", booking.id, "confirmed")


@pytest.mark.parametrize("mail", ["held", "nonsense", "", "<script>"])
def test_a_mail_that_is_not_true_or_not_there_is_not_sent_again(
    owner: FlaskClient, svc: Services, sandbox: Servers, mail: str
):
    booking = refreshing.refresh(svc, confirmed(svc, sandbox).id)

    assert send(owner, room(booking, "/mails"), {"mail": mail}, page=room(booking)).status_code in (409, 422)


def test_a_letter_is_written_and_kept_in_the_story(owner: FlaskClient, svc: Services, mailbox: Mailbox):
    booking = hold(svc)
    asked = words(owner.get(room(booking, "/letter")).text)

    answer = send(owner, room(booking, "/letter"), {"text": "Please ring twice."})
    refreshing.refresh(svc, booking.id)

    text = words(owner.get(room(booking)).text)
    assert "It goes out as a mail to ann@example.com" in asked
    assert answer.status_code == 303
    assert "Your letter accepted by the mail server" in text
    assert "Please ring twice." in text
    assert audited(svc)[0] == ("letter", booking.id, "")
    assert send(owner, room(booking, "/letter"), {"text": ""}).status_code == 422


# --- another time ---------------------------------------------------------------------------------------------------


def test_the_owner_moves_a_call_to_one_of_the_free_times(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = starting_in(svc, confirmed(svc, sandbox), hours=1)
    there = free_calls(svc)[20].start
    page = owner.get(room(booking, "/move")).text
    assert "your moving takes no right from them" in words(page)

    answer = send(owner, room(booking, "/move"), {"seen": hidden(page, "seen"), "start": there.isoformat()})

    after = svc.bookings.get(booking.id)
    assert answer.status_code == 303
    assert after.slot is not None
    assert after.slot.span.start == there
    assert audited(svc)[0][0] == "moved"


def test_the_owner_moves_a_call_to_a_time_by_the_own_clock(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)
    day = (svc.now() + timedelta(days=4)).date()

    answer = send(owner, room(booking, "/move"), {"seen": "0", "date": f"{day}", "time": "05:35"})
    wrong = send(owner, room(booking, "/move"), {"seen": "1", "date": f"{day}", "time": "05:37"})
    none = send(owner, room(booking, "/move"), {"seen": "1", "date": f"{day}", "time": "soon"})

    after = svc.bookings.get(booking.id)
    assert answer.status_code == 303
    assert after.slot is not None
    here = after.slot.span.start.astimezone(ZoneInfo(svc.settings.owner_timezone))
    assert (here.date(), f"{here:%H:%M}") == (day, "05:35")
    assert (wrong.status_code, none.status_code) == (422, 422)
    assert "on a full five minutes" in words(wrong.text)


def test_other_days_come_as_a_part_of_the_page(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)

    part = owner.get(room(booking, "/move"), headers={"HX-Request": "true"}).text

    assert part.lstrip().startswith('<fieldset id="times"')


def test_what_cannot_be_moved_says_so(owner: FlaskClient, svc: Services):
    assert "no call that could be moved" in words(owner.get(room(hold(svc), "/move")).text)


# --- calling it off -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("money", "amount", "promised", "back"),
    [
        ("all", "", "Refund 75 USDT", ["75"]),
        ("policy", "", "Refund 75 USDT", ["75"]),
        ("part", "20", "Refund 20 USDT", ["20"]),
        ("none", "", "Cancel the call, keep 75 USDT", []),
    ],
)
def test_a_call_is_cancelled_with_all_a_part_or_none_of_the_money_back(
    owner: FlaskClient, svc: Services, sandbox: Servers, money: str, amount: str, promised: str, back: list[str]
):
    booking = confirmed(svc, sandbox, call=60)
    asked = {"money": money, "amount": amount, "reason": "I am ill"}
    seen = send(owner, room(booking, "/call-off/preview"), asked, page=room(booking, "/call-off"))
    assert promised in words(seen.text)
    assert "Nothing has been done yet." in words(seen.text)
    assert svc.bookings.get(booking.id).state is State.CONFIRMED

    action = re.search(r'<form class="row" method="post" action="([^"]+)"', seen.text)
    assert action is not None
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', seen.text))
    answer = owner.post(action[1], data=fields)

    after = svc.bookings.get(booking.id)
    assert answer.status_code == 303
    assert (after.state, [str(one.amount) for one in after.refunds]) == (State.CANCELLED, back)


@pytest.mark.parametrize("wrong", [{"money": "part"}, {"money": "some"}, {"money": "none", "reason": ""}])
def test_half_an_answer_is_asked_again(owner: FlaskClient, svc: Services, sandbox: Servers, wrong: dict[str, str]):
    booking = confirmed(svc, sandbox)

    answer = send(
        owner, room(booking, "/call-off/preview"), {"reason": "ill", **wrong}, page=room(booking, "/call-off")
    )

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text


def test_an_unpaid_booking_is_cancelled_without_a_question_of_money(owner: FlaskClient, svc: Services):
    booking = live(svc)
    page = owner.get(room(booking, "/call-off")).text
    assert "Nobody has paid yet." in words(page)
    assert 'type="radio"' not in page

    send(owner, room(booking, "/call-off"), {"reason": "a mistake", "seen": "0"})
    refreshing.refresh(svc, booking.id)

    assert svc.bookings.get(booking.id).state is State.CANCELLED
    assert "You cancelled it before anything was paid." in words(owner.get(room(booking)).text)
    again = send(owner, room(booking, "/call-off"), {"reason": "a mistake", "seen": "0"}, page="/admin/again")
    assert again.status_code == 409


# --- a word that confirms -------------------------------------------------------------------------------------------


def test_cash_confirms_a_booking_and_the_page_says_so_for_good(owner: FlaskClient, svc: Services):
    booking = live(svc)
    assert "Binance is asked first." in words(owner.get(room(booking, "/by-hand")).text)

    word = {"kind": "outside", "amount": "75", "evidence": "receipt 17", "reason": "paid in cash"}
    answer = send(owner, room(booking, "/by-hand"), word)

    page = words(owner.get(room(booking)).text)
    assert answer.status_code == 303
    for said in (
        "CONFIRMED",
        "confirmed by hand",
        "receipt 17",
        "paid in cash",
        "Received by another way, on your word",
    ):
        assert said in page
    assert audited(svc)[0] == ("by_hand", booking.id, "outside, 75 USDT")
    customers = words(owner.get(f"/booking/{booking.token}").text)
    assert "Confirmed by the owner." in customers


def test_who_cancels_what_was_paid_outside_is_told_that_nothing_goes_back_by_itself(owner: FlaskClient, svc: Services):
    booking = live(svc)
    send(
        owner,
        room(booking, "/by-hand"),
        {"kind": "outside", "amount": "75", "evidence": "receipt 17", "reason": "paid in cash"},
    )

    said = words(owner.get(f"/booking/{booking.token}/cancel").text)
    done = send(owner, room(booking, "/returned-outside"), {"amount": "75"}, page=room(booking))
    more = send(owner, room(booking, "/returned-outside"), {"amount": "75"}, page=room(booking))

    assert "Nothing goes back by itself." in said
    assert (done.status_code, more.status_code) == (303, 409)
    assert "Sent back by the same way 75 USDT" in words(owner.get(room(booking)).text)


def test_where_binance_knows_better_nothing_is_marked(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = live(svc)
    pay(sandbox, booking)

    answer = send(
        owner,
        room(booking, "/by-hand"),
        {"kind": "gift", "evidence": "I say so", "reason": "a friend"},
    )

    assert answer.status_code == 409
    assert "its word counts. Nothing was marked by hand." in words(answer.text)
    assert "confirmed by hand" not in words(owner.get(room(booking)).text)


@pytest.mark.parametrize(
    "wrong", [{"kind": "luck"}, {"evidence": ""}, {"reason": ""}, {"amount": "80"}, {"amount": ""}, {"amount": "x"}]
)
def test_a_word_without_proof_reason_or_a_sound_amount_is_refused(
    owner: FlaskClient, svc: Services, wrong: dict[str, str]
):
    booking = live(svc)
    word = {"kind": "outside", "amount": "75", "evidence": "receipt 17", "reason": "paid in cash", **wrong}

    answer = send(owner, room(booking, "/by-hand"), word)

    assert answer.status_code == 422
    assert svc.bookings.get(booking.id).state is State.PENDING


def test_what_cannot_be_marked_says_why(owner: FlaskClient, svc: Services, sandbox: Servers):
    text = words(owner.get(room(confirmed(svc, sandbox), "/by-hand")).text)

    assert "cannot be marked by hand as it stands now" in text


# --- erasing --------------------------------------------------------------------------------------------------------


def test_personal_data_is_erased_and_the_story_keeps_facts(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = refreshing.refresh(svc, confirmed(svc, sandbox).id)
    owner_actions.note(svc, booking.id, "p1", "She is Bob's sister")
    early = words(owner.get(room(booking)).text)
    booking = starting_in(svc, booking, hours=-3)
    svc.bookings.change(booking.id, lambda b: replace(b, outbox=(), check_at=None))
    asked = words(owner.get(room(booking, "/erase")).text)

    answer = send(owner, room(booking, "/erase"), {})

    page = words(owner.get(room(booking)).text)
    assert "Personal data cannot be erased yet: The booking is not over yet." in early
    assert "mails that were sent are in their readers’ mailboxes" in asked
    assert answer.status_code == 303
    for gone in ("ann@example.com", "Ann Example", "Bob's sister"):
        assert gone in early.replace("’", "'")
        assert gone not in page
    assert "75 USDT paid, and the time is secured" in page
    assert "The personal data was erased." in page
    assert audited(svc)[0] == ("erased", booking.id, "")
    assert "It was erased already." in words(owner.get(room(booking, "/erase")).text)


def test_what_is_not_over_is_not_erased(owner: FlaskClient, svc: Services):
    booking = live(svc)

    answer = send(owner, room(booking, "/erase"), {}, page="/admin/again")

    assert answer.status_code == 409
    assert "The booking is not over yet." in words(answer.text)
    assert svc.bookings.get(booking.id).sealed is not None


# --- buttons --------------------------------------------------------------------------------------------------------


def test_buttons_are_there_only_where_they_are_allowed_now(owner: FlaskClient, svc: Services, sandbox: Servers):
    unpaid = owner.get(room(live(svc))).text
    paid = owner.get(room(confirmed(svc, sandbox, call=4, email="bob@example.com"))).text
    gone = booking_flow.give_up(svc, hold(svc, call=8, email="eve@example.com").token)

    def buttons(page: str) -> set[str]:
        return set(re.findall(r">([^<>]+…)</a>", page))

    writing = {"Write to the customer…", "Begin a conversation…"}
    assert buttons(unpaid) == {*writing, "Confirm by hand…", "Cancel…"}
    assert buttons(paid) == {*writing, "Move the call…", "Refund…", "Cancel…"}
    assert "Cancel…" not in buttons(owner.get(room(gone)).text)


def test_a_booking_is_named_by_customer_call_and_time(owner: FlaskClient, svc: Services):
    booking = live(svc, name="Ann Example")
    assert booking.slot is not None
    when = short(booking.slot.span.start, svc.settings.owner_timezone)

    page = owner.get(f"/admin/bookings/{booking.id}").text

    assert f"<h1>Ann Example · {booking.meeting_type.title} · {when}</h1>" in page
    assert "Ann" not in page.partition("<title>")[2].partition("</title>")[0], "no name in the browser's history"


def test_technical_lines_are_folded_and_nothing_else_is(owner: FlaskClient, svc: Services, sandbox: Servers):
    booking = confirmed(svc, sandbox)

    page = owner.get(f"/admin/bookings/{booking.id}").text
    story = page[page.index('id="story"') : page.index('id="money"')]
    folded = re.findall(r"<details class=\"technical\">(.*?)</details>", story, re.S)
    open_ = re.sub(r"<details.*?</details>", "", story, flags=re.S)

    assert "Binance Pay was asked to make the order" in words(" ".join(folded))
    assert "was asked" not in words(open_)
    assert "Confirmed." in words(open_)
    assert "Confirmed." not in words(" ".join(folded))
