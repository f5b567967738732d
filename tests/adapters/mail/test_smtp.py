"""Mail over a real SMTP server: what is in it, what cannot get into it, and what a refusal means."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from inspired.adapters.mail.ics import PUBLISHED, Invitation, Method, calendar_file, invitation_for
from inspired.adapters.mail.mail_templates import FOLDER, Letters
from inspired.adapters.mail.smtp import Mail, Smtp
from inspired.domain.booking.outbox import Email
from inspired.domain.shared.errors import UpstreamError
from tests.adapters.listeners import failure_of, listening
from tests.factories import CALL, NOW
from tests.harness import free_port

SENDER = "Inspired Analyst <calls@example.com>"
ICS = calendar_file(
    PUBLISHED, uid="b1@x", span=CALL, title="Review – a call", place="https://meet.example/r", description="d",
    sequence=0, made_at=NOW,
)  # fmt: skip


class Server:
    """`refuse` maps a step (MAIL, RCPT, DATA) to the line it is answered with."""

    def __init__(self) -> None:
        self.messages = []
        self.envelopes = []
        self.refuse = {}

    async def handle_MAIL(self, server, session, envelope, address, options):
        envelope.mail_from = address
        return self.refuse.get("MAIL", "250 OK")

    async def handle_RCPT(self, server, session, envelope, address, options):
        envelope.rcpt_tos.append(address)
        return self.refuse.get("RCPT", "250 OK")

    async def handle_DATA(self, server, session, envelope):
        if "DATA" in self.refuse:
            return self.refuse["DATA"]
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        return "250 OK"


def started(handler, **options):
    controller = Controller(handler, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    return controller


@pytest.fixture
def server():
    handler = Server()
    controller = started(handler)
    handler.port = controller.port
    yield handler
    controller.stop()


def smtp(port: int, **changes) -> Smtp:
    given = {"host": "127.0.0.1", "tls": "none", "username": "", "password": "", "sender": SENDER}
    return Smtp(port=port, **{**given, **changes})


def text_of(part) -> str:
    """Lines of a mail end in CRLF on the way."""
    return part.get_content().replace("\r\n", "\n")


def a_mail(**changes) -> Mail:
    given = {
        "id": "abc123",
        "to": "ada@example.com",
        "subject": "Your call is confirmed – 75 USDT",
        "text": "Tuesday, 14:00\n.\nhttps://x.example/booking/t\n",
        "html": "<p>Tuesday, 14:00 – ☕</p>",
    }
    return Mail(**{**given, **changes})


# --- what is in it --------------------------------------------------------------------------------------------------


def test_a_mail_has_text_and_html_that_say_the_same(server):
    smtp(server.port).send(a_mail())

    [message] = server.messages
    assert message["From"] == SENDER
    assert message["To"] == "ada@example.com"
    assert message["Subject"] == "Your call is confirmed – 75 USDT"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime - datetime.now(UTC) < timedelta(minutes=1)
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert text_of(text) == a_mail().text
    assert text_of(html).strip() == a_mail().html
    assert server.envelopes == [("calls@example.com", ["ada@example.com"])]


def test_a_confirmation_carries_the_call_for_the_customers_calendar(server):
    smtp(server.port).send(a_mail(calendar=ICS))

    [message] = server.messages
    [file] = message.iter_attachments()
    assert (file.get_content_type(), file.get_filename()) == ("text/calendar", "call.ics")
    assert file.get_payload(decode=True) == ICS
    assert text_of(message.get_body(("plain",))) == a_mail().text


def test_a_calendar_file_has_the_call_in_utc_and_its_place():
    lines = ICS.decode().split("\r\n")

    assert {
        "BEGIN:VCALENDAR", "METHOD:PUBLISH", "UID:b1@x", "DTSTART:20261126T100000Z", "DTEND:20261126T104500Z",
        "SUMMARY:Review – a call", "LOCATION:https://meet.example/r", "STATUS:CONFIRMED", "SEQUENCE:0",
    } <= set(lines)  # fmt: skip
    assert not {line for line in lines if line.startswith(("ATTENDEE", "ORGANIZER"))}
    without = a_file(PUBLISHED, place="")
    assert b"LOCATION" not in without


def a_file(invitation: Invitation, **more) -> bytes:
    about = {"uid": "u", "span": CALL, "title": "t", "place": "p", "description": "", "sequence": 1, "made_at": NOW}
    return calendar_file(invitation, **{**about, **more})


def test_an_invitation_names_who_asks_whom_and_reminds_them():
    asked = a_file(Invitation(Method.REQUEST, "calls@example.com", "ann@example.com")).decode().split("\r\n")

    assert {
        "METHOD:REQUEST", "ORGANIZER:mailto:calls@example.com", "STATUS:CONFIRMED", "BEGIN:VALARM", "TRIGGER:-PT15M",
        "ACTION:DISPLAY",
    } <= set(asked)  # fmt: skip
    assert [line for line in asked if line.startswith("ATTENDEE")] == [
        "ATTENDEE;PARTSTAT=ACCEPTED:mailto:ann@example.com"
    ]


def test_what_is_taken_back_is_cancelled_and_reminds_nobody():
    taken_back = a_file(Invitation(Method.CANCEL, "calls@example.com", "ann@example.com"), sequence=3)

    assert {b"METHOD:CANCEL", b"STATUS:CANCELLED", b"SEQUENCE:3"} <= set(taken_back.split(b"\r\n"))
    assert b"VALARM" not in taken_back


def test_a_calendar_sees_in_the_mail_itself_what_the_file_asks_for(server):
    smtp(server.port).send(a_mail(calendar=ICS, method="REQUEST"))

    (attachment,) = server.messages[0].iter_attachments()
    assert (attachment.get_content_type(), attachment.get_param("method")) == ("text/calendar", "REQUEST")
    assert attachment.get_filename() == "call.ics"


@pytest.mark.parametrize("method", ["REQUEST", "CANCEL", "PUBLISH"])
def test_a_mail_with_a_call_is_a_meeting_to_whoever_reads_meetings_and_has_a_file_for_the_others(server, method):
    smtp(server.port).send(a_mail(calendar=ICS, method=method))

    [message] = server.messages
    ways, file = message.iter_parts()
    assert (message.get_content_type(), ways.get_content_type()) == ("multipart/mixed", "multipart/alternative")
    assert [part.get_content_type() for part in ways.iter_parts()] == ["text/plain", "text/html", "text/calendar"]
    meeting = list(ways.iter_parts())[-1]
    assert (meeting.get_param("method"), meeting.get_content_charset()) == (method, "utf-8")
    assert (meeting.get_content_disposition(), file.get_content_disposition()) == (None, "attachment")
    assert meeting.get_payload(decode=True) == file.get_payload(decode=True) == ICS


def test_who_organizes_is_not_invited_by_themselves_and_gets_the_entry_all_the_same():
    def lines(method: Method, to: str) -> set[str]:
        return set(a_file(invitation_for(method, organizer="Calls@example.com", to=to)).decode().split("\r\n"))

    own, taken_back = (lines(method, "calls@example.com") for method in (Method.REQUEST, Method.CANCEL))

    assert {"METHOD:PUBLISH", "STATUS:CONFIRMED", "ORGANIZER:mailto:Calls@example.com", "UID:u"} <= own
    assert {"METHOD:CANCEL", "STATUS:CANCELLED", "ORGANIZER:mailto:Calls@example.com", "UID:u"} <= taken_back
    assert not [line for line in own | taken_back if line.startswith("ATTENDEE")]
    assert "ATTENDEE;PARTSTAT=ACCEPTED:mailto:ann@example.com" in lines(Method.REQUEST, "ann@example.com")


def test_a_repetition_is_known_by_its_message_id(server):
    mailer = smtp(server.port)
    mailer.send(a_mail())
    mailer.send(a_mail())
    mailer.send(a_mail(id="another"))

    ids = [message["Message-ID"] for message in server.messages]
    assert ids == ["<abc123@example.com>", "<abc123@example.com>", "<another@example.com>"]


def test_a_bare_sender_address_works_as_well(server):
    smtp(server.port, sender="calls@example.org").send(a_mail())

    assert server.messages[0]["Message-ID"] == "<abc123@example.org>"


# --- whom it reaches ------------------------------------------------------------------------------------------------


@pytest.fixture
def plain():
    """Without SMTPUTF8, as many servers are: it takes addresses in ASCII only."""
    handler = Server()
    controller = started(handler, enable_SMTPUTF8=False)
    handler.port = controller.port
    yield handler
    controller.stop()


@pytest.mark.parametrize(
    ("to", "reached"),
    [
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
        ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("ann@straße.example", "ann@xn--strae-oqa.example"),
        ("ann@例え.example", "ann@xn--r8jz45g.example"),
        ("o'brien+{x}@mail.example", "o'brien+{x}@mail.example"),
        ("root@localhost", "root@localhost"),
        (
            f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 50}.example",
            f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 50}.example",
        ),
    ],
)
def test_a_server_that_takes_ascii_only_gets_every_domain_in_ascii(plain, to, reached):
    smtp(plain.port).send(a_mail(to=to))

    assert [addresses for _, addresses in plain.envelopes] == [[reached]]
    assert [message["To"] for message in plain.messages] == [reached]


def test_a_sender_whose_domain_has_other_letters_can_send(plain):
    smtp(plain.port, sender="Bücher & Söhne <calls@bücher.example>").send(a_mail())

    assert [sender for sender, _ in plain.envelopes] == ["calls@xn--bcher-kva.example"]
    assert plain.messages[0]["From"].addresses[0].display_name == "Bücher & Söhne"
    assert plain.messages[0]["Message-ID"] == "<abc123@xn--bcher-kva.example>"


def test_letters_before_the_at_sign_go_where_the_server_can_send_them(server):
    smtp(server.port).send(a_mail(to="müller@bücher.example"))

    assert [addresses for _, addresses in server.envelopes] == [["müller@xn--bcher-kva.example"]]


def test_an_address_this_server_cannot_send_to_is_given_up_at_once_and_the_server_is_not_called_ill(plain):
    heard = []
    mailer = smtp(plain.port, on_outcome=lambda *outcome: heard.append(outcome))

    with pytest.raises(UpstreamError) as caught:
        mailer.send(a_mail(to="müller@example.com"))

    assert not caught.value.retryable
    assert (plain.messages, heard) == ([], [])


@pytest.mark.parametrize(
    "to", [f"{'a' * 65}@example.com", f"{'ü' * 33}@example.com", "ann@-ü-.example", "ann@\ud800.de"]
)
def test_an_address_that_no_server_takes_is_given_up_at_once(server, to):
    with pytest.raises(UpstreamError) as caught:
        smtp(server.port).send(a_mail(to=to))

    assert not caught.value.retryable
    assert server.messages == []


def test_each_greeting_tells_whether_the_server_can_send_to_letters_before_the_at_sign(server, plain):
    heard = []
    for port in (server.port, plain.port):
        smtp(port, on_greeting=heard.append).greet()

    assert heard == [True, False]


# --- what cannot get into it ----------------------------------------------------------------------------------------


def test_a_subject_of_several_lines_is_one_line(server):
    smtp(server.port).send(a_mail(subject="Hello\r\nBcc: eve@example.com\n\nbody"))

    [message] = server.messages
    assert message["Subject"] == "Hello Bcc: eve@example.com body"
    assert message["Bcc"] is None
    assert server.envelopes[0][1] == ["ada@example.com"]


@pytest.mark.parametrize(
    "to",
    [
        "ada@example.com\r\nBcc: eve@example.com",
        "ada\r\nBcc: eve@example.com",
        "ada@example.com, eve@example.com",
        "ada@example.com eve",
        "ada@[",
        "@example.com",
        "ada",
        "",
        "<eve@example.com>, ada@example.com",
        "ada@exa\x00mple.com",
    ],
)
def test_an_address_reaches_one_person_or_nobody_and_that_is_no_use_repeating(server, to):
    error = failure_of(lambda: smtp(server.port).send(a_mail(to=to)))

    assert error is None or not error.retryable
    reached = {address for _, addresses in server.envelopes for address in addresses}
    assert "eve@example.com" not in reached
    assert len(reached) <= 1
    assert all(message["Bcc"] is None for message in server.messages)


def test_letters_of_all_the_world_fit_into_text_and_subject(server):
    subject = "Your time is held: Tuesday 24 November 2026, 14:00 to 14:45 (America/St_Johns, UTC−03:30), Đặng"

    smtp(server.port).send(a_mail(subject=subject, text="Đặng 你好\n" * 100, html="<p>مرحبا</p>"))

    [message] = server.messages
    assert message["Subject"] == subject
    assert text_of(message.get_body(("plain",))) == "Đặng 你好\n" * 100


# --- refusals and failures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["451 try later", "550 this sender is not verified here"])
def test_a_server_that_refuses_our_own_address_is_ill_and_the_mail_is_kept_for_when_that_is_mended(server, line):
    server.refuse = {"MAIL": line}
    heard = []

    with pytest.raises(UpstreamError) as caught:
        smtp(server.port, on_outcome=lambda *outcome: heard.append(outcome)).send(a_mail())

    assert caught.value.retryable
    assert heard == [(False, "SMTPSenderRefused")]


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
@pytest.mark.parametrize(("line", "retryable"), [("451 try later", True), ("550 no such mailbox", False)])
def test_a_refusal_for_now_is_worth_another_try_and_one_for_good_is_not(server, step, line, retryable):
    server.refuse = {step: line}

    with pytest.raises(UpstreamError) as caught:
        smtp(server.port).send(a_mail())

    assert (caught.value.service, caught.value.retryable) == ("mail", retryable)
    assert server.messages == []
    assert "ada@example.com" not in str(caught.value)


def test_a_server_that_is_away_is_worth_another_try():
    with pytest.raises(UpstreamError) as caught:
        smtp(free_port()).send(a_mail())

    assert caught.value.retryable


@pytest.mark.parametrize("greeting", [b"", b"554 go away\r\n", b"421 too busy\r\n", b"HTTP/1.1 400 Bad\r\n"])
def test_a_server_that_greets_oddly_is_worth_another_try(greeting):
    def behave(connection, _):
        connection.sendall(greeting)
        connection.close()

    with listening(behave, read=lambda connection: b"connected") as odd, pytest.raises(UpstreamError) as caught:
        smtp(int(odd.address.rpartition(":")[2])).send(a_mail())

    assert caught.value.retryable


# --- encrypted lines ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """(context for a server, file a client may trust)"""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context, str(folder / "cert.pem")


class LoggedIn(Server):
    """Takes one name and password, over an encrypted line only."""

    def check(self, server, session, envelope, mechanism, data):
        return AuthResult(success=(data.login, data.password) == (b"user", b"pass"), handled=False)


@pytest.fixture(params=["tls", "starttls"])
def encrypted(request, certificate):
    """A server that wants an encrypted line and a log-in."""
    handler = LoggedIn()
    context, _ = certificate
    options = {"ssl_context": context} if request.param == "tls" else {"tls_context": context}
    needs_tls = request.param == "starttls"  # the library does not count a line that is encrypted from the start
    controller = started(handler, authenticator=handler.check, auth_require_tls=needs_tls, **options)
    handler.port, handler.tls = controller.port, request.param
    yield handler
    controller.stop()


def test_a_mail_goes_over_an_encrypted_line_with_a_log_in(encrypted, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", certificate[1])

    smtp(encrypted.port, tls=encrypted.tls, username="user", password="pass").send(a_mail())

    assert len(encrypted.messages) == 1


def test_a_server_that_cannot_prove_who_it_is_gets_neither_mail_nor_password(encrypted):
    with pytest.raises(UpstreamError) as caught:
        smtp(encrypted.port, tls=encrypted.tls, username="user", password="pass").send(a_mail())

    assert caught.value.retryable
    assert encrypted.messages == []


def test_a_wrong_password_tells_neither_name_nor_password(encrypted, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", certificate[1])

    with pytest.raises(UpstreamError) as caught:
        smtp(encrypted.port, tls=encrypted.tls, username="user", password="a-wrong-one").send(a_mail())

    assert str(caught.value) == "mail: SMTPAuthenticationError"


def test_without_encryption_on_offer_nothing_is_sent_in_the_open(server):
    with pytest.raises(UpstreamError):
        smtp(server.port, tls="starttls").send(a_mail())

    assert server.messages == []


# --- letters --------------------------------------------------------------------------------------------------------


def test_only_the_html_is_escaped_and_the_subject_is_one_line(tmp_path):
    for name in ("x_subject.txt", "x.txt", "x.html"):
        (tmp_path / name).write_text("Hello\n{{ name }}")

    written = Letters(tmp_path).write("x", {"name": "<b>Ada & Co</b>"})

    assert written == ("Hello <b>Ada & Co</b>", "Hello\n<b>Ada & Co</b>", "Hello\n&lt;b&gt;Ada &amp; Co&lt;/b&gt;")


def test_a_letter_that_asks_for_what_it_is_not_given_is_not_written(tmp_path):
    for name in ("x_subject.txt", "x.txt", "x.html"):
        (tmp_path / name).write_text("{{ missing }}")

    with pytest.raises(Exception, match="missing"):
        Letters(tmp_path).write("x", {})


def test_a_mail_in_one_file_is_written_as_text_and_as_html(tmp_path):
    for name in ("_layout.txt", "_layout.html", "_parts.txt", "_parts.html"):
        (tmp_path / name).write_text((FOLDER / name).read_text())
    (tmp_path / "x.mail").write_text(
        '{% extends "_layout." ~ form %}{% from "_parts." ~ form import hello, para, facts, button with context %}'
        "{% block subject %}For\n{{ name }}{% endblock %}"
        '{% block body %}{{ hello() }}{{ para(words) }}{{ facts([("Price", price), ("Kept", "")]) }}'
        '{{ button("https://site.example/b", "See it") }}{% endblock %}'
    )
    context = {"name": "Ada & Co", "words": "word " * 30, "price": "75 USDT", "site_url": "https://site.example"}

    subject, text, html = Letters(tmp_path).write("x", context)

    assert subject == "For Ada & Co"
    assert text.splitlines() == [
        "Hello Ada & Co,",
        "",
        ("word " * 15).strip(),
        ("word " * 15).strip(),
        "",
        "  Price: 75 USDT",
        "",
        "See it:",
        "https://site.example/b",
        "",
        "Inspired Analyst, https://site.example",
    ]
    assert "<p>Hello Ada &amp; Co,</p>" in html
    assert "Kept" not in html


def test_every_letter_has_its_file_or_its_three():
    whole = {file.stem for file in FOLDER.glob("*.mail")}
    kinds = {file.name.removesuffix("_subject.txt") for file in FOLDER.glob("*_subject.txt")}

    assert {str(one) for one in Email} <= kinds | whole
    assert kinds & whole == set()
    for kind in kinds:
        assert (FOLDER / f"{kind}.txt").is_file(), kind
        assert (FOLDER / f"{kind}.html").is_file(), kind


class TestOneConnectionForMany:
    def test_it_is_used_for_all_mails_and_ended(self, server):
        greeted = []
        kept = smtp(server.port, on_greeting=greeted.append)

        with kept.kept_open():
            for number in range(3):
                kept.send(a_mail(id=f"m{number}"))

        assert (len(server.messages), len(greeted)) == (3, 1)
        kept.send(a_mail(id="m4"))
        assert len(greeted) == 2, "outside, each has its own"

    def test_a_server_that_closes_it_gets_the_next_mail_over_another(self, server):
        """Many take only so many mails over one connection."""
        kept = smtp(server.port)

        with kept.kept_open():
            kept.send(a_mail(id="m1"))
            server.refuse["MAIL"] = "421 too many"
            later = server.refuse

            class Once(dict):
                def get(self, step, ok):
                    server.refuse = {}
                    return later[step]

            server.refuse = Once()
            kept.send(a_mail(id="m2"))

        assert [message["message-id"] for message in server.messages] == ["<m1@example.com>", "<m2@example.com>"]

    def test_a_refused_mail_leaves_it_usable(self, server):
        kept = smtp(server.port)

        with kept.kept_open():
            server.refuse["RCPT"] = "550 nobody"
            assert not failure_of(lambda: kept.send(a_mail(id="m1"))).retryable
            server.refuse.clear()
            kept.send(a_mail(id="m2"))

        assert len(server.messages) == 1
