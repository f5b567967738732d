"""Mails to the owner: to whom, each on its own, and those that are about no booking."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import structlog

from inspired.adapters.mail.smtp import Mail
from inspired.adapters.mongo.preferences import Tried
from inspired.domain.shared.errors import UpstreamError
from inspired.services import Services

REPORTS = ("reconciled", "report")  # letters that report; all others about no booking ask for something
KINDS = {"calls": "calls that are confirmed or moved", "alerts": "what needs you", "reports": "reports"}
log = structlog.get_logger()


def addresses(svc: Services, kind: str) -> tuple[str, ...]:
    """Who is told of "calls", "alerts" or "reports": whom the owner has named, else OWNER_EMAIL."""
    return svc.preferences.now().addresses.by_kind[kind] or (svc.settings.owner_email,)


def everybody(svc: Services, kind: str, letter: Callable[[str], Mail]) -> None:
    """One mail to each: nobody sees who else is told. Raises UpstreamError where it has to be tried again, or nobody
    took it; an address that is refused for good keeps it from none of the others."""
    to = addresses(svc, kind)
    failures: list[UpstreamError] = []
    for number, address in enumerate(to):
        mail = letter(address)
        if number:
            mail = replace(mail, id=hashlib.sha256(f"{mail.id}/{address}".encode()).hexdigest()[:32])
        try:
            svc.smtp.send(mail)
        except UpstreamError as error:
            log.warning("owner_untold", kind=kind, number=number, error=str(error))
            failures.append(error)
    again = next((one for one in failures if one.retryable), None)
    if again is not None or len(failures) == len(to):
        raise again or failures[0]


def try_addresses(svc: Services) -> None:
    """A mail to everybody who is told of anything, as saved a moment ago, and a note of how that went. Raises Busy."""
    svc.preferences.fresh()
    to = tuple(dict.fromkeys(one for kind in KINDS for one in addresses(svc, kind)))
    now = svc.now()
    refused = 0
    for address in to:
        kinds = [KINDS[kind] for kind in KINDS if address in addresses(svc, kind)]
        subject, text, html = svc.mail_templates.write("try", {"kinds": kinds, "site_url": svc.settings.site_url})
        mail_id = hashlib.sha256(f"try/{now.isoformat()}/{address}".encode()).hexdigest()[:32]
        try:
            svc.smtp.send(Mail(mail_id, address, subject, text, html))
        except UpstreamError as error:
            log.warning("owner_untold", kind="try", error=str(error))
            refused += 1
    svc.preferences.note_try(Tried(now, f"The mail server took {len(to) - refused} of {len(to)} mails."))


def owner(svc: Services, letter: str, occasion: str, **context: Any) -> None:
    """`occasion` makes the mail's id: told again of the same, a mailbox can tell it is the same."""
    subject, text, html = svc.mail_templates.write(letter, {**context, "site_url": svc.settings.site_url})
    mail_id = hashlib.sha256(f"{letter}/{occasion}".encode()).hexdigest()[:32]
    kind = "reports" if letter in REPORTS else "alerts"
    everybody(svc, kind, lambda to: Mail(mail_id, to, subject, text, html))
