"""Sends mail by SMTP. The Message-ID is derived from the task, so that a repetition is recognised as the same mail."""

import re
import smtplib
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, parseaddr

from inspired.domain.shared.errors import UpstreamError
from inspired.domain.site.preferences import one_line

SECONDS = 5.0
LONGEST_HEADER = 200
ONE_PERSON = re.compile(r"""[^\s@,;:<>()\[\]\\"\x00-\x1f]{1,64}@[^\s@,;:<>()\[\]\\"\x00-\x1f]{1,255}""")
LONGEST_USER = 64  # octets before the @ (RFC 5321, 4.5.3.1.1)
LONGEST_DOMAIN = 255
CLOSING = 421  # "service not available, closing transmission channel" (RFC 5321, 4.2.3)


def deliverable(address: str) -> str:
    """The address in the form mail servers accept, with its domain in ASCII: "ann@bücher.example" →
    "ann@xn--bcher-kva.example" (A-labels, RFC 5890). Raises ValueError if no server could accept it, or it is not one
    person's address."""
    if not ONE_PERSON.fullmatch(address):
        raise ValueError("not one person's address")
    user, _, domain = address.rpartition("@")
    domain = _in_ascii(domain)
    if len(user.encode()) > LONGEST_USER or len(domain) > LONGEST_DOMAIN:
        raise ValueError("longer than an address may be")
    return f"{user}@{domain}"


def with_ascii_domain(address: str) -> str:
    """The same for an address that is validated elsewhere: returned unchanged if it cannot be converted."""
    try:
        return deliverable(address)
    except ValueError:
        return address


def needs_utf8(address: str) -> bool:
    """True if only a server with SMTPUTF8 (RFC 6531) can send there: non-ASCII before the @ has no other form."""
    return not address.rpartition("@")[0].isascii()


def _in_ascii(domain: str) -> str:
    if domain.isascii():
        return domain
    from email_validator import validate_email  # slow to load and rarely needed

    return validate_email(f"x@{domain}", check_deliverability=False).ascii_domain


@dataclass(frozen=True, slots=True)
class Mail:
    """`id` is unique per mail task. `calendar` is an ICS file, if any, and `method` its iTIP method; `unsubscribe` is a
    URL that accepts POST (RFC 8058)."""

    id: str
    to: str
    subject: str
    text: str
    html: str
    calendar: bytes = b""
    method: str = ""
    unsubscribe: str = ""


def header_text(text: str) -> str:
    """The owner's text as a mail header: one line without invisible characters, no longer than mailboxes show. The
    library encodes non-ASCII text (RFC 2047)."""
    line = one_line(text)
    return line if len(line) <= LONGEST_HEADER else f"{line[: LONGEST_HEADER - 1].rstrip()}…"


class _Kept(threading.local):
    """This thread's connection while it keeps one open. `server`: None until the first mail; `failed`: why the server
    could not be reached, so that the other mails of a batch do not wait for it again."""

    is_wanted = False
    server: smtplib.SMTP | None = None
    failed: UpstreamError | None = None


def _nobody(is_well: bool, detail: str) -> None:
    pass


def _unasked(takes_utf8: bool) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Smtp:
    """`on_outcome` gets whether the server accepted a mail; a single refused address does not count against the server.
    `on_greeting` gets whether it has SMTPUTF8, at each login."""

    host: str
    port: int
    tls: str
    username: str
    password: str
    sender: str
    on_outcome: Callable[[bool, str], None] = _nobody
    named: Callable[[], str] = str  # the sender's display name; if empty, the one in `sender`
    on_greeting: Callable[[bool], None] = _unasked
    _kept: _Kept = field(default_factory=_Kept, repr=False, compare=False)

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """All mails this thread sends inside share one connection. A server that cannot be reached is tried once."""
        self._kept.is_wanted = True
        try:
            yield
        finally:
            if self._kept.server is not None:
                _end(self._kept.server)
            self._kept.is_wanted, self._kept.server, self._kept.failed = False, None, None

    def send(self, mail: Mail) -> None:
        """Raises UpstreamError. It is retryable unless this mail can never be delivered: the server refused it or its
        recipient for good (5xx), or cannot send to this address."""
        try:
            to = deliverable(mail.to)
        except ValueError:
            raise UpstreamError("mail", "not an address that a mail server takes", retryable=False) from None
        sender = with_ascii_domain(parseaddr(self.sender)[1])
        if self._kept.failed is not None:
            raise self._kept.failed
        try:
            self._sent(mail, sender, to)
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError) as error:
            raise UpstreamError("mail", f"refused: {type(error).__name__}", retryable=_is_temporary(error)) from None
        except (smtplib.SMTPException, OSError) as error:
            # This includes a refused sender: then every other mail will be refused as well.
            self.on_outcome(False, type(error).__name__)
            failed = UpstreamError("mail", type(error).__name__)
            if self._kept.is_wanted:
                self._kept.failed = failed
            raise failed from None
        self.on_outcome(True, "")

    def _sent(self, mail: Mail, sender: str, to: str) -> None:
        kept = self._kept.server
        if kept is not None:
            try:
                return self._sent_by(kept, mail, sender, to)
            except smtplib.SMTPResponseException as error:
                if error.smtp_code != CLOSING:
                    raise
            except (smtplib.SMTPServerDisconnected, OSError):
                pass
            # Servers limit how many mails a connection may bring, and for how long: the next one gets a new connection.
            _end(kept)
            self._kept.server = None
        server = self._connected()
        try:
            self._sent_by(server, mail, sender, to)
        except BaseException:
            _end(server)
            raise
        if self._kept.is_wanted:
            self._kept.server = server
        else:
            _end(server)

    def _sent_by(self, server: smtplib.SMTP, mail: Mail, sender: str, to: str) -> None:
        if needs_utf8(to) and not server.has_extn("smtputf8"):
            raise UpstreamError("mail", "the server cannot send to this address: no SMTPUTF8", retryable=False)
        server.send_message(self._message(mail, sender, to), sender, [to])

    def greet(self) -> None:
        """Test whether the server lets us log in. Raises UpstreamError."""
        try:
            with self._connected() as server:
                server.noop()
        except (smtplib.SMTPException, OSError) as error:
            raise UpstreamError("mail", type(error).__name__) from None

    def _connected(self) -> smtplib.SMTP:
        # Loading the certificates takes longer than sending a mail, so only if needed.
        context = None if self.tls == "none" else ssl.create_default_context()
        if self.tls == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=SECONDS, context=context)
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=SECONDS)
        try:
            if self.tls == "starttls":
                server.starttls(context=context)
            if self.username:
                server.login(self.username, self.password)
            server.ehlo_or_helo_if_needed()
            self.on_greeting(server.has_extn("smtputf8"))
        except BaseException:
            server.close()
            raise
        return server

    def _named_sender(self, sender: str) -> Address:
        user, _, domain = sender.rpartition("@")
        return Address(header_text(self.named()) or parseaddr(self.sender)[0], user, domain)

    def _message(self, mail: Mail, sender: str, to: str) -> EmailMessage:
        user, _, domain = to.rpartition("@")
        message = EmailMessage()
        message["From"] = self._named_sender(sender)
        message["To"] = Address(username=user, domain=domain)
        message["Subject"] = header_text(mail.subject)
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = f"<{mail.id}@{sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        if mail.unsubscribe:
            message["List-Unsubscribe"] = f"<{mail.unsubscribe}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        if mail.calendar:
            # Calendars look for the method here (RFC 6047) before they open the file. Outlook and others treat the
            # alternative part as a meeting; the attachment serves programs that do not know meetings.
            params = {"method": mail.method, "charset": "utf-8"}
            if mail.method:
                message.add_alternative(mail.calendar, maintype="text", subtype="calendar", params=params)
            message.add_attachment(
                mail.calendar, maintype="text", subtype="calendar", filename="call.ics", params=params
            )
        return message


def _end(server: smtplib.SMTP) -> None:
    """A server that has gone needs no goodbye."""
    try:
        server.quit()
    except (smtplib.SMTPException, OSError):
        server.close()


def _is_temporary(error: smtplib.SMTPException) -> bool:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(400 <= code < 500 for code, _ in error.recipients.values())
    return 400 <= int(getattr(error, "smtp_code", 500)) < 500
