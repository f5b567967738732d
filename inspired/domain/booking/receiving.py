"""Where money on chain goes: what the owner set, from when on it counts, and how many addresses are left. Pure.

A change waits, so that every owner hears of it before money follows it. What was in force once stays known: addresses
given out then are still checked against it.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from inspired.domain.shared.errors import Conflict, NotFound, Unchanged

WAIT = timedelta(hours=24)
LOW_LIST = 20  # addresses left in a list
LOW_GAP = 5  # … under an account key


class Part(StrEnum):
    """What can be set. A source, the wallets that refunds are sent from, and whether addresses are given out again, are
    of one kind of network; nodes and switch of one network."""

    SOURCE = "source"
    NODES = "nodes"
    SWITCH = "switch"
    WALLETS = "wallets"
    REUSE = "reuse"


class Event(StrEnum):
    """What every owner is told."""

    CHANGED = "changed"
    WITHDRAWN = "withdrawn"
    SWITCHED_ON = "on"
    SWITCHED_OFF = "off"


@dataclass(frozen=True, slots=True)
class Entry:
    """What was set. `by`: an account's id. `unasked`: addresses of a list of which no node could tell whether a
    contract lives there."""

    id: str
    value: str
    made_at: datetime
    by: str
    in_force_at: datetime
    unasked: int = 0


@dataclass(frozen=True, slots=True)
class Register:
    """All that was ever set in one place, oldest first. At most the last one is still waiting."""

    version: int = 0
    entries: tuple[Entry, ...] = ()

    def in_force(self, now: datetime) -> Entry | None:
        return next((entry for entry in reversed(self.entries) if entry.in_force_at <= now), None)

    def waiting(self, now: datetime) -> Entry | None:
        last = self.entries[-1] if self.entries else None
        return last if last is not None and last.in_force_at > now else None

    def once_in_force(self, entry_id: str, now: datetime) -> Entry | None:
        """The entry of this id, unless it never came into force."""
        return next((entry for entry in self.entries if entry.id == entry_id and entry.in_force_at <= now), None)

    def set(self, entry: Entry) -> "Register":
        """Raises Conflict while another change waits, or if this is in force already."""
        current = self.in_force(entry.made_at)
        if self.waiting(entry.made_at) is not None:
            raise Conflict("A change is waiting already. Please withdraw it first.")
        if current is not None and current.value == entry.value:
            raise Unchanged("This is what is in force already. Nothing was changed.")
        return replace(self, version=self.version + 1, entries=(*self.entries, entry))

    def withdrawn(self, entry_id: str, now: datetime) -> "Register":
        """Raises NotFound if it does not wait: what is in force is replaced, never withdrawn."""
        waiting = self.waiting(now)
        if waiting is None or waiting.id != entry_id:
            raise NotFound("No such change is waiting. It is withdrawn, or in force.")
        return replace(self, version=self.version + 1, entries=self.entries[:-1])


def in_force_at(now: datetime, *, was_ever_paid: bool) -> datetime:
    """At once as long as nobody has paid, so that a site can be set up in one go."""
    return now + WAIT if was_ever_paid else now


@dataclass(frozen=True, slots=True)
class Stock:
    """Addresses that can still be given out. Under an account key only so many may follow the last one with money:
    wallets do not look further for it. `resting`: how many of them were given out before."""

    left: int
    is_list: bool
    resting: int = 0

    @property
    def is_low(self) -> bool:
        return self.left <= (LOW_LIST if self.is_list else LOW_GAP)


def stock(size: int | None, *, next_number: int, last_with_money: int, gap_limit: int, resting: int = 0) -> Stock:
    """`size`: of a list; None: an account key. `last_with_money`: the highest number that ever received money, or -1.
    `resting`: addresses that may be given out again."""
    if size is not None:
        return Stock(max(0, size - next_number) + resting, is_list=True, resting=resting)
    return Stock(max(0, last_with_money + 1 + gap_limit - next_number) + resting, is_list=False, resting=resting)
