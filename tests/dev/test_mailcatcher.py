"""The mail catcher takes what smtplib sends and shows it."""

import smtplib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest
import requests

from tests.harness import ROOT, free_port, listening, wait_until


@dataclass
class Catcher:
    smtp_port: int
    url: str
    process: subprocess.Popen[bytes]

    def send(self, message: EmailMessage) -> None:
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=5) as smtp:
            smtp.send_message(message)


def start(folder: Path) -> Catcher:
    smtp_port, http_port = free_port(), free_port()
    ports = ["--smtp-port", str(smtp_port), "--http-port", str(http_port)]
    command = [sys.executable, "-m", "inspired.dev.mailcatcher", *ports, "--data", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT)
    wait_until(lambda: listening(smtp_port) and listening(http_port), what="the mail catcher")
    return Catcher(smtp_port, f"http://127.0.0.1:{http_port}", process)


@pytest.fixture
def catcher(tmp_path: Path) -> Iterator[Catcher]:
    catcher = start(tmp_path)
    try:
        yield catcher
    finally:
        with catcher.process:
            catcher.process.kill()


def a_mail() -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Inspired Analyst <bookings@example.com>"
    message["To"] = "Zoë <zoe@example.com>"
    message["Subject"] = "Your call is confirmed – 10 März"
    message.set_content("Hello Zoë,\nsee you there.\n")
    message.add_alternative("<p>Hello <b>Zoë</b></p><script>alert(1)</script>", subtype="html")
    message.add_attachment(b"BEGIN:VCALENDAR\r\n", maintype="text", subtype="calendar", filename="call.ics")
    return message


def test_a_mail_is_told_with_text_html_and_attachments(catcher: Catcher) -> None:
    catcher.send(a_mail())

    (mail,) = requests.get(f"{catcher.url}/api/messages", timeout=5).json()

    received_at, mail_id = mail.pop("received_at"), mail.pop("id")
    assert mail == {
        "to": "zoe@example.com",
        "message_id": "",
        "subject": "Your call is confirmed – 10 März",
        "text": "Hello Zoë,\nsee you there.\n",
        "html": "<p>Hello <b>Zoë</b></p><script>alert(1)</script>\n",
        "attachments": [{"name": "call.ics", "content_type": "text/calendar", "path": f"/messages/{mail_id}/0"}],
    }
    assert received_at.endswith("+00:00")
    attachment = requests.get(f"{catcher.url}/messages/{mail_id}/0", timeout=5)
    assert attachment.content == b"BEGIN:VCALENDAR\r\n"
    assert attachment.headers["Content-Disposition"] == "attachment; filename*=UTF-8''call.ics"


def test_mails_are_read_on_a_page_that_runs_none_of_their_scripts(catcher: Catcher) -> None:
    catcher.send(a_mail())

    listing = requests.get(catcher.url, timeout=5)
    (mail,) = requests.get(f"{catcher.url}/api/messages", timeout=5).json()
    page = requests.get(f"{catcher.url}/messages/{mail['id']}", timeout=5)

    assert "Your call is confirmed – 10 März" in listing.text
    assert "see you there." in page.text
    assert "<script>" not in page.text
    assert page.headers["Content-Security-Policy"] == "script-src 'none'"
    assert requests.get(f"{catcher.url}/messages/none", timeout=5).status_code == 404


def test_mails_survive_a_kill_and_keep_their_order(tmp_path: Path) -> None:
    first = start(tmp_path)
    for subject in ("one", "two"):
        message = a_mail()
        message.replace_header("Subject", subject)
        first.send(message)
    with first.process:
        first.process.kill()

    second = start(tmp_path)
    try:
        mails = requests.get(f"{second.url}/api/messages", timeout=5).json()
        assert [mail["subject"] for mail in mails] == ["one", "two"]
        requests.delete(f"{second.url}/api/messages", timeout=5)
        assert requests.get(f"{second.url}/api/messages", timeout=5).json() == []
    finally:
        with second.process:
            second.process.kill()
