"""Refund policies: what goes back when a paid call does not take place; shown before payment.

A booking keeps a copy of the policy, as it keeps the price.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from inspired.domain.shared.errors import Invalid

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
    def sentences(self) -> tuple[str, ...]:
        """For customers, in chronological order."""
        return tuple(self._told())

    def _told(self) -> Iterator[str]:
        full, part = in_hours(self.full_until), in_hours(self.part_until)
        yield f"Cancel {full} or more before the call: all of your money goes back."
        if self.part_percent and self.part_until < self.full_until:
            yield f"Cancel {part} or more before it: {self.part_percent} % goes back."
        last = part if self.part_percent else full
        if (self.part_until if self.part_percent else self.full_until) > timedelta():
            yield f"Later than {last} before it: nothing goes back."
        if self.move_until:
            yield f"Moving it costs nothing, until {in_hours(self.move_until)} before it."
        else:
            yield "Moving it costs nothing, until it starts."


STANDARD = RefundPolicy()


def in_hours(time: timedelta) -> str:
    hours = time // HOUR
    if hours >= 48 and hours % 24 == 0:
        return f"{hours // 24} days"
    return "1 hour" if hours == 1 else f"{hours} hours"
