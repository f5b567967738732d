"""API keys for programs that read the owner's API. A key is shown once; only its hash is kept."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

PREFIX = "ia_"  # so that a leaked key is recognised as one of ours


class Scope(StrEnum):
    """The only things a key may do."""

    READ_PAYMENTS = "payments:read"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`hash` is the hash of the whole key; `end` its last characters, to tell keys apart."""

    id: str
    name: str
    hash: str
    end: str
    scopes: frozenset[Scope]
    made_by: str
    made_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None
