"""Mails to the owner that are about no booking."""

import hashlib
from typing import Any

from inspired.adapters.mail import Mail
from inspired.services import Services


def owner(svc: Services, letter: str, occasion: str, **context: Any) -> None:
    """`occasion` makes the mail's id: told again of the same, a mailbox can tell it is the same."""
    subject, text, html = svc.letters.write(letter, {**context, "site_url": svc.settings.site_url})
    mail_id = hashlib.sha256(f"{letter}/{occasion}".encode()).hexdigest()[:32]
    svc.smtp.send(Mail(mail_id, svc.settings.owner_email, subject, text, html))
