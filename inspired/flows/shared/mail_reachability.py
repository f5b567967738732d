"""Whether an address can receive our mails; checked when it is entered, before anything is paid."""

from inspired.adapters.mail.smtp import needs_utf8
from inspired.adapters.mongo import heartbeats
from inspired.domain.shared.errors import Invalid
from inspired.services import Services

NO_UTF8 = (
    "Our mails could not reach this address: our mail server cannot send to letters such as “ü” before the @. "
    "Please give another one."
)


def refuse_unreachable(svc: Services, address: str, field: str) -> None:
    """Raises Invalid for an address our mail server cannot send to, or is not known to support."""
    if needs_utf8(address):
        known = svc.heartbeats.one(heartbeats.MAIL_UTF8)
        if known is None or not known.is_well:
            raise Invalid(NO_UTF8, {field: NO_UTF8})
