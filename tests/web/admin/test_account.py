"""The door of the admin area: second step, recovery codes, sessions, accounts."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient

from inspired.domain.accounts.people import Person, Role
from inspired.domain.shared.errors import Conflict, Invalid, NotFound
from inspired.flows.accounts import authentication
from inspired.services import Services
from tests.harness import ADMIN_PASSWORD
from tests.web.admin.test_admin import EMAIL, log_in
from tests.web.admin.test_permissions import PASSWORD, a_person, logged_in
from tests.web.pages import hidden, send, words

NEW = "four words in a row"


@pytest.fixture
def env_changes() -> dict[str, str]:
    return {"RATE_LIMIT_LOGIN": "1000/minute"}


def owner(svc: Services) -> Person:
    found = svc.people.by_email(EMAIL)
    assert found is not None
    return found


def with_app(client: FlaskClient, svc: Services) -> tuple[pyotp.TOTP, list[str]]:
    """The owner has set up an authenticator app: it, and the recovery codes."""
    log_in(client)
    shown = send(client, "/admin/account/app", {}, page="/admin/account", follow_redirects=True)
    app = pyotp.TOTP(authentication.pending_secret(svc, owner(svc)))
    assert app.secret in shown.text
    done = send(client, "/admin/account/app/code", {"code": app.now()}, page="/admin/account/app")
    codes = [line.rpartition(">")[2] for line in done.text.splitlines() if line.count("-") >= 3 and "/" not in line]
    codes = [one for one in codes if len(one) == 19]
    assert len(codes) == 10, done.text
    return app, codes


def next_code(app: pyotp.TOTP, steps: int = 1) -> str:
    return app.at(datetime.now(UTC) + timedelta(seconds=30 * steps))


def half_in(client: FlaskClient) -> None:
    answer = log_in(client)
    assert answer.headers["Location"] == "/admin/login/step"
    assert client.get("/admin/").status_code == 303, "the password alone lets nobody in"


def test_with_an_app_the_password_alone_lets_nobody_in(app: Flask, client: FlaskClient, svc: Services):
    totp, _ = with_app(client, svc)
    other = app.test_client()
    half_in(other)

    wrong = send(other, "/admin/login/step", {"code": "000000"})
    right = send(other, "/admin/login/step", {"code": next_code(totp)})

    assert (wrong.status_code, "The code is wrong" in words(wrong.text)) == (403, True)
    assert right.headers["Location"] == "/admin/"
    assert other.get("/admin/").status_code == 200


def test_a_code_that_was_used_is_worth_nothing_again(app: Flask, client: FlaskClient, svc: Services):
    totp, _ = with_app(client, svc)
    code = next_code(totp)
    first, second = app.test_client(), app.test_client()
    half_in(first)
    half_in(second)
    assert send(first, "/admin/login/step", {"code": code}).status_code == 303

    again = send(second, "/admin/login/step", {"code": code})

    assert (again.status_code, "used already" in words(again.text)) == (403, True)


def test_of_many_who_use_one_code_at_once_one_gets_in(client: FlaskClient, svc: Services):
    totp, _ = with_app(client, svc)
    person, code = owner(svc), next_code(totp)

    def use(_: int) -> bool:
        try:
            authentication.use_code(svc, person.id, code)
        except Invalid:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(use, range(8))) == 1


def test_each_recovery_code_lets_in_once_however_it_is_written(app: Flask, client: FlaskClient, svc: Services):
    _, codes = with_app(client, svc)
    first, second = app.test_client(), app.test_client()
    half_in(first)
    assert send(first, "/admin/login/step", {"code": codes[0].replace("-", " ").upper()}).status_code == 303
    half_in(second)

    assert send(second, "/admin/login/step", {"code": codes[0]}).status_code == 403
    assert send(second, "/admin/login/step", {"code": codes[1]}).status_code == 303
    assert len(owner(svc).recovery) == 8


def test_new_recovery_codes_make_the_old_ones_worthless(client: FlaskClient, svc: Services):
    _, codes = with_app(client, svc)

    shown = send(client, "/admin/account/codes", {}, page="/admin/account")

    assert codes[0] not in shown.text
    with pytest.raises(Invalid):
        authentication.use_code(svc, owner(svc).id, codes[0])


def test_the_first_step_holds_for_five_minutes(app: Flask, client: FlaskClient, svc: Services):
    totp, _ = with_app(client, svc)
    other = app.test_client()
    half_in(other)
    assert other.get("/admin/login/step").status_code == 200

    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=6), tick=True):
        late = other.get("/admin/login/step")

    assert late.headers["Location"] == "/admin/login"
    assert client.get("/admin/login/step").headers["Location"] == "/admin/login", "nobody begins here"
    assert totp


def test_a_wrong_code_sets_nothing_up(client: FlaskClient, svc: Services):
    log_in(client)
    send(client, "/admin/account/app", {}, page="/admin/account")

    wrong = send(client, "/admin/account/app/code", {"code": "123"}, page="/admin/account/app")

    assert wrong.status_code == 422
    assert not owner(svc).has_second_step


def test_the_second_step_can_be_switched_off_after_a_fresh_login(client: FlaskClient, svc: Services):
    with_app(client, svc)

    send(client, "/admin/account/no-second-step", {}, page="/admin/account")

    assert (owner(svc).has_second_step, owner(svc).recovery) == (False, ())
    assert client.get("/admin/account/app").headers["Location"] == "/admin/account"
    assert [one.what for one in svc.audit.newest(2)] == ["second step switched off", "authenticator app set up"]


def test_nothing_secret_is_kept_as_it_is(client: FlaskClient, svc: Services, database):
    totp, codes = with_app(client, svc)

    kept = str(list(database["people"].find()))
    assert totp.secret not in kept
    assert not [one for one in codes if one in kept or one.replace("-", "") in kept]


# --- sessions -------------------------------------------------------------------------------------------------------


def test_the_list_says_where_one_is_logged_in_and_ends_each_or_all(app: Flask, client: FlaskClient, svc: Services):
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    for agent in (firefox, "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0) Version/19.0 Safari/604.1"):
        other = app.test_client()
        token = hidden(other.get("/admin/login").text, "csrf_token")
        form = {"csrf_token": token, "email": EMAIL, "password": ADMIN_PASSWORD}
        assert other.post("/admin/login", data=form, headers={"User-Agent": agent}).status_code == 303
    log_in(client)

    page = client.get("/admin/account").text
    phone, linux = (one for one in svc.sessions.of(owner(svc).id)[1:])
    send(client, f"/admin/account/sessions/{phone.id}/end", {}, page="/admin/account")
    left = words(client.get("/admin/account").text)
    send(client, "/admin/account/sessions/end-all", {}, page="/admin/account")

    assert ("Firefox on Linux" in page, "Safari on iPhone" in page) == (True, True)
    assert ("Firefox on Linux" in left, "Safari on iPhone" in left) == (True, False)
    assert linux.browser == "Firefox on Linux"
    assert (svc.sessions.of(owner(svc).id), client.get("/admin/").status_code) == ([], 303)


def test_nobody_ends_the_session_of_another(app: Flask, client: FlaskClient, svc: Services):
    log_in(client)
    (session,) = svc.sessions.of(owner(svc).id)
    reader = logged_in(app, svc, Role.READER)

    send(reader, f"/admin/account/sessions/{session.id}/end", {}, page="/admin/account")

    assert client.get("/admin/").status_code == 200


def test_a_new_password_is_asked_for_the_old_one_and_ends_other_sessions(
    app: Flask, client: FlaskClient, svc: Services
):
    other = app.test_client()
    log_in(client)
    log_in(other)
    wrong = send(client, "/admin/account/password", {"now": "guess", "password": NEW}, page="/admin/account")
    short = send(client, "/admin/account/password", {"now": ADMIN_PASSWORD, "password": "short"}, page="/admin/account")

    done = send(client, "/admin/account/password", {"now": ADMIN_PASSWORD, "password": NEW}, page="/admin/account")

    assert (wrong.status_code, short.status_code, done.status_code) == (422, 422, 303)
    assert client.get("/admin/").status_code == 200
    assert other.get("/admin/").status_code == 303
    assert log_in(other).status_code == 403, "the password of the settings does not count any more"
    assert log_in(other, password=NEW).status_code == 303


# --- guessing -------------------------------------------------------------------------------------------------------


def test_who_guesses_from_anywhere_is_stopped_and_the_owners_browser_is_not(app: Flask, client: FlaskClient):
    log_in(client)
    send(client, "/admin/logout", {}, page="/admin/account")
    stranger = app.test_client()
    codes = [log_in(stranger, password="guess").status_code for _ in range(12)]

    right_from_elsewhere = log_in(app.test_client()).status_code
    right_from_the_known_browser = log_in(client).status_code

    assert codes == [403] * 9 + [429] * 3
    assert (right_from_elsewhere, right_from_the_known_browser) == (429, 303)


def test_codes_cannot_be_guessed_by_trying(app: Flask, client: FlaskClient, svc: Services):
    totp, _ = with_app(client, svc)
    other = app.test_client()
    half_in(other)

    answers = [send(other, "/admin/login/step", {"code": f"{number:06d}"}) for number in range(10)]

    # The tenth ends what the password had begun; and whoever begins anew is not let try for a while.
    assert [one.status_code for one in answers] == [403] * 10
    assert "You are logged out" in words(answers[-1].text)
    assert other.get("/admin/login/step").headers["Location"] == "/admin/login"
    assert svc.audit.newest(1)[0].what == "guessed_out"
    half_in(other)
    assert send(other, "/admin/login/step", {"code": next_code(totp)}).status_code == 429


def test_what_is_refused_at_every_door_is_counted_for_the_owner(app: Flask, client: FlaskClient, svc: Services):
    """By network address and account, neither of which can be read there."""
    with_app(client, svc)
    send(client, "/admin/again", {"password": "guess"})
    other = app.test_client()
    half_in(other)
    send(other, "/admin/login/step", {"code": "000000"})
    page = {"environ_base": {"REMOTE_ADDR": "198.51.100.9"}}
    for _ in range(11):
        send(app.test_client(), "/admin/login", {"email": "some@example.com", "password": "guess"}, **page)

    found = svc.refused_logins.since(svc.now() - timedelta(hours=1), 100)

    assert len(found) == 13, "also the eleventh, whose password was not looked at any more"
    assert (len({one.account for one in found}), len({one.address for one in found})) == (2, 2)
    assert "example.com" not in str(found)
    assert "198.51.100" not in str(found)


def test_recovery_codes_cannot_be_guessed_by_trying_either(app: Flask, client: FlaskClient, svc: Services):
    _, codes = with_app(client, svc)
    other = app.test_client()
    half_in(other)

    answers = [send(other, "/admin/login/step", {"code": f"abcd-efgh-jkmn-{n:04d}"}) for n in range(2222, 2232)]
    half_in(other)

    assert "You are logged out" in words(answers[-1].text)
    assert send(other, "/admin/login/step", {"code": codes[0]}).status_code == 429
    assert len(owner(svc).recovery) == 10


def test_a_cookie_that_is_used_again_and_again_gets_no_more_guesses(app: Flask, client: FlaskClient, svc: Services):
    """What was begun by the password lies in the browser: whoever keeps a copy of it begins where they were."""
    with_app(client, svc)
    other = app.test_client()
    half_in(other)
    token, copy = hidden(other.get("/admin/login/step").text, "csrf_token"), other.get_cookie("session", path="/")
    assert copy is not None

    def guess(number: int) -> int:
        again = app.test_client()
        again.set_cookie("session", copy.value, path="/")
        form = {"csrf_token": token, "code": f"{number:06d}"}
        return int(again.post("/admin/login/step", data=form).status_code)

    assert [guess(number) for number in range(12)] == [403] * 10 + [429] * 2


WAYS_TO_GUESS = {
    "again": ("/admin/again", "/admin/again", {"password": "guess"}),
    "new password": ("/admin/account/password", "/admin/account", {"now": "guess", "password": NEW}),
    "app": ("/admin/account/app/code", "/admin/account/app", {"code": "000"}),
}


@pytest.mark.parametrize("way", WAYS_TO_GUESS)
def test_the_tenth_wrong_guess_ends_the_session(client: FlaskClient, svc: Services, way: str):
    address, page, form = WAYS_TO_GUESS[way]
    log_in(client)
    send(client, "/admin/account/app", {}, page="/admin/account")

    answers = [send(client, address, form, page=page) for _ in range(10)]

    assert {one.status_code for one in answers[:9]} <= {403, 422}
    assert answers[-1].status_code == 403
    assert "That was wrong 10 times. You are logged out" in words(answers[-1].text)
    assert client.get("/admin/").headers["Location"].startswith("/admin/login")
    assert svc.sessions.of(owner(svc).id) == []
    assert (svc.audit.newest(1)[0].who, svc.audit.newest(1)[0].what) == (owner(svc).id, "guessed_out")
    assert log_in(client).status_code == 303, "whoever knows the password is let in again"


def test_guesses_of_every_kind_count_together_and_a_right_password_begins_anew(client: FlaskClient, svc: Services):
    log_in(client)
    send(client, "/admin/account/app", {}, page="/admin/account")
    for address, page, form in 2 * list(WAYS_TO_GUESS.values()) + [WAYS_TO_GUESS["again"]] * 3:
        send(client, address, form, page=page)
    assert send(client, "/admin/again", {"password": ADMIN_PASSWORD}).status_code == 303

    answers = [send(client, "/admin/again", {"password": "guess"}) for _ in range(9)]

    assert {one.status_code for one in answers} == {403}
    assert client.get("/admin/").status_code == 200
    assert send(client, "/admin/again", {"password": "guess"}).status_code == 403
    assert client.get("/admin/").status_code == 303


def test_whoever_sets_up_apps_again_and_again_gets_no_more_guesses_of_the_password(client: FlaskClient, svc: Services):
    log_in(client)
    for _ in range(9):
        send(client, "/admin/again", {"password": "guess"})
    send(client, "/admin/account/app", {}, page="/admin/account")
    right = pyotp.TOTP(authentication.pending_secret(svc, owner(svc))).now()

    done = send(client, "/admin/account/app/code", {"code": right}, page="/admin/account/app")

    assert "You are logged out" not in words(done.text)
    assert "You are logged out" in words(send(client, "/admin/again", {"password": "guess"}).text)


def test_many_guesses_at_once_are_no_more_than_ten(app: Flask, client: FlaskClient, svc: Services):
    log_in(client)
    token, cookie = hidden(client.get("/admin/again").text, "csrf_token"), client.get_cookie("session", path="/")
    assert cookie is not None

    def guess(password: str) -> int:
        browser = app.test_client()
        browser.set_cookie("session", cookie.value, path="/")
        return int(browser.post("/admin/again", data={"csrf_token": token, "password": password}).status_code)

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(guess, ["guess"] * 24))

    assert codes.count(403) <= 10 + 8, "those under way when the session ended"
    assert svc.sessions.of(owner(svc).id) == []
    assert guess(ADMIN_PASSWORD) == 303
    assert client.get("/admin/").headers["Location"].startswith("/admin/login")


def test_a_code_for_an_app_that_was_never_begun_is_refused_in_words(client: FlaskClient, svc: Services):
    log_in(client)

    answer = send(client, "/admin/account/app/code", {"code": "123456"}, page="/admin/account")

    assert answer.status_code == 422
    assert "No app is being set up." in words(answer.text)
    assert not owner(svc).has_second_step


def test_the_form_that_set_an_app_up_can_be_sent_twice(client: FlaskClient, svc: Services):
    log_in(client)
    send(client, "/admin/account/app", {}, page="/admin/account")
    form = {"code": pyotp.TOTP(authentication.pending_secret(svc, owner(svc))).now()}
    send(client, "/admin/account/app/code", form, page="/admin/account/app")

    twice = send(client, "/admin/account/app/code", form, page="/admin/account")

    assert (twice.status_code, owner(svc).has_second_step) == (422, True)


@pytest.mark.parametrize(
    "written",
    [
        "{} {}", "{}\u00a0{}", "{}\u2009{}", "{}\u202f{}", "{}\t{}", "\ufeff{}{}", "{}\u200b{}", "{}{}\r\n", "{}-{}",
        "\u2066{}{}\u2069", "{}\u3000{}",
    ],
)  # fmt: skip
def test_a_code_is_taken_as_apps_and_password_managers_paste_it(
    app: Flask, client: FlaskClient, svc: Services, written
):
    totp, _ = with_app(client, svc)
    other = app.test_client()
    half_in(other)
    code = next_code(totp)

    assert send(other, "/admin/login/step", {"code": written.format(code[:3], code[3:])}).status_code == 303


def test_a_code_in_digits_of_full_width_is_taken_and_one_of_too_many_is_not(client: FlaskClient, svc: Services):
    totp, _ = with_app(client, svc)
    code = next_code(totp)
    for wrong in (f"{code}0", code[:5], f"{code[:3]}x{code[3:]}", "", " "):
        with pytest.raises(Invalid):
            authentication.use_code(svc, owner(svc).id, wrong)

    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in code)

    assert authentication.use_code(svc, owner(svc).id, wide).id == owner(svc).id


# --- accounts -------------------------------------------------------------------------------------------------------


def test_the_owner_makes_an_account_whose_link_works_once(app: Flask, client: FlaskClient, svc: Services):
    log_in(client)
    made = send(client, "/admin/people", {"email": "Helper@Example.com", "role": "helper"})
    link = next(part for part in made.text.split() if "/admin/welcome/" in part).split(">")[1].split("<")[0]
    address = "/admin" + link.rpartition("/admin")[2]
    helper = app.test_client()
    short = send(helper, address, {"password": "short"})

    done = send(helper, address, {"password": PASSWORD})

    assert short.status_code == 422
    assert done.headers["Location"] == "/admin/"
    assert helper.get("/admin/").status_code == 200
    assert helper.get("/admin/people").status_code == 403
    assert app.test_client().get(address).status_code == 404
    assert log_in(app.test_client(), email="helper@example.com", password=PASSWORD).status_code == 303
    set_by, made = svc.audit.newest(2)
    assert (set_by.what, made.what, made.detail) == ("password set by invitation", "account made", "role: helper")
    assert set_by.about == made.about


@pytest.mark.parametrize("form", [{"email": "nobody", "role": "helper"}, {"email": "a@example.com", "role": "king"}])
def test_an_account_that_cannot_be_is_refused_and_nothing_is_lost(client: FlaskClient, form: dict[str, str]):
    log_in(client)

    answer = send(client, "/admin/people", form)

    assert answer.status_code == 422
    assert f'value="{form["email"]}"' in answer.text


def test_an_invitation_lapses_after_a_day_and_a_new_one_can_be_made(app: Flask, svc: Services, client: FlaskClient):
    link = authentication.invite(svc, "late@example.com", Role.READER)
    token = link.rpartition("/")[2]
    person = svc.people.by_email("late@example.com")
    assert person is not None
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=25), tick=True), pytest.raises(NotFound):
        authentication.accept(svc, token, PASSWORD)
    assert log_in(app.test_client(), email="late@example.com", password="").status_code == 403

    again = authentication.invite_again(svc, person.id).rpartition("/")[2]

    with pytest.raises(NotFound):
        authentication.invited(svc, token)
    assert authentication.accept(svc, again, PASSWORD).id == person.id


def test_two_accounts_of_one_address_cannot_be(svc: Services):
    authentication.invite(svc, "one@example.com", Role.READER)

    with pytest.raises(Conflict):
        authentication.invite(svc, "ONE@example.com ", Role.OWNER)


CHANGES = {
    "off": "switched off",
    "on": "switched on",
    "reader": "role: from “helper” to “reader”",
    "link": "a new link to choose the password",
    "no-second-step": "second step switched off",
}


@pytest.mark.parametrize("wanted", CHANGES)
def test_the_owner_changes_an_account(app: Flask, client: FlaskClient, svc: Services, wanted: str):
    log_in(client)
    person = a_person(svc, Role.HELPER)
    before = app.test_client()
    log_in(before, email=person.email, password=PASSWORD)

    answer = send(client, f"/admin/people/{person.id}", {"do": wanted}, page="/admin/people")

    after = svc.people.get(person.id)
    assert answer.status_code in (200, 303)
    assert after.disabled is (wanted == "off")
    assert after.role is (Role.READER if wanted == "reader" else Role.HELPER)
    assert ("/admin/welcome/" in answer.text) is (wanted == "link")
    assert before.get("/admin/").status_code == (303 if wanted in ("off", "on") else 200)
    assert (svc.audit.newest(1)[0].about, svc.audit.newest(1)[0].detail) == (person.id, CHANGES[wanted])


def test_somebody_is_always_the_owner(client: FlaskClient, svc: Services):
    log_in(client)
    me = owner(svc)

    with pytest.raises(Conflict):
        authentication.change_person(svc, me.id, lambda one: one.__class__(**{**_fields(one), "role": Role.READER}))
    answer = send(client, f"/admin/people/{me.id}", {"do": "off"}, page="/admin/people")

    assert (answer.status_code, owner(svc).role, owner(svc).disabled) == (409, Role.OWNER, False)


def test_two_owners_who_take_each_others_role_at_the_same_moment_do_not_both_succeed(
    client: FlaskClient, svc: Services, monkeypatch: pytest.MonkeyPatch
):
    log_in(client)
    me = owner(svc)
    authentication.invite(svc, "two@example.com", Role.OWNER)
    other = svc.people.by_email("two@example.com")
    assert other is not None
    looked, seen = svc.people.all, []

    def all_and_then_the_other_acts() -> list[Person]:
        found = looked()
        if not seen:
            seen.append(True)
            svc.people.change(me.id, lambda one: replace(one, role=Role.READER))
        return found

    monkeypatch.setattr(svc.people, "all", all_and_then_the_other_acts)
    with pytest.raises(Conflict):
        authentication.change_person(svc, other.id, lambda one: replace(one, role=Role.READER))

    assert [svc.people.get(one.id).role for one in (me, other)] == [Role.READER, Role.OWNER]


def _fields(person: Person) -> dict[str, object]:
    return {name: getattr(person, name) for name in person.__dataclass_fields__}
