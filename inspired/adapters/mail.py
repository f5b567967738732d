"""Mail by SMTP. The Message-ID comes from what is owed, so that a repetition is recognised as the same mail."""

import re
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, parseaddr

from inspired.domain.errors import UpstreamError
from inspired.domain.preferences import one_line

SECONDS = 5.0
LONGEST_HEADER = 200
ONE_PERSON = re.compile(r"""[^\s@,;:<>()\[\]\\"\x00-\x1f]{1,64}@[^\s@,;:<>()\[\]\\"\x00-\x1f]{1,255}""")


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


@dataclass(frozen=True, slots=True)
class Smtp:
    """`on_outcome` hears whether the server took a mail; that it refuses one address says nothing about the server."""

    host: str
    port: int
    tls: str
    username: str
    password: str
    sender: str
    on_outcome: Callable[[bool, str], None] = _nobody
    named: Callable[[], str] = str  # who the sender is called; where that is empty, as `sender` says

    def send(self, mail: Mail) -> None:
        """Raises UpstreamError; retryable unless the server refused for good (5xx) or nobody can be reached there."""
        if not ONE_PERSON.fullmatch(mail.to):
            raise UpstreamError("mail", "not one person's address", retryable=False)
        try:
            with self._connected() as server:
                server.send_message(self._message(mail))
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
            raise UpstreamError("mail", f"refused: {type(error).__name__}", retryable=_is_temporary(error)) from None
        except (smtplib.SMTPException, OSError) as error:
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
        except BaseException:
            server.close()
            raise
        return server

    def _sender(self) -> str | Address:
        if not (name := header_text(self.named())):
            return self.sender
        user, _, host = parseaddr(self.sender)[1].rpartition("@")
        return Address(name, user, host)

    def _message(self, mail: Mail) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender()
        message["To"] = _address(mail.to)
        message["Subject"] = header_text(mail.subject)
        message["Date"] = formatdate(usegmt=True)
        message["Message-ID"] = f"<{mail.id}@{self.sender.rpartition('@')[2].rstrip('>')}>"
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


def _address(text: str) -> Address:
    user, _, host = text.rpartition("@")
    return Address(username=user, domain=host)


def _is_temporary(error: smtplib.SMTPException) -> bool:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(400 <= code < 500 for code, _ in error.recipients.values())
    return 400 <= int(getattr(error, "smtp_code", 500)) < 500
