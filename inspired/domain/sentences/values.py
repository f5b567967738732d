"""How facts look in sentences: amounts of money and lengths of time."""

from datetime import timedelta

from inspired.domain.shared.languages import counted
from inspired.domain.shared.messages import Parameter
from inspired.domain.shared.money import Money

HOUR = timedelta(hours=1)


def shown(value: Parameter) -> str:
    if isinstance(value, Money):
        return value.shown
    return in_hours(value) if isinstance(value, timedelta) else str(value)


def in_hours(time: timedelta) -> str:
    hours = time // HOUR
    if hours >= 48 and hours % 24 == 0:
        return counted("{number} day", "{number} days", hours // 24)
    return counted("{number} hour", "{number} hours", hours)
