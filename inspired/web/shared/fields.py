"""The kinds of fields that forms and the JSON API share. A wrong value raises ValueError with a sentence."""

import re
import unicodedata
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, EmailStr, Field, StringConstraints
from pydantic.functional_validators import AfterValidator, BeforeValidator

from inspired.adapters.mail.smtp import deliverable


def _one_line(value: str) -> str:
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp") for letter in value):
        raise ValueError("must be one line of text")
    return value.strip()


def _clean_name(value: str) -> str:
    """A person's name: one line, no markup."""
    value = _one_line(value)
    if re.search(r"[<>]", value):
        raise ValueError("must not contain < or >")
    return value


def _written_out(value: Any) -> Any:
    """A moment is text with an offset. Numbers are refused, since they could be seconds or milliseconds."""
    if not isinstance(value, str) or not MOMENT.match(value):
        raise ValueError("must be RFC 3339 with an offset, e.g. 2026-11-24T09:00:00Z")
    return value


def _of_our_days(value: datetime) -> datetime:
    if not 2000 < value.year < 2200:
        raise ValueError("is out of any calendar's reach")
    return value


def _bare_address(value: Any) -> Any:
    """Only the bare address: a display name would be dropped silently, and is not what the form shows."""
    if isinstance(value, str) and re.search(r'[<>"\s]', value.strip()):
        raise ValueError("must be a mail address alone, such as ada@example.org")
    return value


def _deliverable(value: str) -> str:
    """Refuses addresses that mail servers could not send to."""
    deliverable(value)
    return value


MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_of_our_days)]
Name = Annotated[str, StringConstraints(max_length=100), AfterValidator(_clean_name)]
Email = Annotated[EmailStr, BeforeValidator(_bare_address), AfterValidator(_deliverable), Field(max_length=254)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Uri = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Amount = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,12}(\.[0-9]{1,8})?$")]
MOST_ORDERS = 999  # per booking: order numbers have three digits
Reason = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_one_line)]
