"""What only one booking may own, as values. One unique index over all claims of all bookings refuses a second owner.

`key` is a claim's spelling in the database; `adapters/mongo/spellings` alone reads it back.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Tick:
    """Five minutes of the built-in calendar. `number`: counted from 1970, see `Span.ticks`."""

    number: int

    @property
    def key(self) -> str:
        return f"tick:{self.number}"


@dataclass(frozen=True, slots=True)
class Invitee:
    """Whoever is invited to an event at Calendly."""

    uri: str

    @property
    def key(self) -> str:
        return f"invitee:{self.uri}"


class Visitor(StrEnum):
    """By what the unpaid bookings of one visitor are known."""

    MAIL = "mail"
    ADDRESS = "address"  # on the network


@dataclass(frozen=True, slots=True)
class UnpaidOf:
    """The unpaid bookings of one visitor. `index`: the blind index of the mail or network address."""

    by: Visitor
    index: str

    @property
    def key(self) -> str:
        return f"seat:{self.by}:{self.index}"


@dataclass(frozen=True, slots=True)
class CallsOn:
    """The calls of one type on one day of the owner's."""

    day: date
    type_id: str

    @property
    def key(self) -> str:
        return f"day:{self.day.isoformat()}:{self.type_id}"


Row = UnpaidOf | CallsOn


@dataclass(frozen=True, slots=True)
class Place:
    """A numbered place in a row that has only so many. `number`: from 1."""

    row: Row
    number: int

    @property
    def key(self) -> str:
        return f"{self.row.key}:{self.number}"


@dataclass(frozen=True, slots=True)
class UnknownClaim:
    """Of another release, kept as it is spelled."""

    key: str


Claim = Tick | Invitee | Place | UnknownClaim
