"""One run of some parts: how many rounds, how long, and the product they share."""

import contextlib
from dataclasses import dataclass
from functools import cached_property

from bench import product
from bench.product import Product


@dataclass
class Run:
    """`quick`: a tenth of everything, to see that it works."""

    stack: contextlib.ExitStack
    rounds: int
    quick: bool

    @cached_property
    def product(self) -> Product:
        """Started when the first part wants it, ended with the run."""
        return self.stack.enter_context(product.started())

    def some(self, count: int) -> int:
        return max(3, count // 10) if self.quick else count
