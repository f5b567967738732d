"""The owner's pages about where money goes: no secret is repeated, nothing counts or is on too early."""

import logging
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from inspired.adapters.mongo.receiving import NodeAddress, Receiving
from inspired.domain.accounts.people import FRESH, Role
from inspired.domain.booking.rails import RailId
from inspired.domain.shared.money import Money
from inspired.domain.shared.networks import Kind, Network
from inspired.flows.booking import payment, screening
from inspired.flows.site import receiving
from inspired.services import Services
from tests.adapters.crypto.test_account_keys import ADDRESSES_EVM, ADDRESSES_TRON, WORDS, XPUB_TRON
from tests.conftest import Mailbox
from tests.flows.steps import confirmed
from tests.harness import Servers
from tests.web.admin.test_account import with_app
from tests.web.admin.test_permissions import logged_in
from tests.web.pages import hidden, send, words

PAGE = "/admin/receiving"
SOURCE = f"{PAGE}/source/TRON"
NODES = f"{PAGE}/nodes/TRC20"
COMPARE = f"{PAGE}/compare/TRC20"
AGAIN = f"{PAGE}/again/TRON"
PRIVATE_KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"


@pytest.fixture
def env_changes() -> dict[str, str]:
    return {"RATE_LIMIT_LOGIN": "1000/minute"}


def url(sandbox: Servers, network: Network = Network.TRC20) -> str:
    return f"{sandbox.sandbox}/chains/{network}/jsonrpc"


def is_offered(svc: Services) -> bool:
    svc.receiving.read_again()
    return RailId.TRC20 in payment.offered(svc)


def found_all(owner: FlaskClient) -> Any:
    return send(owner, COMPARE, {"source": hidden(owner.get(COMPARE).text, "source"), "found": "yes"})


# --- setting it up --------------------------------------------------------------------------------------------------


def test_a_network_is_set_up_in_three_steps_and_offered_only_after_the_last(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    offered = []
    steps = (
        lambda: send(owner, SOURCE, {"text": XPUB_TRON}),
        lambda: send(owner, NODES, {"url1": url(sandbox)}),
        lambda: found_all(owner),
    )
    for step in steps:
        offered.append(is_offered(svc))
        assert step().status_code == 303
    offered.append(is_offered(svc))

    page = words(owner.get(PAGE).text)
    assert offered == [False, False, False, True]
    assert "TRON on" in page
    assert "There is one only, so its word is trusted." in page
    assert page.count("not set up") == 2


def test_the_first_five_addresses_are_shown_as_the_wallet_shows_them(owner: FlaskClient):
    send(owner, SOURCE, {"text": XPUB_TRON})

    page = re.sub(r"</?span>", "", owner.get(COMPARE).text)

    listed = page[page.index("<ol>") : page.index("</ol>")]
    assert re.findall(r"T[1-9A-HJ-NP-Za-km-z]{33}", listed) == ADDRESSES_TRON[:5]
    assert XPUB_TRON not in page


def test_without_the_word_that_they_were_found_nothing_is_switched_on(owner: FlaskClient, svc: Services):
    send(owner, SOURCE, {"text": XPUB_TRON})

    answer = send(owner, COMPARE, {"source": hidden(owner.get(COMPARE).text, "source")})

    assert (answer.status_code, svc.receiving.is_on(Network.TRC20, svc.now())) == (422, False)


def test_switched_off_it_is_not_offered_and_addresses_given_out_are_still_asked_about(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    receiving.receive_at_once(svc, Kind.TRON, XPUB_TRON, {Network.TRC20: NodeAddress(url(sandbox))})
    was_offered = is_offered(svc)

    answer = send(owner, f"{PAGE}/off/TRC20", {}, page=PAGE)

    assert (answer.status_code, was_offered, is_offered(svc)) == (303, True, False)
    assert svc.chains[Network.TRC20].can_ask()


# --- changes --------------------------------------------------------------------------------------------------------


def test_after_the_first_sale_a_change_is_shown_with_its_time_and_can_be_withdrawn(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    receiving.receive_at_once(svc, Kind.TRON, XPUB_TRON, {Network.TRC20: NodeAddress(url(sandbox))})
    confirmed(svc, sandbox)

    answer = send(owner, SOURCE, {"text": ADDRESSES_TRON[4]})
    page = owner.get(PAGE).text
    still = svc.receiving.source(Kind.TRON, svc.now())
    fields = {name: hidden(page, name) for name in ("part", "of", "entry")}
    withdrawn = send(owner, f"{PAGE}/withdraw", fields, page=PAGE)

    assert (answer.status_code, withdrawn.status_code) == (303, 303)
    assert "What waits to count" in page
    assert still is not None
    assert still.text == XPUB_TRON
    later = svc.receiving.source(Kind.TRON, svc.now() + timedelta(hours=25))
    assert later is not None
    assert later.text == XPUB_TRON
    assert "What waits to count" not in owner.get(PAGE).text


def test_a_change_that_waits_can_be_compared_beforehand(owner: FlaskClient, svc: Services, sandbox: Servers):
    receiving.receive_at_once(svc, Kind.TRON, XPUB_TRON, {Network.TRC20: NodeAddress(url(sandbox))})
    confirmed(svc, sandbox)
    send(owner, SOURCE, {"text": "\n".join(ADDRESSES_TRON[2:4])})

    assert found_all(owner).status_code == 303

    now = svc.now()
    assert [svc.receiving.is_on(Network.TRC20, at) for at in (now, now + timedelta(hours=25))] == [True, True]
    assert "compared already" in owner.get(PAGE).text


def test_wallets_are_named_and_after_the_first_sale_they_wait_and_can_be_withdrawn(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    wallets, mine, other = f"{PAGE}/wallets/TRON", ADDRESSES_TRON[0], ADDRESSES_TRON[1]
    at_once = send(owner, wallets, {"addresses": mine})
    confirmed(svc, sandbox)

    wrong = send(owner, wallets, {"addresses": f"{other}\n{'f' * 64}"})
    later_on = send(owner, wallets, {"addresses": f"{other}\n{mine}"})
    page, form = owner.get(PAGE).text, owner.get(wallets).text
    kept = receiving.wallets_shown(svc, Kind.TRON)
    fields = {name: hidden(page, name) for name in ("part", "of", "entry")}
    withdrawn = send(owner, f"{PAGE}/withdraw", fields, page=PAGE)

    assert (at_once.status_code, later_on.status_code, withdrawn.status_code, wrong.status_code) == (303, 303, 303, 422)
    assert "f" * 64 not in wrong.text
    assert other in wrong.text
    assert kept == (mine,)
    assert mine in form
    assert "Refund wallets for TRON" in page
    assert [receiving.wallets_shown(svc, kind) for kind in Kind] == [(), (mine,)]
    assert receiving.waiting(svc) == []
    assert svc.audit.newest(2)[1].what == "refund_wallets_named"
    assert owner.get(f"{PAGE}/wallets/SOL").status_code == 404


@pytest.mark.parametrize("fields", [{}, {"part": "source", "of": "TRC20", "entry": "x"}, {"part": "x", "of": "EVM"}])
def test_what_is_not_there_cannot_be_withdrawn(owner: FlaskClient, fields: dict[str, str]):
    assert send(owner, f"{PAGE}/withdraw", fields, page="/admin/again").status_code == 404


@pytest.mark.parametrize("role", [Role.HELPER, Role.READER])
def test_only_an_owner_may_see_or_set_it(app: Flask, svc: Services, role: Role):
    client = logged_in(app, svc, role)

    assert client.get(PAGE).status_code == 403
    assert client.get(SOURCE).status_code == 403
    assert send(client, SOURCE, {"text": XPUB_TRON}, page="/admin/again").status_code == 403
    assert svc.receiving.source(Kind.TRON, svc.now()) is None


def test_with_an_old_login_nothing_is_set(owner: FlaskClient, svc: Services):
    token = hidden(owner.get("/admin/again").text, "csrf_token")
    person = svc.people.by_email("owner@example.com")
    assert person is not None
    (session,) = svc.sessions.of(person.id)
    svc.sessions.freshened(session.id, svc.now() - FRESH)

    for path in (SOURCE, NODES, COMPARE, AGAIN, f"{PAGE}/off/TRC20", f"{PAGE}/withdraw"):
        answer = owner.post(path, data={"csrf_token": token, "text": XPUB_TRON})
        assert answer.headers["Location"].startswith("/admin/again"), path
    assert svc.receiving.source(Kind.TRON, svc.now()) is None


def test_who_has_a_second_step_proves_it_once_more_unless_the_login_was_a_moment_ago(
    client: FlaskClient, svc: Services
):
    _, codes = with_app(client, svc)
    person = svc.people.by_email("owner@example.com")
    assert person is not None
    at_once = send(client, SOURCE, {"text": ADDRESSES_TRON[0]})
    (session,) = svc.sessions.of(person.id)
    svc.sessions.end(session.id)
    svc.sessions.add(replace(session, since=svc.now() - FRESH))

    without = send(client, SOURCE, {"text": ADDRESSES_TRON[1]})
    wrong = send(client, SOURCE, {"text": ADDRESSES_TRON[1], "code": "000000"})
    right = send(client, SOURCE, {"text": ADDRESSES_TRON[1], "code": codes[0]})

    assert [one.status_code for one in (at_once, without, wrong, right)] == [303, 422, 422, 303]
    assert "Please give the code of your second step" in without.text


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [WORDS, PRIVATE_KEY, f"{ADDRESSES_TRON[0]}\n{PRIVATE_KEY}", f"xprv{'9s' * 53}z"])
def test_a_secret_is_refused_and_stands_neither_in_the_answer_nor_in_the_log_nor_in_the_database(
    owner: FlaskClient,
    svc: Services,
    secret: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    database: Any,
):
    with caplog.at_level(logging.DEBUG):
        answer = send(owner, SOURCE, {"text": secret})

    written = "".join((answer.text, caplog.text, *capfd.readouterr()))
    stored = "".join(repr(list(database[name].find())) for name in database.list_collection_names())
    assert answer.status_code == 422
    assert "move the money to a new wallet" in words(answer.text)
    for line in secret.splitlines():
        if line != ADDRESSES_TRON[0]:
            assert line not in written
            assert line not in stored


def test_not_even_a_fault_of_ours_repeats_what_was_pasted(
    app: Flask,
    owner: FlaskClient,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
):
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("of ours")

    app.config["PROPAGATE_EXCEPTIONS"] = app.testing = False
    monkeypatch.setattr(Receiving, "set_source", fails)

    answer = send(owner, SOURCE, {"text": XPUB_TRON})

    written = "".join((answer.text, caplog.text, *capfd.readouterr()))
    assert answer.status_code == 500
    assert "of ours" in written
    assert XPUB_TRON not in written


def test_a_list_with_a_wrong_line_comes_back_with_its_addresses_and_without_all_else(owner: FlaskClient, svc: Services):
    answer = send(owner, SOURCE, {"text": f"{ADDRESSES_TRON[0]}\nmy savings account\n{ADDRESSES_TRON[1]}"})

    assert answer.status_code == 422
    assert "Line 2:" in words(answer.text)
    assert ADDRESSES_TRON[0] in answer.text
    assert "my savings account" not in answer.text
    assert svc.receiving.source(Kind.TRON, svc.now()) is None


def test_addresses_of_another_kind_are_refused(owner: FlaskClient):
    answer = send(owner, SOURCE, {"text": ADDRESSES_EVM[0]})

    assert (answer.status_code, "Ethereum or BNB Chain" in words(answer.text)) == (422, True)


# --- nodes ----------------------------------------------------------------------------------------------------------


def test_a_header_is_stored_and_never_shown_and_stays_as_long_as_the_address_does(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    send(owner, NODES, {"url1": url(sandbox), "header1": "X-Api-Key: secret-of-mine"})
    page = owner.get(NODES).text
    send(owner, NODES, {"url1": url(sandbox), "url2": url(sandbox).replace("127.0.0.1", "localhost")})
    kept = svc.receiving.nodes(Network.TRC20, svc.now())
    send(owner, NODES, {"url1": f"{url(sandbox)}?other"})
    moved = svc.receiving.nodes(Network.TRC20, svc.now())

    assert "secret-of-mine" not in page + owner.get(NODES).text + owner.get(PAGE).text
    assert [node.header for node in kept] == ["X-Api-Key: secret-of-mine", ""]
    assert [node.header for node in moved] == [""]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "address of a node"),
        ({"url1": "ftp://node.example"}, "https address"),
        ({"url1": "http://user:word@node.example"}, "https address"),
        ({"url1": "http://[::1"}, "https address"),
        ({"url1": "http://127.0.0.1:1/", "header1": "no colon"}, "A header is one line"),
        ({"url1": "http://127.0.0.1:1/", "header1": "Host: other"}, "A header is one line"),
        ({"url1": "http://127.0.0.1:1/secret"}, "Node 1 cannot be used"),
    ],
)
def test_a_node_that_cannot_be_asked_is_refused(owner: FlaskClient, svc: Services, fields: dict[str, str], says: str):
    answer = send(owner, NODES, fields)

    assert answer.status_code == 422
    assert says in words(answer.text)
    assert svc.receiving.nodes(Network.TRC20, svc.now()) == ()


@pytest.mark.parametrize("path", ["source/BTC", "nodes/BTC", "compare/BTC"])
def test_a_network_that_does_not_exist_has_no_page(owner: FlaskClient, path: str):
    assert owner.get(f"{PAGE}/{path}").status_code == 404


# --- trouble --------------------------------------------------------------------------------------------------------


def test_what_was_altered_is_told_and_the_page_still_works(owner: FlaskClient, svc: Services, database: Any):
    send(owner, SOURCE, {"text": XPUB_TRON})
    database["receiving"].update_one({"_id": "source:TRON"}, {"$set": {"value": b"x" * 40}})
    svc.receiving.read_again()

    page, refused = owner.get(PAGE), send(owner, SOURCE, {"text": ADDRESSES_TRON[0]})

    assert (page.status_code, refused.status_code) == (200, 409)
    assert "What is stored cannot be used" in page.text
    assert owner.get(COMPARE).status_code == 200


def test_the_address_that_was_given_out_last_and_what_was_not_checked_are_shown(
    owner: FlaskClient, svc: Services, sandbox: Servers
):
    receiving.receive_at_once(svc, Kind.TRON, XPUB_TRON, {Network.TRC20: NodeAddress(url(sandbox))})
    send(owner, f"{PAGE}/source/EVM", {"text": "\n".join(ADDRESSES_EVM[:3])})
    before = owner.get(PAGE).text
    svc.chains[Network.TRC20].create(
        trade_no="t" * 27,
        price=Money.parse("75"),
        title="",
        reference="",
        expires_at=svc.now(),
        page_url="",
        seconds=5.0,
    )

    after = re.sub(r"</?span>", "", owner.get(PAGE).text)

    assert "Given out last" not in before
    assert ADDRESSES_TRON[0] in after
    assert words(before).count("No node could be asked about 3 of them, whether a contract lives there.") == 2


# --- giving addresses out again -------------------------------------------------------------------------------------


def test_addresses_are_given_out_again_only_once_the_owner_says_so_and_at_once(owner: FlaskClient, svc: Services):
    before = words(owner.get(PAGE).text)

    answer = send(owner, AGAIN, {"again": hidden(owner.get(AGAIN).text, "again")})

    svc.receiving.read_again()
    assert answer.status_code == 303
    assert svc.receiving.gives_again(Kind.TRON, svc.now())
    assert not svc.receiving.gives_again(Kind.EVM, svc.now())
    assert before.count("never given out again") == 2
    assert "TRON given out again after their rest" in words(owner.get(PAGE).text)
    assert "receiving_again_on" in [entry.what for entry in svc.audit.newest(3)]
    [notice] = [one for one in svc.receiving.untold() if one.part == "reuse"]
    assert (notice.of, notice.event) == (Kind.TRON, "on")


def test_it_is_switched_off_again_in_the_same_way(owner: FlaskClient, svc: Services):
    for _ in range(2):
        send(owner, AGAIN, {"again": hidden(owner.get(AGAIN).text, "again")})

    svc.receiving.read_again()
    assert not svc.receiving.gives_again(Kind.TRON, svc.now())
    assert send(owner, AGAIN, {"again": "no"}).status_code == 409


def test_giving_out_again_is_told_to_every_owner_by_mail(owner: FlaskClient, svc: Services, mailbox: Mailbox):
    send(owner, AGAIN, {"again": "yes"})

    receiving.tell_owed(svc)

    assert any("given out again" in one for one in mailbox.subjects_to("owner@example.com"))


def test_an_unknown_kind_of_network_has_no_such_page(owner: FlaskClient):
    assert owner.get(f"{PAGE}/again/BTC").status_code == 404


class TestWithAScreeningList:
    @pytest.fixture
    def env_changes(self) -> dict[str, str]:
        return {"RATE_LIMIT_LOGIN": "1000/minute", "SCREENING_LIST": "/nowhere/list.txt"}

    def test_the_page_says_what_is_in_force_and_why_it_could_not_be_read(self, owner: FlaskClient, svc: Services):
        before = words(owner.get(PAGE).text)
        svc.screening.replace(["0x" + "a" * 40], svc.now(), timedelta(days=1))
        screening.read(svc)

        after = words(owner.get(PAGE).text)

        assert "Screening list Not read yet." in before
        assert "1 address, read" in after
        assert "The last try failed: FileNotFoundError." in after


def test_without_a_screening_list_the_page_names_none(owner: FlaskClient):
    assert "Screening list" not in owner.get(PAGE).text
