"""Claims: what only one booking may own. A unique index over all claims of all bookings refuses a second owner.

`key` is a claim's form in the database; only `adapters/mongo/spellings` parses it.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from inspired.domain.shared.networks import Network


@dataclass(frozen=True, slots=True)
class Tick:
    """Five minutes of the built-in calendar. `number` counts from 1970, see `Span.ticks`."""

    number: int

    @property
    def key(self) -> str:
        return f"tick:{self.number}"


@dataclass(frozen=True, slots=True)
class Invitee:
    """One invitee of a Calendly event."""

    uri: str

    @property
    def key(self) -> str:
        return f"invitee:{self.uri}"


class Visitor(StrEnum):
    """How the unpaid bookings of one visitor are recognised."""

    MAIL = "mail"
    ADDRESS = "address"  # IP address


@dataclass(frozen=True, slots=True)
class UnpaidOf:
    """One visitor's unpaid bookings. `index` is the blind index of the email or IP address."""

    by: Visitor
    index: str

    @property
    def key(self) -> str:
        return f"seat:{self.by}:{self.index}"


@dataclass(frozen=True, slots=True)
class CallsOn:
    """The calls of one type on one day in the owner's zone."""

    day: date
    type_id: str

    @property
    def key(self) -> str:
        return f"day:{self.day.isoformat()}:{self.type_id}"


@dataclass(frozen=True, slots=True)
class AddressesOf:
    """The addresses on chain that one visitor is given on one day (UTC). `index` as in `UnpaidOf`."""

    by: Visitor
    index: str
    day: date

    @property
    def key(self) -> str:
        return f"addresses:{self.by}:{self.day.isoformat()}:{self.index}"


Row = UnpaidOf | CallsOn | AddressesOf


@dataclass(frozen=True, slots=True)
class Place:
    """A numbered place in a row of limited length. `number` starts at 1."""

    row: Row
    number: int

    @property
    def key(self) -> str:
        return f"{self.row.key}:{self.number}"


@dataclass(frozen=True, slots=True)
class RefundTransfer:
    """One transfer on chain that settles a refund: the log at `log_index` of its block. `tx_hash`: as in
    `networks.Transfer`."""

    network: Network
    tx_hash: str
    log_index: int

    @property
    def key(self) -> str:
        return f"refund:{self.network}:{self.tx_hash}:{self.log_index}"


@dataclass(frozen=True, slots=True)
class UnknownClaim:
    """Written by another release; kept unchanged."""

    key: str


Claim = Tick | Invitee | Place | RefundTransfer | UnknownClaim
