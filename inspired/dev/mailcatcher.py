"""Takes every mail by SMTP and shows it: a page for people, `GET /api/messages` for programs.

Started as `python -m inspired.dev.mailcatcher --smtp-port N --http-port N --data DIR`. A mail is one file in DIR, so
the mails survive restarts.
"""

import argparse
import json
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiosmtpd.controller import UnthreadedController
from aiosmtpd.smtp import SMTP, Envelope, Session

from inspired.adapters.process.processes import die_with_parent

HOST = "127.0.0.1"
LARGEST_MAIL = 10 * 1024 * 1024


@dataclass(frozen=True)
class Attachment:
    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True)
class Mail:
    """A mail as it arrived. `to` is who it was delivered to, not what its header says."""

    id: str
    to: str
    received_at: str
    message_id: str
    subject: str
    text: str
    html: str
    attachments: tuple[Attachment, ...]
    raw: bytes

    def public(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "to": self.to,
            "message_id": self.message_id,
            "subject": self.subject,
            "text": self.text,
            "html": self.html,
            "received_at": self.received_at,
            "attachments": [
                {
                    "name": attachment.name,
                    "content_type": attachment.content_type,
                    "path": f"/messages/{self.id}/{number}",
                }
                for number, attachment in enumerate(self.attachments)
            ],
        }


class Mailbox:
    """All mails, oldest first; each also a file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._lock = threading.Lock()
        self._mails = [_read(path) for path in sorted(folder.glob("*.eml"))]

    def add(self, recipients: list[str], content: bytes) -> None:
        now = datetime.now(UTC)
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{time.time_ns()}.eml"
            header = f"X-Delivered-To: {', '.join(recipients)}\r\nX-Received-At: {now.isoformat()}\r\n"
            draft = path.with_suffix(".new")
            draft.write_bytes(header.encode("utf-8", "replace") + content)
            draft.replace(path)
            self._mails.append(_read(path))

    def all(self) -> list[Mail]:
        with self._lock:
            return list(self._mails)

    def get(self, mail_id: str) -> Mail | None:
        return next((mail for mail in self.all() if mail.id == mail_id), None)

    def clear(self) -> None:
        with self._lock:
            for mail in self._mails:
                (self._folder / f"{mail.id}.eml").unlink(missing_ok=True)
            self._mails.clear()


def _read(path: Path) -> Mail:
    raw = path.read_bytes()
    message = message_from_bytes(raw, policy=policy.default)
    return Mail(
        id=path.stem,
        to=str(message["X-Delivered-To"] or ""),
        received_at=str(message["X-Received-At"] or ""),
        message_id=str(message["Message-ID"] or ""),
        subject=str(message["Subject"] or "").strip(),
        text=_body(message, "plain"),
        html=_body(message, "html"),
        attachments=tuple(_attachment(part) for part in message.iter_attachments()),
        raw=raw,
    )


def _body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part else ""


def _attachment(part: EmailMessage) -> Attachment:
    content = part.get_payload(decode=True)
    return Attachment(
        name=part.get_filename() or "unnamed",
        content_type=part.get_content_type(),
        content=content if isinstance(content, bytes) else b"",
    )


class Catcher:
    """aiosmtpd's handler: every recipient is welcome."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        self._mailbox.add(envelope.rcpt_tos, content)
        return "250 Kept"


# --- the page --------------------------------------------------------------------------------------------

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color:#1d2433}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #dde}
pre{white-space:pre-wrap;background:#f6f7fa;padding:1rem}iframe{width:100%;height:28rem;border:1px solid #dde}"""


class Page(BaseHTTPRequestHandler):
    """`/`, `/messages/ID`, `/messages/ID/html`, `/messages/ID/raw`, `/messages/ID/N` (an attachment), and the API."""

    protocol_version = "HTTP/1.1"
    mailbox: Mailbox

    def do_GET(self) -> None:
        match self.path.partition("?")[0].strip("/").split("/"):
            case [""]:
                self._send(_list_page(self.mailbox.all()))
            case ["api", "messages"]:
                mails = [mail.public() for mail in self.mailbox.all()]
                self._send(json.dumps(mails, ensure_ascii=False), "application/json")
            case ["messages", mail_id, *rest] if mail := self.mailbox.get(mail_id):
                self._send_part(mail, rest)
            case _:
                self._send("Not here.", "text/plain; charset=utf-8", status=404)

    def do_DELETE(self) -> None:
        if self.path == "/api/messages":
            self.mailbox.clear()
            self._send("[]", "application/json")
        else:
            self._send("Not here.", "text/plain; charset=utf-8", status=404)

    def _send_part(self, mail: Mail, rest: list[str]) -> None:
        match rest:
            case []:
                self._send(_mail_page(mail))
            case ["html"]:
                # Links open beside the frame; scripts do not run, as in a mail program.
                self._send(f'<base target="_blank">{mail.html}')
            case ["raw"]:
                self._send(mail.raw, "text/plain; charset=utf-8")
            case [number] if number.isdigit() and int(number) < len(mail.attachments):
                attachment = mail.attachments[int(number)]
                self._send(attachment.content, attachment.content_type, attachment=attachment.name)
            case _:
                self._send("Not here.", "text/plain; charset=utf-8", status=404)

    def _send(
        self,
        content: str | bytes,
        content_type: str = "text/html; charset=utf-8",
        *,
        status: int = 200,
        attachment: str = "",
    ) -> None:
        body = content.encode() if isinstance(content, str) else content
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", "script-src 'none'")
        self.send_header("Cache-Control", "no-store")
        if attachment:
            self.send_header("Content-Disposition", f"attachment; filename*=UTF-8''{quote(attachment)}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: programs ask many times a second."""


def _list_page(mails: list[Mail]) -> str:
    rows = "".join(
        f"<tr><td>{escape(mail.received_at[:19])}</td><td>{escape(mail.to)}</td>"
        f'<td><a href="/messages/{mail.id}">{escape(mail.subject) or "(no subject)"}</a></td></tr>'
        for mail in reversed(mails)
    )
    table = f"<table><tr><th>Received (UTC)</th><th>To</th><th>Subject</th></tr>{rows}</table>"
    return _page("Mails", (table if mails else "<p>No mail yet.</p>") + '<meta http-equiv="refresh" content="5">')


def _mail_page(mail: Mail) -> str:
    attachments = "".join(
        f'<li><a href="/messages/{mail.id}/{number}">{escape(file.name)}</a> ({escape(file.content_type)})</li>'
        for number, file in enumerate(mail.attachments)
    )
    frame = (
        '<h2>HTML</h2><iframe sandbox="allow-popups allow-popups-to-escape-sandbox" src="/messages/{}/html"></iframe>'
    )
    return _page(
        mail.subject,
        f'<p><a href="/">All mails</a></p><p>To {escape(mail.to)}, {escape(mail.received_at[:19])} UTC, '
        f'<a href="/messages/{mail.id}/raw">raw</a></p>'
        + (f"<h2>Attachments</h2><ul>{attachments}</ul>" if attachments else "")
        + f"<h2>Text</h2><pre>{escape(mail.text)}</pre>"
        + (frame if mail.html else ""),
    )


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style><h1>{escape(title)}</h1>{body}</html>"
    )


# --- the process -----------------------------------------------------------------------------------------


def serve(smtp_port: int, http_port: int, data: Path) -> None:
    """Both servers until the process is ended: SMTP in this thread, the page in another."""
    mailbox = Mailbox(data)
    pages = ThreadingHTTPServer((HOST, http_port), type("MailboxPage", (Page,), {"mailbox": mailbox}))
    threading.Thread(target=pages.serve_forever, daemon=True, name="pages").start()
    smtp = UnthreadedController(
        Catcher(mailbox), hostname=HOST, port=smtp_port, data_size_limit=LARGEST_MAIL, enable_SMTPUTF8=True
    )
    smtp.begin()  # type: ignore[no-untyped-call]
    smtp.loop.run_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description="Takes every mail and shows it.")
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    die_with_parent()
    serve(arguments.smtp_port, arguments.http_port, arguments.data)


if __name__ == "__main__":
    main()
