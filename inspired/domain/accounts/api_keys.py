"""Keys by which programs read the owner's API. A key is shown once; what is kept of it only recognises it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

PREFIX = "ia_"  # so that a key that got out is recognised as one of ours


class Scope(StrEnum):
    """What a key may do; nothing else."""

    READ_PAYMENTS = "payments:read"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`hash` is that of the whole key; `end` its last letters, to tell keys apart."""

    id: str
    name: str
    hash: str
    end: str
    scopes: frozenset[Scope]
    made_by: str
    made_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None
