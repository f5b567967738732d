"""Of all who want to do the same thing, one may: whoever's versioned write is saved."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

ThingT = TypeVar("ThingT")


class Claiming(Generic[ThingT]):
    """For a store whose `change` loads, decides, and saves where nobody else saved meanwhile."""

    change: Callable[..., ThingT]

    def claim(self, thing_id: str, decide: Callable[[ThingT], ThingT | None], **known: Any) -> tuple[ThingT, bool]:
        """The thing as it is now, and whether it is the caller's to go on with. `decide` gives it as claimed (counted,
        leased), or None where it is not to be had; it is asked again where somebody else was faster."""
        is_mine = False

        def decided(current: ThingT) -> ThingT:
            nonlocal is_mine
            claimed = decide(current)
            is_mine = claimed is not None
            return current if claimed is None else claimed

        return self.change(thing_id, decided, **known), is_mine
