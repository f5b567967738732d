"""Mail by SMTP. The Message-ID comes from what is owed, so that a repetition is recognised as the same mail."""

import re
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
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


def deliverable(address: str) -> str:
    """The address as mail servers take it: its domain in ASCII, "ann@bücher.example" → "ann@xn--bcher-kva.example"
    (A-labels, RFC 5890). Raises ValueError for what no server could take, or what is not one person's address."""
    if not ONE_PERSON.fullmatch(address):
        raise ValueError("not one person's address")
    user, _, domain = address.rpartition("@")
    domain = _in_ascii(domain)
    if len(user.encode()) > LONGEST_USER or len(domain) > LONGEST_DOMAIN:
        raise ValueError("longer than an address may be")
    return f"{user}@{domain}"


def with_ascii_domain(address: str) -> str:
    """The same for an address that somebody else will judge: left as it is where that cannot be done."""
    try:
        return deliverable(address)
    except ValueError:
        return address


def needs_utf8(address: str) -> bool:
    """Only a server with SMTPUTF8 (RFC 6531) can send there: letters before the @ have no other form."""
    return not address.rpartition("@")[0].isascii()


def _in_ascii(domain: str) -> str:
    if domain.isascii():
        return domain
    from email_validator import validate_email  # slow to load, and seldom needed

    return validate_email(f"x@{domain}", check_deliverability=False).ascii_domain


@dataclass(frozen=True, slots=True)
class Mail:
    """`id` is unique per mail owed. `calendar` is an ICS file, where there is one, and `method` what it asks for;
    `unsubscribe` an address that takes a POST (RFC 8058)."""

    id: str
    to: str
    subject: str
    text: str
    html: str
    calendar: bytes = b""
    method: str = ""
    unsubscribe: str = ""


def header_text(text: str) -> str:
    """Words of the owner's as a mail's header takes them: one line, nothing that cannot be seen, and no longer than a
    list of mails shows. The library encodes what is not ASCII (RFC 2047)."""
    line = one_line(text)
    return line if len(line) <= LONGEST_HEADER else f"{line[: LONGEST_HEADER - 1].rstrip()}…"


def _nobody(is_well: bool, detail: str) -> None:
    pass


def _unasked(takes_utf8: bool) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Smtp:
    """`on_outcome` hears whether the server took a mail; that it refuses one address says nothing about the server.
    `on_greeting` hears whether it has SMTPUTF8, each time it lets us in."""

    host: str
    port: int
    tls: str
    username: str
    password: str
    sender: str
    on_outcome: Callable[[bool, str], None] = _nobody
    named: Callable[[], str] = str  # who the sender is called; where that is empty, as `sender` says
    on_greeting: Callable[[bool], None] = _unasked

    def send(self, mail: Mail) -> None:
        """Raises UpstreamError; retryable unless this mail can never be delivered: the server refused it or its reader
        for good (5xx), or the address is none that this server can send to."""
        try:
            to = deliverable(mail.to)
        except ValueError:
            raise UpstreamError("mail", "not an address that a mail server takes", retryable=False) from None
        sender = with_ascii_domain(parseaddr(self.sender)[1])
        try:
            with self._connected() as server:
                if needs_utf8(to) and not server.has_extn("smtputf8"):
                    raise UpstreamError("mail", "the server cannot send to this address: no SMTPUTF8", retryable=False)
                server.send_message(self._message(mail, sender, to), sender, [to])
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPDataError) as error:
            raise UpstreamError("mail", f"refused: {type(error).__name__}", retryable=_is_temporary(error)) from None
        except (smtplib.SMTPException, OSError) as error:
            # A refused sender is among these: it is we who are refused, and every other mail will be as well.
            self.on_outcome(False, type(error).__name__)
            raise UpstreamError("mail", type(error).__name__) from None
        self.on_outcome(True, "")

    def greet(self) -> None:
        """Whether it lets us in. Raises UpstreamError."""
        try:
            with self._connected() as server:
                server.noop()
        except (smtplib.SMTPException, OSError) as error:
            raise UpstreamError("mail", type(error).__name__) from None

    def _connected(self) -> smtplib.SMTP:
        # Loading the certificates costs more than a mail: only where they are needed.
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
            # Calendars look for the method here (RFC 6047), before they open the file. What is one of the ways to read
            # the mail is a meeting to Outlook and others; what is attached, a file to whoever knows no meetings.
            params = {"method": mail.method, "charset": "utf-8"}
            if mail.method:
                message.add_alternative(mail.calendar, maintype="text", subtype="calendar", params=params)
            message.add_attachment(
                mail.calendar, maintype="text", subtype="calendar", filename="call.ics", params=params
            )
        return message


def _is_temporary(error: smtplib.SMTPException) -> bool:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(400 <= code < 500 for code, _ in error.recipients.values())
    return 400 <= int(getattr(error, "smtp_code", 500)) < 500
