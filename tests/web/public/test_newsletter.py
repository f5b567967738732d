from urllib.parse import urlsplit

from flask import Flask
from flask.testing import FlaskClient

from inspired.domain.site.newsletter import Subscriber
from inspired.flows.site import newsletter
from inspired.services import Services
from tests.conftest import Mailbox
from tests.web.pages import HTMX, send, words


def subscriber(svc: Services, email: str = "reader@example.com") -> Subscriber | None:
    return svc.subscribers.by_email(svc.vault.blind_index("newsletter", email))


def subscribe(client: FlaskClient, email: str = "reader@example.com", **more: object):
    return send(client, "/newsletter", {"email": email}, page="/", **more)


def test_signing_up_stores_a_question_and_no_consent(client: FlaskClient, svc: Services):
    answer = subscribe(client)

    found = subscriber(svc)
    assert answer.status_code == 200
    assert "Please look into your mailbox" in words(answer.text)
    assert found is not None
    assert found.state == "pending"


def test_the_answer_is_the_same_for_a_known_address(client: FlaskClient):
    assert words(subscribe(client).text) == words(subscribe(client).text)


def test_a_wrong_address_comes_back_to_be_mended(client: FlaskClient, svc: Services):
    answer = subscribe(client, '"><script>alert(1)</script>')

    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    assert "Please give a mail address" in words(answer.text)


def test_htmx_gets_the_form_alone(client: FlaskClient):
    for email, status in (("reader@example.com", 200), ("nobody", 422)):
        answer = subscribe(client, email, headers=HTMX)

        assert answer.status_code == status
        assert answer.text.strip().startswith('<form id="newsletter"')


def test_only_the_button_on_the_subscribers_own_page_says_yes_or_no(client: FlaskClient, svc: Services):
    subscribe(client)
    found = subscriber(svc)
    assert found is not None
    page = f"/newsletter/{found.token}"

    client.get(page)
    assert subscriber(svc).state == "pending"
    for button, state in (("confirm", "subscribed"), ("unsubscribe", "unsubscribed"), ("confirm", "subscribed")):
        assert send(client, page, {"button": button}).status_code == 303
        assert subscriber(svc).state == state


def test_a_mail_program_unsubscribes_by_one_click_without_a_cookie(
    app: Flask, client: FlaskClient, svc: Services, mailbox: Mailbox
):
    subscribe(client)
    found = subscriber(svc)
    newsletter.send_opt_in(svc, found.id)
    newsletter.confirm(svc, found.token)
    mail = mailbox.messages[0]
    address = mail["List-Unsubscribe"].strip("<>")

    for kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        newsletter.confirm(svc, found.token)
        answer = app.test_client().post(
            urlsplit(address).path, data={"List-Unsubscribe": "One-Click"}, content_type=kind
        )

        assert answer.status_code == 200, "never a redirect (RFC 8058, 3.2)"
        assert subscriber(svc).state == "unsubscribed"
        assert "Set-Cookie" not in answer.headers
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_anything_else_needs_the_form_of_our_own_page(app: Flask, client: FlaskClient, svc: Services):
    subscribe(client)
    page = f"/newsletter/{subscriber(svc).token}"

    for said in ({"button": "confirm"}, {"button": "unsubscribe"}, {"List-Unsubscribe": "yes"}, {}):
        assert app.test_client().post(page, data=said).status_code == 400
    assert app.test_client().post("/newsletter/nobody", data={"List-Unsubscribe": "One-Click"}).status_code == 404
    assert subscriber(svc).state == "pending"


def test_another_button_is_refused(client: FlaskClient, svc: Services):
    subscribe(client)
    found = subscriber(svc)
    assert found is not None

    assert send(client, f"/newsletter/{found.token}", {"button": "delete"}).status_code == 422


def test_a_wrong_link_is_told(client: FlaskClient):
    answer = client.get("/newsletter/nothing")

    assert answer.status_code == 404
    assert "This link is not valid." in words(answer.text)
