"""Mails to the owner: recipients, separate copies, and mails that concern no booking."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import structlog

from inspired.adapters.mail.smtp import Mail
from inspired.adapters.mongo.preferences import Tried
from inspired.domain.accounts.people import Role
from inspired.domain.shared.errors import UpstreamError
from inspired.services import Services

REPORTS = ("reconciled", "report")  # mails that only report; all others without a booking ask for action
KINDS = {"calls": "calls that are confirmed or moved", "alerts": "what needs you", "reports": "reports"}
log = structlog.get_logger()


def addresses(svc: Services, kind: str) -> tuple[str, ...]:
    """Recipients of "calls", "alerts" or "reports": those the owner has set, else OWNER_EMAIL."""
    return svc.preferences.now().addresses.by_kind[kind] or (svc.settings.owner_email,)


def everybody(svc: Services, kind: str, letter: Callable[[str], Mail]) -> None:
    """Send a separate mail to each, so that recipients do not see each other. Raises UpstreamError if it must be
    retried or nobody got it; an address refused for good does not affect the others."""
    _to_each(svc, kind, addresses(svc, kind), letter)


def every_owner(svc: Services, letter: str, occasion: str, **context: Any) -> None:
    """Mails about where money goes: to each owner's account and to OWNER_EMAIL besides those who are told of alerts,
    so that nobody can keep them from an owner by changing who is told. Raises UpstreamError as `everybody` does."""
    owners = [one.email for one in svc.people.all() if one.role is Role.OWNER and not one.disabled]
    to = tuple(dict.fromkeys((*owners, svc.settings.owner_email, *addresses(svc, "alerts"))))
    subject, text, html = svc.mail_templates.write(letter, {**context, "site_url": svc.settings.site_url})
    mail_id = hashlib.sha256(f"{letter}/{occasion}".encode()).hexdigest()[:32]
    _to_each(svc, "alerts", to, lambda address: Mail(mail_id, address, subject, text, html))


def _to_each(svc: Services, kind: str, to: Sequence[str], letter: Callable[[str], Mail]) -> None:
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
    again = next((failure for failure in failures if failure.retryable), None)
    if again is not None or len(failures) == len(to):
        raise again or failures[0]


def try_addresses(svc: Services) -> None:
    """Send a test mail to every recipient in the saved settings, and record the result. Raises Busy."""
    svc.preferences.fresh()
    to = tuple(dict.fromkeys(address for kind in KINDS for address in addresses(svc, kind)))
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
    """`occasion` determines the mail's id, so that a mailbox recognises repetitions."""
    subject, text, html = svc.mail_templates.write(letter, {**context, "site_url": svc.settings.site_url})
    mail_id = hashlib.sha256(f"{letter}/{occasion}".encode()).hexdigest()[:32]
    kind = "reports" if letter in REPORTS else "alerts"
    everybody(svc, kind, lambda to: Mail(mail_id, to, subject, text, html))
