"""Money: exact decimals of at most eight places, never a float.

Eight places is what the first rail's provider accepts (decimal(.8), minimum 0.00000001).
"""

from dataclasses import dataclass
from decimal import ROUND_UP, Decimal

PLACES = Decimal("0.00000001")
TOO_MUCH = Decimal(10) ** 12


@dataclass(frozen=True, slots=True)
class Money:
    """An amount and its currency. Comparing or adding different currencies raises ValueError."""

    amount: Decimal
    currency: str = "USDT"

    def __post_init__(self) -> None:
        if not isinstance(self.amount, Decimal):
            raise TypeError("money is made from Decimal, see Money.parse")
        if not self.amount.is_finite():
            raise ValueError("money is a finite amount")
        if abs(self.amount) >= TOO_MUCH:
            raise ValueError("money has at most twelve digits before the point")
        if self.amount != self.amount.quantize(PLACES):
            raise ValueError("money has at most eight decimal places")

    @classmethod
    def parse(cls, text: "str | int | Decimal", currency: str = "USDT") -> "Money":
        """Parse a wire value: "75", "1.50000000", "1E-8". Raises ValueError, also for a float."""
        if isinstance(text, bool) or not isinstance(text, str | int | Decimal):
            raise ValueError("an amount is a decimal string")
        try:
            return cls(Decimal(text), currency)
        except ArithmeticError:
            raise ValueError(f"not an amount: {str(text)[:40]}") from None

    def __str__(self) -> str:
        """Plain digits without trailing zeros: "75", "1.5", "0.00000001"."""
        text = f"{self.amount:.8f}".rstrip("0").rstrip(".")
        return "0" if text == "-0" else text

    def _same(self, other: "Money") -> Decimal:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} is not {other.currency}")
        return other.amount

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._same(other), self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._same(other)

    def __gt__(self, other: "Money") -> bool:
        return self.amount > self._same(other)

    def __neg__(self) -> "Money":
        return Money(-self.amount, self.currency)

    @property
    def is_nothing(self) -> bool:
        return self.amount == 0

    def share(self, percent: int) -> "Money":
        """That many percent, rounded up to eight places in the payer's favour."""
        part = (self.amount * percent / 100).quantize(PLACES, ROUND_UP)
        return Money(part, self.currency)

    @property
    def shown(self) -> str:
        """For people: "75 USDT"."""
        return f"{self} {self.currency}"
