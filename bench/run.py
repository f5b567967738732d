"""How a part is to be run."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    """`quick`: one round and a tenth of everything, to see that it works."""

    rounds: int
    quick: bool

    def some(self, count: int) -> int:
        return max(3, count // 10) if self.quick else count
