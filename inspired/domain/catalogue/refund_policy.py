"""Refund policies: what goes back when a paid call does not take place; shown before payment.

A booking keeps a copy of the policy, as it keeps the price.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from inspired.domain.shared.errors import Invalid
from inspired.domain.shared.messages import Message, MessageId

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class RefundPolicy:
    """Cancelled by the customer: all of the price goes back until `full_until` before the start, `part_percent` of it
    until `part_until`, nothing after. The call can be moved until `move_until`. Times are counted back from the start.

    `choice_time`: how long a customer who paid but has no time (paid late, slot lost) may choose another one before the
    money goes back automatically. `top_up`: a short payment may be completed instead of going back.
    """

    full_until: timedelta = 24 * HOUR
    part_until: timedelta = 4 * HOUR
    part_percent: int = 50
    move_until: timedelta = 4 * HOUR
    choice_time: timedelta = 48 * HOUR
    top_up: bool = False

    def __post_init__(self) -> None:
        if not timedelta() <= self.part_until <= self.full_until:
            raise Invalid("The time for a part of the money ends after the time for all of it.")
        if not 0 <= self.part_percent <= 100:
            raise Invalid("A part is 0 to 100 percent.")
        if self.move_until < timedelta():
            raise Invalid("A call can be moved only before it starts.")
        if self.choice_time <= timedelta():
            raise Invalid("There has to be some time to choose.")

    def percent(self, starts: datetime, now: datetime) -> int:
        """The percentage of the price a customer who cancels now gets back."""
        left = starts - now
        if left >= self.full_until:
            return 100
        return self.part_percent if left >= self.part_until else 0

    @property
    def terms(self) -> tuple[Message, ...]:
        """For customers, in chronological order."""
        return tuple(self._terms())

    def _terms(self) -> Iterator[Message]:
        yield Message.of(MessageId.POLICY_ALL, until=self.full_until)
        if self.part_percent and self.part_until < self.full_until:
            yield Message.of(MessageId.POLICY_PART, until=self.part_until, percent=self.part_percent)
        last = self.part_until if self.part_percent else self.full_until
        if last > timedelta():
            yield Message.of(MessageId.POLICY_NOTHING, until=last)
        if self.move_until:
            yield Message.of(MessageId.POLICY_MOVING, until=self.move_until)
        else:
            yield Message(MessageId.POLICY_MOVING_TO_THE_START)


STANDARD = RefundPolicy()
