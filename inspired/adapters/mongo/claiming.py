"""Exclusive claims: of several processes that want a job, the one whose versioned write succeeds gets it."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

ThingT = TypeVar("ThingT")


class Claiming(Generic[ThingT]):
    """For stores whose `change` loads, decides, and saves unless another process saved meanwhile."""

    change: Callable[..., ThingT]

    def claim(self, thing_id: str, decide: Callable[[ThingT], ThingT | None], **known: Any) -> tuple[ThingT, bool]:
        """The current object, and whether the caller got it. `decide` returns the claimed version (counted, leased), or
        None if it cannot be claimed; it is called again if another process was faster."""
        is_mine = False

        def decided(current: ThingT) -> ThingT:
            nonlocal is_mine
            claimed = decide(current)
            is_mine = claimed is not None
            return current if claimed is None else claimed

        return self.change(thing_id, decided, **known), is_mine
