"""The owner's screening list: a file or an https address with one address on chain in a line, read once a day.

Money from an address on it waits for the owner, and it is refused as a refund address. A list that cannot be read, or
has no address, leaves the last good one in force; the owner is told when that one is some days old.
"""

import re
from datetime import timedelta
from pathlib import Path

import structlog

from inspired.adapters.crypto import chain_addresses
from inspired.domain.shared.errors import Invalid, UpstreamError
from inspired.domain.shared.networks import Network
from inspired.services import Services

READ_EVERY = timedelta(days=1)
TRY_AGAIN = timedelta(hours=1)
ENQUEUE_AGAIN = timedelta(seconds=90)  # longer than the job may take
OLD = timedelta(days=3)
SECONDS = 20.0
LARGEST = 4 * 1024 * 1024  # bytes
MOST = 50_000  # addresses
ADDRESS = re.compile(r"\b(0x[0-9a-fA-F]{40}|T[1-9A-HJ-NP-Za-km-z]{33})\b")
SERVICE = "screening list"
log = structlog.get_logger()


def sweep(svc: Services) -> None:
    now = svc.now()
    if svc.screening.is_used and svc.screening.is_due(now) and svc.queue.enqueue_mail("read_screening_list"):
        svc.screening.due_at(now + ENQUEUE_AGAIN, now)


def read(svc: Services) -> None:
    """What cannot be read is tried again after an hour."""
    now, place = svc.now(), svc.settings.screening_list.get_secret_value()
    if not place:
        return  # the setting was removed since the job was enqueued
    try:
        found = addresses_in(_text(svc, place))
    except UpstreamError as error:
        log.warning("screening_list_unread", why=error.message)
        svc.screening.failed(error.message, now, TRY_AGAIN)
    else:
        log.info("screening_list_read", addresses=len(found))
        svc.screening.replace(found, now, READ_EVERY)


def addresses_in(text: str) -> set[str]:
    """All addresses in it, whatever else stands in their lines; what follows a # is left out. Raises UpstreamError if
    there is none, or too many."""
    found: set[str] = set()
    for line in text.splitlines():
        for shown in ADDRESS.findall(line.partition("#")[0]):
            if (address := _parsed(shown)) is not None:
                found.add(address)
    if not found:
        raise _unreadable("there is no address in it")
    if len(found) > MOST:
        raise _unreadable(f"it has more than {MOST} addresses")
    return found


def is_old(svc: Services) -> bool:
    """True if what is in force was read too long ago, or nothing was read for so long."""
    if not svc.screening.is_used:
        return False
    state = svc.screening.state()
    last = state.read_at or state.since
    return last is not None and svc.now() - last >= OLD


def _parsed(shown: str) -> str | None:
    """Lists are often written without EIP-55's capital letters, or with wrong ones: 20 bytes are what is compared."""
    if shown.startswith("0x"):
        return shown.lower()
    try:
        return chain_addresses.parsed(Network.TRC20, shown)
    except Invalid:
        return None


def _text(svc: Services, place: str) -> str:
    if place.startswith(("https://", "http://")):
        answer = svc.outside.call(SERVICE, "GET", place, seconds=SECONDS, what="read", largest=LARGEST)
        if answer.status != 200:
            raise _unreadable(f"HTTP {answer.status}")
        content = answer.body
    else:
        try:
            with Path(place).open("rb") as file:
                content = file.read(LARGEST + 1)
        except OSError as error:
            raise _unreadable(type(error).__name__) from None
    if len(content) > LARGEST:
        raise _unreadable("it is too large")
    return content.decode("utf-8", "replace")


def _unreadable(why: str) -> UpstreamError:
    return UpstreamError(SERVICE, why, maybe_applied=False)
